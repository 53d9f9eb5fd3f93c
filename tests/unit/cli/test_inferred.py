"""`schemaless: infer`: the source runs once more before the run, to learn the fields of streams that declare none."""

import json

import pytest

from support.orders import orders_of, rows
from tapdock.state.backends.base import open_backend
from tapdock.state.catalogs import find

pytestmark = pytest.mark.long
OPEN = {"json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh", "incremental"]}


@pytest.fixture
def project(tmp_path, tapdock):
    """project(*steps, config=…, keys=…) -> a function that runs tapdock; the source's streams declare no fields."""
    made = orders_of(tmp_path, tapdock)

    def written(*steps, config=None, keys=None, target="target"):
        run = made("source", target, *steps, **(keys or {}))
        file = tmp_path / "tapdock.yaml"
        whole = json.loads(file.read_text())
        whole["sources"]["shop"]["config"] |= {"describes": OPEN, "streams": ["orders"], **(config or {})}
        whole["pipelines"]["demo"]["schemaless"] = "infer"
        file.write_text(json.dumps(whole))
        return run

    return written


def inferred(tmp_path):
    """Return the types that are kept beside the state, by stream."""
    catalog = find(open_backend(".tapdock/state", tmp_path), "default:shop-to-lake").catalog
    return {each.name: each.inferred for each in catalog.streams}


def test_a_token_that_the_source_changes_while_its_fields_are_learned_is_used_by_the_run(project, tmp_path):
    tapdock = project(f"spend {tmp_path}/spent", "until orders 3", "state")
    ended = tapdock("run", "demo")
    assert ended.returncode == 0, ended.stderr
    assert "to learn their fields" in ended.stderr
    assert rows(tmp_path)["orders"] == [1, 2, 3]


def test_a_run_that_leaves_out_a_stream_or_infers_nothing_keeps_its_fields(project, tmp_path):
    tapdock = project("until orders 3", "until users 3", "state", config={"streams": ["orders", "users"]})
    assert tapdock("run", "demo", "--quiet").returncode == 0
    kept = inferred(tmp_path)
    assert kept["orders"] == kept["users"] == {"id": "integer", "name": "string"}
    assert tapdock("run", "demo", "--select", "users.*", "--quiet").returncode == 0
    assert inferred(tmp_path) == kept
    assert tapdock("run", "shop", "lake", "--quiet").returncode == 0, "the same state, with `schemaless: json`"
    assert inferred(tmp_path) == kept


def test_a_run_of_a_window_gets_the_fields_that_every_run_gets(project, tmp_path):
    dates = {"start_date": "2026-01-01", "end_date": "2026-01-03"}
    keys = {"window": {"start": "start_date", "end": "end_date"}}
    tapdock = project("january orders", "days orders", "state", config=dates, keys=keys, target="destination")
    window = ("--from", "2026-02-01", "--to", "2026-02-03")
    ended = tapdock("run", "demo", *window, "--dump", "catalog")
    (stream,) = json.loads(ended.stdout)["target"]["streams"]
    assert stream["stream"]["json_schema"]["properties"].keys() >= {"id", "name", "price"}
    assert tapdock("run", "demo", *window, "--quiet").returncode == 0
    assert rows(tmp_path)["orders"] == [32, 33]


def test_a_map_may_name_inferred_fields_as_the_key(project, tmp_path):
    tapdock = project("until orders 2", "state", target="destination")
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["maps"] = {"orders": {"__key_properties__": ["name"]}}
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "demo", "--dump", "catalog")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["target"]["streams"][0]["primary_key"] == [["name"]]


def test_a_spool_is_written_with_the_fields_that_a_run_has_learned(project, tmp_path):
    tapdock = project("until orders 2", "state")
    assert tapdock("run", "shop", "--to", str(tmp_path / "spool"), "--quiet").returncode == 0
    ended = tapdock("run", "demo", "--from", str(tmp_path / "spool"))
    assert ended.returncode == 2
    assert "the fields of `orders` are not known" in ended.stderr
    assert tapdock("run", "demo", "--quiet").returncode == 0
    ended = tapdock("run", "demo", "--from", str(tmp_path / "spool"), "--full-refresh")
    assert ended.returncode == 0, ended.stderr
    assert rows(tmp_path)["orders"] == [1, 2, 1, 2], "rows with fields"


def test_a_stream_has_its_own_way(project, tmp_path):
    tapdock = project("until orders 2", "until users 2", "state", config={"streams": ["orders", "users"]})
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    del whole["pipelines"]["demo"]["schemaless"]
    whole["sources"]["shop"]["streams"] = {"*": {"schemaless": "infer"}}
    file.write_text(json.dumps(whole))
    assert tapdock("run", "demo", "--quiet").returncode == 0
    assert inferred(tmp_path)["users"] == {"id": "integer", "name": "string"}
    whole["sources"]["shop"]["streams"]["users"] = {"schemaless": "refuse"}
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "demo")
    assert ended.returncode == 2, ended.stderr
    assert "declares no fields for stream `users`" in ended.stderr
    whole["sources"]["shop"]["streams"]["users"] = {"schemaless": "json"}
    file.write_text(json.dumps(whole))
    (tmp_path / "data/rows").unlink()
    ended = tapdock("run", "demo", "--full-refresh")
    assert ended.returncode == 0, ended.stderr
    written = [json.loads(line) for line in (tmp_path / "data/rows").read_text().splitlines()]
    fields = {one["stream"]: set(one["record"]) for one in written if "record" in one}
    assert fields == {"users": {"id", "data"}, "orders": {"id", "name"}}, "the key of users stays a column"
    ended = tapdock("preview", "shop", "--json")
    assert ended.returncode == 0, ended.stderr
    assert '"id"' in ended.stdout
    assert '"data": {"id"' not in ended.stdout
