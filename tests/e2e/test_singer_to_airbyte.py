"""Tests two PostgreSQL taps with Airbyte destinations: by key, whole tables, files, and the database's log."""

import json
import shutil

import pytest

from e2e.junction import CHANGES, DELETION, MAKE_SLOT, SLOTS, Row, lines, orders
from support.variants import variants

pytestmark = pytest.mark.docker
taps = variants("tap", "melt", "pipe")
both = variants("target", "rows", "strict")


def customers(rows: list[Row]) -> dict[int, str]:
    found = {row["id"]: row["customer"] for row in rows}
    assert len(found) == len(rows)
    return found


@taps
@both
def test_a_second_run_reads_only_what_is_new(junction, database, tap, target):
    words = ("run", tap, target, "--strict-counts", "--json")
    assert junction.well(*words).records == {orders(tap): 3, lines(tap): 3}
    assert customers(junction.landed(target, orders(tap))) == {1: "ann", 2: "bob", 3: "cid"}
    database.query(CHANGES)
    database.query("INSERT INTO shop.lines VALUES (4, 1, 'cog')")
    # Both taps read the last row again, because another row may have the same time.
    assert junction.well(*words).records == {orders(tap): 3, lines(tap): 4}
    assert customers(junction.landed(target, orders(tap))) == {1: "ann", 2: "robert", 3: "cid", 4: "dan"}
    found = {(row["order_id"], row["line_no"], row["item"]) for row in junction.landed(target, lines(tap))}
    assert found == {(1, 1, "nut"), (1, 2, "bolt"), (2, 1, "washer"), (4, 1, "cog")}
    assert len(junction.landed(target, lines(tap))) == 4
    if target == "strict":
        (first, *_) = junction.merged(orders(tap))
        assert first["amount"] == "1234567890123456789012345678.0123456789"


@pytest.mark.slow
@taps
@both
def test_changes_out_of_the_log(junction, database, tap, target):
    source, stream = f"{tap}_log", orders(tap)
    database.query(MAKE_SLOT.format(SLOTS[tap]))
    words = ("run", source, target, "--strict-counts", "--json")
    first = junction.well(*words).records
    assert first == {stream: 3 if tap == "pipe" else 0}  # the other tap starts where its slot was created
    for change in (CHANGES, DELETION):
        database.query(change)
    if target == "strict":  # nothing is lost if the first attempt to write fails
        assert junction(*words, STRICT_AFTER="1").code == 4
    assert junction.well(*words).records == {stream: 3}
    landed = junction.landed(target, stream)
    if target == "strict":  # the destination deletes rows, as Airbyte's destinations do
        assert 1 not in customers(landed)
        (deleted,) = [line["data"] for line in junction.strict(stream) if line["data"]["id"] == 1][-1:]
    else:
        (deleted,) = [row for row in landed if row["id"] == 1]
        landed = [row for row in landed if row["id"] != 1]
    assert deleted["_ab_cdc_deleted_at"] == deleted["_sdc_deleted_at"] != None  # noqa: E711
    found = {key: value for key, value in customers(landed).items() if key != 3}
    assert found == {2: "robert", 4: "dan"}
    if target == "rows":  # one of the taps reads the last change again, because it may have been incomplete
        assert junction.well(*words).records == {stream: 1 if tap == "pipe" else 0}


@pytest.mark.slow
def test_a_new_column_waits_for_the_end_or_is_refused(junction, database):
    """This tap sends columns that are not in its catalog: the catalog is that of the first run."""
    junction.well("run", "pipe", "strict")
    _add_column(database)
    refused = junction("run", "pipe_strictly")
    assert refused.code == 5, refused.stderr
    said = "".join(line for line in refused.stderr.splitlines() if line.startswith(("error: ", "hint: ")))
    assert "`orders`" in said
    assert "`note`" in said
    assert "`late_schema: spool`" in said
    assert junction.well("run", "pipe", "strict", "--json").records["orders"] == 2
    assert _note(junction, "orders") == "new"


@pytest.mark.slow
def test_a_new_column_is_found_by_discovery(junction, database):
    """This tap sends only the columns in its catalog."""
    junction.well("run", "melt", "strict")
    _add_column(database)
    junction.well("run", "melt_strictly")
    assert _note(junction, "shop-orders") is None
    junction.well("run", "melt", "strict", "--refresh-catalog")
    assert _note(junction, "shop-orders") == "new"
    shutil.rmtree(junction.folder / ".tapdock" / "cache")  # other tests must not use this catalog


def _add_column(database) -> None:
    database.query("ALTER TABLE shop.orders ADD COLUMN note text")
    database.query("INSERT INTO shop.orders VALUES (4, 'dan', 7, '2024-01-04T00:00:00Z', 'new')")


def _note(junction, stream: str) -> str | None:
    """Return the values of the new column, as far as the destination got them."""
    catalog = junction.told()[-1]["catalog"]["streams"]
    (declared,) = [one["stream"]["json_schema"]["properties"] for one in catalog if one["stream"]["name"] == stream]
    (row,) = [row for row in junction.merged(stream) if row["id"] == 4]
    assert ("note" in declared) == ("note" in row)
    return row.get("note")


@pytest.mark.slow
@taps
@both
def test_overwrite_leaves_the_rows_of_the_last_run(junction, database, tap, target):
    words = ("--environment", "overwrite", "run", tap, target, "--strict-counts", "--json")
    assert junction.well(*words).records == {lines(tap): 3}
    database.query("DELETE FROM shop.lines WHERE line_no = 2")
    assert junction.well(*words).records == {lines(tap): 2}
    assert sorted(row["item"] for row in junction.landed(target, lines(tap))) == ["nut", "washer"]
    if target == "strict":
        generations = [run["catalog"]["streams"][0] for run in junction.told()]
        assert generations[1]["generation_id"] > generations[0]["generation_id"]
        assert all(each["generation_id"] == each["minimum_generation_id"] for each in generations)


@pytest.mark.slow
@taps
def test_a_tap_that_fails_midway_overwrites_nothing(junction, database, tap):
    """The run has no spool, so the destination has already received rows."""
    words = ("--environment", "overwrite", "run", f"{tap}_strictly", "--json")
    assert junction.well(*words).records == {lines(tap): 3}
    before = junction.strict(lines(tap))
    database.query("DELETE FROM shop.lines WHERE line_no = 2")
    wrong = lines(tap).replace("lines", "wrong")
    failed = junction(*words, **{f"TAPDOCK_SOURCES__{tap.upper()}__SELECT": json.dumps([lines(tap), wrong])})
    assert failed.code == 3
    assert "division by zero" in failed.json["error"]["message"]
    assert junction.strict(lines(tap)) == before
    assert all(message[0] != "COMPLETE" for run in junction.told()[1:] for message in run["messages"])
    assert junction.well(*words).records == {lines(tap): 2}
    assert sorted(row["item"] for row in junction.landed("strict", lines(tap))) == ["nut", "washer"]


@pytest.mark.slow
@both
def test_rows_in_files_arrive_as_records(junction, database, target):
    words = ("run", "melt_files", target, "--strict-counts", "--json")
    assert junction.well(*words).records == {"shop-orders": 3, "shop-lines": 3}
    assert customers(junction.landed(target, "shop-orders")) == {1: "ann", 2: "bob", 3: "cid"}
    assert len(junction.landed(target, "shop-lines")) == 3


@pytest.mark.slow
@taps
def test_the_schema_of_a_table_is_its_namespace(junction, database, tap):
    words = ("run", f"{tap}_by_schema", "--strict-counts", "--json")
    for _ in range(2):
        junction.well(*words)
    assert customers(junction.merged("shop.orders")) == {1: "ann", 2: "bob", 3: "cid"}
    assert len(junction.merged("archive.orders")) == 1
    assert junction.well(*words).records["orders"] == 1
