"""Tests PostgreSQL taps with Singer targets: the tap's messages, byte for byte, and the rows of the target."""

import json

import pytest

from e2e.junction import CHANGES, DELETION, MAKE_SLOT, SLOTS, Row, lexemes, lines, orders
from support.variants import variants

pytestmark = pytest.mark.docker
taps = variants("tap", "melt", "pipe")
IMAGES = {"melt": "tapdock/tap-postgres:0.10.0-5f82d613", "pipe": "tapdock/tap-postgres:1.8.4-a6960b4d"}


@pytest.mark.slow
@taps
def test_lines_are_the_taps_own(junction, database, tap):
    junction.well("run", tap, "lines", "--strict-counts")
    said = _alone(junction, tap)
    for stream in (orders(tap), lines(tap)):
        bodies = [message["record"] for message in said if _of_table(message, stream)]
        assert junction.bodies(_file(tap, stream)) == bodies
        assert len(bodies) == 3
    amounts = [row["amount"] for row in junction.bodies(_file(tap, orders(tap)))]
    assert "1234567890123456789012345678.0123456789" in amounts


def _alone(junction, tap: str) -> list[Row]:
    """Return the output of the tap without tapdock."""
    server = {"host": junction.environ["POSTGRES_HOST"], "port": 5432, "user": "tapdock"}
    config = {**server, "password": junction.environ["POSTGRES_PASSWORD"]}
    config |= {"database": "routes", "filter_schemas": ["shop"]} if tap == "melt" else {}
    config |= {"dbname": "routes", "filter_schemas": "shop", "tap_id": "alone"} if tap == "pipe" else {}
    network = junction.environ["POSTGRES_NETWORK"]
    found = junction.alone(IMAGES[tap], "--config", "config.json", "--discover", network=network, config=config)
    catalog = json.loads(found)
    for stream in catalog["streams"]:
        root = next(each["metadata"] for each in stream["metadata"] if not each["breadcrumb"])
        by_key = {"replication-method": "INCREMENTAL", "replication-key": "updated_at"}
        by_key = by_key if stream["table_name"] == "orders" else {"replication-method": "FULL_TABLE"}
        root.update(selected=stream["table_name"] in ("orders", "lines"), **by_key)
    words = ("--config", "config.json", "--catalog", "catalog.json")
    said = junction.alone(IMAGES[tap], *words, network=network, config=config, catalog=catalog)
    return [lexemes(line) for line in said.splitlines()]


def _of_table(message: Row, stream: str) -> bool:
    return message["type"] == "RECORD" and message["stream"].removeprefix("shop-") == stream.removeprefix("shop-")


def _file(tap: str, stream: str) -> str:
    """Return the name of the file of a table: both taps send rows with the schema as a prefix of the stream."""
    return stream if tap == "melt" else f"shop-{stream}"


@taps
@variants("target", "melt_base", "lake", "lines", "pipe_base")
def test_a_second_run_reads_only_what_is_new(junction, database, tap, target):
    words = ("run", tap, target, "--strict-counts", "--json")
    assert junction.well(*words).records == {orders(tap): 3, lines(tap): 3}
    assert _customers(junction, database, target) == {1: "ann", 2: "bob", 3: "cid"}
    database.query(CHANGES)
    assert junction.well(*words).records == {orders(tap): 3, lines(tap): 3}
    assert _customers(junction, database, target) == {1: "ann", 2: "robert", 3: "cid", 4: "dan"}
    bookmark = junction.state(f"{tap}-to-{target}")["bookmarks"]["shop-orders"]
    assert str(bookmark["replication_key_value"]).startswith("2024-01-05T00:00:00")


@pytest.mark.slow
def test_a_schema_of_an_older_draft_is_repaired(junction, database):
    """`exclusiveMaximum: true` is not valid in newer drafts. The target would stop at the first such schema."""
    ended = junction.well("run", "pipe", "melt_base", "--verbose")
    assert "removed from its schema, as targets cannot read it: `exclusiveMaximum`" in ended.stderr
    amounts = database.query("SELECT id, amount FROM landed.orders ORDER BY id")
    assert amounts == database.query("SELECT id, amount FROM shop.orders ORDER BY id")


def _customers(junction, database, target: str) -> dict[int, str]:
    """Return the customers in order.

    A target that only appends has several rows of one customer; the last row is current.
    """
    match target:
        case "lines":
            rows = [(int(row["id"]), row["customer"]) for row in junction.bodies("shop-orders")]
        case "lake":
            rows = junction.query("SELECT id, customer FROM main.orders")
        case _:
            rows = [(int(number), who) for number, who in database.query("SELECT id, customer FROM landed.orders")]
    assert target == "lines" or len(dict(rows)) == len(rows)
    return dict(rows)


@pytest.mark.slow
@taps
def test_changes_out_of_the_log(junction, database, tap):
    """A deletion is passed on unchanged. One of the two targets also deletes the row."""
    database.query(MAKE_SLOT.format(SLOTS[tap]))
    words = ("run", f"{tap}_log", f"{tap}_base", "--strict-counts", "--json")
    junction.well(*words)
    for change in (CHANGES, DELETION):
        database.query(change)
    assert junction.well(*words).records == {orders(tap): 3}
    deleted = "_sdc_deleted_at IS NOT NULL"
    found = database.query(f"SELECT id, customer, {deleted} FROM landed.orders WHERE id <> 3 ORDER BY id")
    kept = [["2", "robert", "f"], ["4", "dan", "f"]]
    assert found == (kept if tap == "pipe" else [["1", "", "t"], *kept])


@pytest.mark.slow
@taps
def test_a_whole_table_replaces_the_one_before(junction, database, tap):
    """The tap's own ACTIVATE_VERSION reaches the target after the rows."""
    words = ("run", f"{tap}_versions", "melt_base", "--strict-counts", "--json")
    assert junction.well(*words).records == {orders(tap): 3, lines(tap): 3}
    database.query("DELETE FROM shop.lines WHERE line_no = 2")
    database.query("DELETE FROM shop.orders WHERE id = 3")
    database.query("UPDATE shop.orders SET customer = 'robert' WHERE id = 2")
    assert junction.well(*words).records == {orders(tap): 2, lines(tap): 2}
    assert database.query("SELECT id, customer FROM landed.orders ORDER BY id") == [["1", "ann"], ["2", "robert"]]
    assert database.query("SELECT item FROM landed.lines ORDER BY item") == [["nut"], ["washer"]]


@pytest.mark.slow
def test_rows_of_another_tap_stay(junction, database):
    """Both taps send ACTIVATE_VERSION for tables of one schema, in which the target deletes rows of other versions."""
    junction.well("run", "melt_versions", "melt_base")
    database.query("DELETE FROM shop.orders WHERE id = 3")
    ended = junction.well("run", "pipe_versions", "melt_base", "--verbose")
    assert "would delete the rows of the state `default:melt_versions-to-melt_base`" in ended.stderr
    assert database.query("SELECT id FROM landed.orders ORDER BY id") == [["1"], ["2"], ["3"]]


@pytest.mark.slow
def test_files_of_rows_go_through_where_the_target_reads_them(junction, database):
    ended = junction.well("run", "melt_files", "melt_base", "--strict-counts", "--json", "--verbose")
    assert "0 records, 4 batch manifests" in ended.stderr
    assert database.query("SELECT id, customer FROM landed.orders ORDER BY id") == [
        ["1", "ann"], ["2", "bob"], ["3", "cid"]
    ]  # fmt: skip
    assert database.query("SELECT count(*) FROM landed.lines") == [["3"]]
    assert ended.records == {"shop-orders": 3, "shop-lines": 3}


@pytest.mark.slow
def test_files_of_rows_are_read_for_other_targets(junction, database):
    counts = junction.well("run", "melt_files", "lines", "--strict-counts", "--json").records
    assert counts == {"shop-orders": 3, "shop-lines": 3}
    assert [row["customer"] for row in junction.bodies("shop-orders")] == ["ann", "bob", "cid"]
    assert len(junction.bodies("shop-lines")) == 3
