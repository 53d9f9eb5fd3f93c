"""Tests runs into DuckDB: every record is written once, and a run resumes where the previous run ended."""

import json

import pytest

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_a_second_run_begins_from_the_state_of_the_first(shop):
    first = shop.well("run", "shop", "--json")
    assert first.records == {"products": 100, "users": 200, "purchases": 200}
    for stream, count in first.records.items():
        assert shop.query(f"SELECT count(*), count(DISTINCT id) FROM {stream}") == [(count, count)]

    second = shop.well("run", "shop", "--json")
    assert second.records == {"products": 0, "users": 0, "purchases": 0}
    assert shop.query("SELECT count(*) FROM users") == [(200,)]

    record = first.json
    assert record["status"] == "succeeded"
    assert record["state"]["committed"] >= 1
    assert [each["role"] for each in record["containers"]] == ["source", "target"]
    assert [each["exit_code"] for each in record["containers"]] == [0, 0]
    assert {each["status"] for each in record["streams"]} == {"complete"}


@pytest.mark.slow
def test_only_what_is_new_is_read(shop):
    first = shop.well("run", "books", "--json")
    assert first.records == {"entries": 5, "accounts": 2}
    assert "stores numbers as double precision, with about 16 digits: `entries.exact`, `entries.whole`" in first.stderr
    grown = shop.well("run", "books", "--json", TAPDOCK_SOURCES__LEDGER__CONFIG__ROWS="9")
    assert grown.records == {"entries": 4, "accounts": 2}
    assert "double precision" not in grown.stderr
    assert shop.query("SELECT count(*), max(id) FROM entries") == [(9, 9)]


@pytest.mark.slow
def test_a_full_refresh_reads_everything_again(shop):
    shop.well("run", "copy")
    assert shop.well("run", "copy", "--full-refresh", "--json").records["entries"] == 5
    assert len(shop.lines("entries")) == 10
    assert shop.well("run", "copy", "--json").records["entries"] == 0


@pytest.mark.slow
def test_without_state_update_the_next_run_reads_the_same(shop):
    ended = shop.well("run", "copy", "--no-state-update", "--json")
    assert (ended.records["entries"], ended.json["state"]["committed"]) == (5, 0)
    assert shop.well("state", "list", "--json").json == []
    assert shop.well("run", "copy", "--json").records["entries"] == 5


@pytest.mark.slow
def test_environments_have_states_of_their_own(shop):
    shop.well("run", "copy")
    large = shop.well("run", "copy", "--json", "--environment", "large")
    assert (large.records["entries"], large.json["state_id"]) == (8, "large:ledger-to-lines")
    keys = [state["key"] for state in shop.well("state", "list", "--json").json]
    assert sorted(keys) == ["default:ledger-to-lines", "large:ledger-to-lines"]


@pytest.mark.slow
def test_states_are_taken_out_put_in_and_cleared(shop):
    shop.well("run", "copy")
    state = shop.well("state", "get", "copy").stdout
    assert next(s["stream"]["stream_state"] for s in json.loads(state) if "stream_state" in s["stream"]) == {"id": 5}
    shown = shop.well("state", "show", "copy", "--json").json
    assert (shown["key"], shown["dialect"], shown["state"]) == ("default:ledger-to-lines", "airbyte", json.loads(state))

    shop.well("state", "clear", "copy", "--stream", "entries", "--yes")
    assert shop.well("run", "copy", "--json").records["entries"] == 5
    shop.well("state", "clear", "copy", "--yes")
    gone = shop("state", "get", "copy")
    assert (gone.code, "state list" in gone.stderr) == (6, True)

    shop.well("state", "set", "copy", stdin=state.replace('"id":5', '"id":3').replace('"id": 5', '"id": 3'))
    assert shop.well("run", "copy", "--json").records["entries"] == 2
