"""Tests the layout of tables: in a terminal of some width, and in a file or a pipe."""

import pytest

from tapdock.text.table import table_lines

RUN = "20261129T174946Z-ed7894a"
WIDE = {  # as commands print them
    "state history": (
        ("VERSION", "SAVED", "BY", "BYTES", "CHANGES"),
        [("current", "2026-11-29T17:50:19Z", f"run {RUN}", "412", "users.updated_at: 2026-11-28 -> 2026-11-29; " * 4)],
    ),
    "config show": (
        ("VALUE", "IS", "FROM"),
        [
            ("sources.shop.config.password", "[secret] (${SHOP_PASSWORD})", "environment prod, tapdock.yaml:40"),
            ("sources.shop.select", "public-orders.*, !public-customers.phone, public-prices.*", "tapdock.yaml:16"),
        ],
    ),
    "spec": (
        ("setting", "type", "required", "default", "description"),
        [("replication_method.initial_waiting_seconds", "integer", "", "1200", "The time that the source waits. " * 9)],
    ),
    "runs list": (
        ("RUN", "PIPELINE", "STATUS", "CODE", "RECORDS", "SECONDS", "OPTIONS"),
        [(RUN, "shop-to-lake", "succeeded", "0", "1,234,567", "1234.5", "--full-refresh --select public-orders.*")],
    ),
    "list": (
        ("CONNECTOR", "ROLE", "KIND", "IMAGE", "LOCKED"),
        [("warehouse", "target", "singer", "ghcr.io/meltanolabs/target-postgres:0.10.0", "sha256:0123456789ab…")],
    ),
    "search": (
        ("NAME", "ROLE", "KIND", "VARIANTS", "IMAGE OR PACKAGE", "LICENSE", "SUPPORT"),
        [
            (
                "tap-github",
                "source",
                "singer",
                "meltanolabs",
                "git+https://github.com/x/tap-github.git",
                "Apache-2.0",
                "",
            )
        ],
    ),
    "lock": (("image", "digest"), [("tapdock/source-faker:7.2.1", "sha256:" + 64 * "f")]),
    "catalog diff": (
        ("SCHEMA", "STREAM OR FIELD", "DETAIL", "NOTE"),
        [("changed_type", "public-orders.shipping_address.country", "string or null, was integer", "breaking")],
    ),
}


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 10])
@pytest.mark.parametrize("name", WIDE)
def test_no_word_is_cut_or_broken(name, width):
    columns, rows = WIDE[name]
    lines = list(table_lines(columns, rows, width=width))
    found = " ".join(lines).split()
    for row in rows:
        for word in " ".join(row).split():
            assert word in found
    if width >= 80 and name != "lock":
        assert all(len(line) <= width for line in lines)


def test_the_last_cell_is_below_its_row_if_its_column_would_be_narrow():
    rows = [("users", "x" * 50, ("some words " * 5).strip()), ("orders", "y", "")]
    assert list(table_lines(("stream", "image", "description"), rows, width=80)) == [
        "stream  image",
        "    description",
        f"users   {'x' * 50}",
        "    some words some words some words some words some words",
        "orders  y",
    ]


def test_rows_that_do_not_fit_are_printed_cell_by_cell():
    rows = [("users", "x" * 50, "", "a b"), ("orders", "y", "z", "")]
    assert list(table_lines(("stream", "image", "key", "notes"), rows, width=40)) == [
        "stream  users",
        f"image   {'x' * 50}",
        "notes   a b",
        "",
        "stream  orders",
        "image   y",
        "key     z",
    ]


def test_in_a_pipe_each_row_is_a_line_and_one_long_cell_does_not_move_the_others():
    rows = [("a", "x" * 500, "first"), ("b", "y", "second")]
    lines = list(table_lines(("name", "default", "text"), rows, width=None))
    assert lines == ["name  default  text", f"a     {'x' * 500}  first", "b     y        second"]


def test_a_table_without_rows_has_its_heading():
    assert list(table_lines(("a", "b", "c"), [], width=80)) == ["a  b  c"]
    assert list(table_lines(("a" * 50, "b" * 50, "c" * 50), [], width=80)) != []
