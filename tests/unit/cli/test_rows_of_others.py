"""Tests that a tap's ACTIVATE_VERSION does not delete what another pipeline has written, with real programs."""

import json
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
import json, os, sys
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
for line in sys.stdin:
    message = json.loads(line)
    kind, rows = message["type"], {}
    place = os.path.join(config["folder"], config["schema"] + "." + message.get("stream", ""))
    if os.path.exists(place):
        rows = json.load(open(place))
    if kind == "RECORD":
        rows[message["record"]["id"]] = message["version"]
    elif kind == "ACTIVATE_VERSION":
        rows = {id: version for id, version in rows.items() if version == message["version"]}
    elif kind == "STATE":
        print(json.dumps(message["value"]), flush=True)
    if kind in ("RECORD", "ACTIVATE_VERSION"):
        json.dump(rows, open(place, "w"))
"""


@pytest.fixture
def run(tapdock, folder):
    """run(*words, two={}, **keys) -> the result of `tapdock run`, without an error.

    The sources `one` and `two` have the stream `users`. `two` are other settings of the second one. `keys` are other
    keys of the project file.
    """

    def program(name, text):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
        return {"image": str(folder / name), "kind": "singer"}

    def ended(*words, two=None, **keys):
        tap, target = program("tap", TAP), program("target-sql", TARGET)
        config = {"folder": str(folder / "out"), "schema": "shop"}
        (folder / "out").mkdir(exist_ok=True)
        project = {
            "version": 1,
            "sources": {
                "one": {**tap, "config": {"stream": "users", "version": 1}},
                "two": {**tap, "config": {"stream": "users", "version": 2, **(two or {})}},
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


def table(folder, name="shop.users"):
    return json.loads((folder / "out" / name).read_text())


@pytest.mark.parametrize("sent_as", ["users", "public-users"])
def test_rows_that_another_pipeline_wrote_stay(run, folder, sent_as):
    """Taps name a stream in one of three ways: the names of both pipelines are compared in all of them."""
    names = {"sent_as": sent_as}
    run("two", "lake", two=names)
    (folder / "out" / f"shop.{sent_as}").rename(folder / "out" / "shop.users")
    ended = run("one", "lake", two=names)
    assert table(folder) == {"1": 1, "2": 2}
    assert "would delete the rows of the state `default:two-to-lake` in the same table" in ended.stderr
    assert "`tapdock state clear default:two-to-lake` if its rows may go" in " ".join(ended.stderr.split())


def test_they_stay_in_one_command_too(run, folder):
    run("one", "lake", "two", "lake")
    assert table(folder) == {"1": 1, "2": 2}


def test_two_first_runs_at_the_same_time_do_not_know_of_each_other(run):
    both = ("one", "lake", "two", "lake", "--concurrency", "2")
    warning = "warning: pipelines `one-to-lake` and `two-to-lake` may both write `users`, and rows of one may replace"
    assert warning in run(*both).stderr
    assert warning not in run(*both).stderr  # each has a state now


@pytest.mark.parametrize(
    ("words", "keys", "rows"),
    [
        (("one", "lake"), {}, {"shop.users": {"1": 1}}),
        (("two", "other"), {}, {"two.users": {"2": 2}}),
        (("two", "lake"), {"two": {"stream": "orders"}}, {"shop.orders": {"2": 2}}),
        (("renamed",), {}, {"shop.people": {"2": 2}}),
    ],
)
def test_a_table_of_one_pipeline_is_replaced(run, folder, words, keys, rows):
    maps = {"users": {"__alias__": "people"}}
    pipelines = {"pipelines": {"renamed": {"source": "two", "target": "lake", "maps": maps}}}
    run("one", "lake")
    (folder / "out" / next(iter(rows))).write_text('{"7": 7}')
    ended = run(*words, **keys, **(pipelines if words == ("renamed",) else {}))
    for name, found in rows.items():
        assert table(folder, name) == found
    assert "warning" not in ended.stderr


def test_a_tap_without_a_catalog(run, folder):
    """Its streams are known only in the run."""
    run("one", "lake")
    sources = {"two": {"image": str(folder / "tap"), "kind": "singer", "discovery": False}}
    sources["two"]["config"] = {"stream": "users", "version": 2}
    sources["one"] = {**sources["two"], "config": {"stream": "users", "version": 1}, "discovery": True}
    run("two", "lake", sources=sources)
    assert table(folder) == {"1": 1, "2": 2}


def test_after_its_state_is_gone_the_table_is_free(run, folder, tapdock):
    run("one", "lake")
    assert tapdock("state", "clear", "default:one-to-lake", "--yes").returncode == 0
    run("two", "lake")
    assert table(folder) == {"2": 2}
