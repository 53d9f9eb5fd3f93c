"""Tests `run --limit`: what is written and saved on each route, and which runs are refused."""

import json
import shlex
from pathlib import Path

import pytest

from support.orders import orders_of, rows
from support.pages import page_steps

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
KINDS = {"tap": "singer", "target": "singer", "source": "airbyte", "destination": "airbyte"}
ROUTES = [
    ("tap", "target", 50),
    pytest.param("tap", "destination", 2, marks=pytest.mark.slow),
    ("source", "target", 2),
    pytest.param("source", "destination", 50, marks=pytest.mark.slow),
]


@pytest.fixture
def project(tmp_path, tapdock):
    return orders_of(tmp_path, tapdock)


@pytest.mark.parametrize(("source", "target", "orders"), ROUTES)
def test_a_limited_run_writes_no_more_and_a_later_run_misses_nothing(project, tmp_path, source, target, orders):
    """Only the state before the first record that is left out may be saved: with 50 orders, that is none."""
    first = ("schema orders", f"until orders {orders}", "state", "schema users", "forever users")
    tapdock = project(source, target, *first)
    ended = tapdock("run", "demo", "--limit", "2", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert rows(tmp_path) == {"orders": [1, 2], "users": [1, 2]}
    record = json.loads(ended.stdout)
    assert (record["status"], record["limit"]) == ("succeeded", 2)
    assert [(each["records"], each["status"]) for each in record["streams"]] == [(2, "limited")] * 2
    then = (*first[:1], "until orders 50", "state", "schema users", "until users 4", "state")
    ended = project(source, target, *then)("run", "demo", "--quiet")
    assert ended.returncode == 0, ended.stderr
    found = rows(tmp_path)
    assert set(found["orders"]) == set(range(1, 51)), "a state was saved that covers orders which were left out"
    assert set(found["users"]) == {1, 2, 3, 4}
    if orders == 2:
        assert len(found["orders"]) == 50, "the orders that were written are not read again"


def test_the_result_names_the_limit_and_nothing_is_limited_that_ends_before_it(project, tmp_path):
    tapdock = project("tap", "target", "schema orders", "until orders 4", "state", "schema users", "until users 9")
    ended = tapdock("run", "demo", "--limit", "5")
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[-1] for line in ended.stdout.splitlines()[1:3]] == ["complete", "limited"]
    assert "9 records, at most 5 of each stream; state" in ended.stdout
    assert "5 records of each stream" in tapdock("runs", "show").stdout


OVERWRITE = {"streams": {"users": {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}}}


def test_rows_of_earlier_runs_are_never_replaced_by_a_few(project, tmp_path):
    tapdock = project("source", "destination", "until users 3", **OVERWRITE)
    for words in (("--limit", "2"), ("--limit", "2", "--dry-run")):
        ended = tapdock("run", "demo", *words)
        assert ended.returncode == 2
        assert "`--limit` would replace all rows of `users` in target `lake` with a few" in ended.stderr
        assert "`tapdock preview shop` shows the first records without a target" in ended.stderr
    assert rows(tmp_path) == {"orders": [], "users": []}
    assert (
        "`--dump` and `--limit` exclude each other" in tapdock("run", "demo", "--limit", "2", "--dump", "state").stderr
    )
    assert tapdock("run", "demo", "--limit", "0").returncode == 2


def test_a_new_snapshot_of_a_tap_does_not_replace_rows(project, tmp_path):
    """An Airbyte destination would drop the rows of the generation before."""

    def snapshot(version, first, last, *more):
        schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
        about = {"stream": "users", "version": version}
        bookmark = {"bookmarks": {"users": {"id": last, "version": version}}}
        lines = [
            {"type": "SCHEMA", "stream": "users", "schema": schema, "key_properties": ["id"]},
            *({"type": "RECORD", "record": {"id": number}, **about} for number in range(first, last + 1)),
            {"type": "ACTIVATE_VERSION", **about},
            {"type": "STATE", "value": bookmark},
        ]
        (tmp_path / "lines").write_text("".join(json.dumps(line) + "\n" for line in lines))
        tapdock = project("tap", "destination", f"file {tmp_path / 'lines'}", *more)
        file = tmp_path / "tapdock.yaml"
        whole = json.loads(file.read_text())
        whole["pipelines"]["demo"]["late_schema"] = "spool"
        whole["sources"]["shop"]["config"]["streams"] = ["users"]
        file.write_text(json.dumps(whole))
        return tapdock

    assert snapshot(1, 1, 10)("run", "demo", "--quiet").returncode == 0
    ended = snapshot(2, 101, 120, "forever users")("run", "demo", "--quiet", "--limit", "3")
    assert ended.returncode == 5
    assert "sends a new snapshot of stream `users`, and a few records would replace all rows" in ended.stderr
    assert "run without `--limit`" in ended.stderr
    assert rows(tmp_path)["users"] == list(range(1, 11))


def test_a_limited_run_is_not_repeated(project, tmp_path):
    """Each attempt would write up to the limit."""
    tapdock = project("source", "target", "until orders 1", "error - transient_error", "exit 1")
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["retries"] = 1
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "demo", "--limit", "2")
    assert ended.returncode == 3
    assert "retrying" not in ended.stderr
    assert rows(tmp_path)["orders"] == [1]


def test_the_command_of_the_page(project, tmp_path):
    tapdock = project("source", "target", "until orders 200", "until users 200")
    for step in page_steps("inspecting.md", "A run of a few records"):
        ended = tapdock(*shlex.split(step.command)[1:])
        assert ended.returncode == 0, ended.stderr
    assert rows(tmp_path)["users"] == list(range(1, 101))
