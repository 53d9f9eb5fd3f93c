"""Tests how the options of `run` change the rows in the target."""

import json

import pytest

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_select_takes_streams_and_leaves_out_fields(shop):
    chosen = ("--select", "users.*", "--select", "!users.address", "--select", "!users.height")
    assert shop.well("run", "faker", "lines", "--json", *chosen).records == {"users": 200}
    fields = {name for line in shop.lines("users") for name in json.loads(line)}
    assert {"id", "name", "email"} <= fields
    assert not {"address", "height"} & fields


def test_a_dry_run_reads_and_writes_nothing(shop):
    plan = shop.well("run", "copy", "--dry-run", "--json").json
    assert [(s["stream"], s["sync_mode"], s["key"], s["cursor"]) for s in plan["streams"]] == [
        ("entries", "incremental", ["id"], ["id"]),
        ("accounts", "full_refresh", ["branch", "number"], []),
    ]
    assert plan["has_state"] is False
    said = shop.well("run", "copy", "--dry-run").stdout
    assert "starting from scratch" in said
    assert not (shop.folder / "lines").exists()
    assert shop.well("state", "list", "--json").json == []
    assert shop.well("runs", "list", "--json").json == []


@pytest.mark.slow
def test_blocks_run_one_after_the_other(shop):
    ended = shop.well("run", "copy", "ledger", "lake", "--json").json
    assert [(run["pipeline"], run["exit_code"]) for run in ended["runs"]] == [("copy", 0), ("ledger-to-lake", 0)]
    assert len(shop.lines("entries")) == 5
    assert shop.query("SELECT count(*) FROM entries") == [(5,)]


@pytest.mark.slow
def test_blocks_run_side_by_side(shop):
    ended = shop.well("run", "copy", "books", "--concurrency", "2", "--json").json
    assert sorted(run["pipeline"] for run in ended["runs"]) == ["books", "copy"]
    assert {run["status"] for run in ended["runs"]} == {"succeeded"}
    assert len(shop.lines("entries")) == 5
    assert shop.query("SELECT count(*) FROM entries") == [(5,)]


def test_a_failed_block_keeps_the_next_from_starting(shop):
    ended = shop("run", "copy", "books", "--json", TAPDOCK_TARGETS__LINES__CONFIG__DESTINATION_PATH="/proc/nowhere")
    assert ended.code == 4
    assert [(run["pipeline"], run["error"]["side"]) for run in ended.json["runs"]] == [("copy", "target")]
    assert not (shop.folder / "lake" / "lake.duckdb").exists()
    assert shop.well("state", "list", "--json").json == []


@pytest.mark.slow
def test_runs_are_remembered(shop, environ):
    shop.well("run", "copy")
    (run,) = shop.well("runs", "list", "--json").json
    assert (run["pipeline"], run["status"], run["exit_code"]) == ("copy", "succeeded", 0)
    assert shop.well("runs", "show", "--json").json == run
    shown = shop.well("runs", "show", run["run_id"][-6:]).stdout
    assert run["run_id"] in shown
    assert "entries" in shown
    logged = [json.loads(line) for line in shop.well("runs", "logs", "latest", "--json").stdout.splitlines()]
    assert {line["run_id"] for line in logged} == {run["run_id"]}
    assert logged[0]["event"] == "run started"
    assert "run ended" in shop.well("runs", "logs").stdout


@pytest.mark.slow
def test_a_run_without_json_ends_with_its_table(shop):
    *table, last = shop.well("run", "copy").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["stream", "records"], ["entries", "5"], ["accounts", "2"]]
    assert last.startswith("copy succeeded in ")
    assert "7 records" in last


@pytest.mark.slow
def test_locked_images(shop):
    missing = shop("run", "copy", "--locked", "--dry-run")
    assert (missing.code, "`tapdock lock`" in missing.stderr) == (2, True)
    shop.well("lock")
    shop.well("run", "copy", "--locked", "--dry-run")
    file = shop.folder / "tapdock.lock"
    locked = json.loads(file.read_text())
    assert "tapdock/target-jsonl:0.1.4" in locked["images"]
    locked["images"]["tapdock/target-jsonl:0.1.4"] = f"sha256:{'0' * 64}"
    file.write_text(json.dumps(locked))
    other = shop("run", "copy", "--locked", "--dry-run")
    assert (other.code, "tapdock/target-jsonl:0.1.4" in other.stderr) == (8, True)
