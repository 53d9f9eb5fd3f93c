"""Tests that a tap's ACTIVATE_VERSION does not delete what another pipeline has written, with real programs."""

import contextlib
import json
import re
import sqlite3
import sys

import pytest

pytestmark = pytest.mark.long

TAP = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
name, version = config["stream"], config["version"]
stream = {"stream": name, "tap_stream_id": "public-" + name, "schema": {"properties": {"id": {"type": "integer"}}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{**stream, "key_properties": ["id"]}]}))
else:
    name = config.get("sent_as", name)
    print(json.dumps({"type": "SCHEMA", **stream, "stream": name, "key_properties": ["id"]}))
    print(json.dumps({"type": "RECORD", "stream": name, "record": {"id": version}, "version": version}))
    print(json.dumps({"type": "ACTIVATE_VERSION", "stream": name, "version": version}))
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {"public-" + config["stream"]: {"version": version}}}}))
"""
TARGET = """#!%s
import json, sqlite3, sys
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
file = sqlite3.connect(config["file"], timeout=60, isolation_level=None)
for line in sys.stdin:
    message = json.loads(line)
    kind, name = message["type"], config["schema"] + "." + message.get("stream", "")
    if kind == "SCHEMA":
        file.execute(f"CREATE TABLE IF NOT EXISTS '{name}' (id INTEGER PRIMARY KEY, version INTEGER)")
    elif kind == "RECORD":
        file.execute(f"INSERT OR REPLACE INTO '{name}' VALUES (?, ?)", (message["record"]["id"], message["version"]))
    elif kind == "ACTIVATE_VERSION":
        file.execute(f"DELETE FROM '{name}' WHERE version <> ?", (message["version"],))
    elif kind == "STATE":
        print(json.dumps(message["value"]), flush=True)
"""
RENAMED = {"renamed": {"source": "two", "target": "lake", "maps": {"users": {"__alias__": "people"}}}}


@pytest.fixture
def run(tapdock, folder):
    """run(*words, two={}, both={}, keys_of_two={}, **keys) -> the result of `tapdock run`, without an error.

    The sources `one` and `two` have the stream `users`. `two` and `both` are other settings of theirs. `keys` are other
    keys of the project file.
    """

    def program(name, text):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
        return {"image": str(folder / name), "kind": "singer"}

    def ended(*words, two=None, both=None, keys_of_two=None, **keys):
        tap, target = program("tap", TAP), program("target-sql", TARGET)
        users = {"stream": "users", **(both or {})}
        config = {"file": str(folder / "rows.db"), "schema": "shop"}
        project = {
            "version": 1,
            "sources": {
                "one": {**tap, "config": {**users, "version": 1}},
                "two": {**tap, "config": {**users, "version": 2, **(two or {})}, **(keys_of_two or {})},
            },
            "targets": {
                "lake": {**target, "config": config},
                "other": {**target, "config": {**config, "schema": "two"}},
            },
            **keys,
        }
        (folder / "tapdock.yaml").write_text(json.dumps(project))
        ended = tapdock("run", *words, TAPDOCK_ENGINE="local")
        assert ended.returncode == 0, ended.stderr
        return ended

    return ended


@pytest.fixture
def rows(folder):
    """rows(table) -> the ids in a table, after those that are given have been added."""

    def found(table="shop.users", *more):
        with contextlib.closing(sqlite3.connect(folder / "rows.db", isolation_level=None)) as file:
            file.execute(f"CREATE TABLE IF NOT EXISTS '{table}' (id INTEGER PRIMARY KEY, version INTEGER)")
            file.executemany(f"INSERT INTO '{table}' VALUES (?, 0)", [(each,) for each in more])
            return [row for (row,) in file.execute(f"SELECT id FROM '{table}' ORDER BY id")]

    return found


@pytest.mark.parametrize("sent_as", ["users", "public-users"])
def test_rows_that_another_pipeline_wrote_stay(run, rows, sent_as):
    """The state has the id of the stream, and taps use one of three names in their messages."""
    run("two", "lake", both={"sent_as": sent_as})
    ended = run("one", "lake", both={"sent_as": sent_as})
    assert rows(f"shop.{sent_as}") == [1, 2]
    assert "would delete the rows of the state `default:two-to-lake` in the same table" in ended.stderr
    assert "`tapdock state clear default:two-to-lake` if its rows may go" in ended.stderr


def test_they_stay_in_one_command_too(run, rows):
    run("one", "lake", "two", "lake")
    assert rows() == [1, 2]


def test_two_first_runs_at_the_same_time_do_not_know_of_each_other(run, rows):
    both = ("one", "lake", "two", "lake", "--concurrency", "2")
    warning = re.compile("warning: the runs of the states `default:(one|two)-to-lake` and .* both write `users`")
    first = run(*both).stderr
    assert len(warning.findall(first)) == 1
    assert re.search("hint: write `(one|two)-to-lake` to a copy of `targets.lake` with another schema", first)
    assert not warning.search(run(*both).stderr)  # each has a state now
    assert rows() == [1, 2]


@pytest.mark.parametrize(
    ("words", "keys", "name", "left"),
    [
        (("one", "lake"), {}, "shop.users", [1]),
        (("two", "other"), {}, "two.users", [2]),
        (("two", "lake"), {"two": {"stream": "orders"}}, "shop.orders", [2]),
        (("renamed",), {"pipelines": RENAMED}, "shop.people", [2]),
    ],
)
def test_a_table_of_one_pipeline_is_replaced(run, rows, words, keys, name, left):
    run("one", "lake")
    rows(name, 7)
    ended = run(*words, **keys)
    assert rows(name) == left
    assert "warning" not in ended.stderr


def test_a_tap_without_a_catalog(run, rows):
    """Its streams are known only in the run."""
    run("one", "lake")
    run("two", "lake", keys_of_two={"discovery": False})
    assert rows() == [1, 2]


def test_after_its_state_is_gone_the_table_is_free(run, rows, tapdock):
    run("one", "lake")
    assert tapdock("state", "clear", "default:one-to-lake", "--yes").returncode == 0
    run("two", "lake")
    assert rows() == [2]
