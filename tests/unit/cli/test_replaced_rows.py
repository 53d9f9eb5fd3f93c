"""Tests that no pipeline replaces the rows of another one without a word: whole runs of real programs."""

import json
import sys

import pytest

pytestmark = pytest.mark.long

TAP = """#!%s
import json, sys
name = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["stream"]
stream = {"stream": name, "tap_stream_id": name, "schema": {"properties": {"id": {"type": "integer"}}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{**stream, "key_properties": []}]}))
elif "--about" in sys.argv:
    sys.exit(2)
else:
    print(json.dumps({"type": "SCHEMA", **stream, "key_properties": []}))
    print(json.dumps({"type": "RECORD", "stream": name, "record": {"id": 1}}))
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {}}}))
"""
TARGET = """#!%s
import json, os, sys
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
for line in sys.stdin:
    message = json.loads(line)
    name = config.get("file_naming_scheme", "{stream_name}.csv").replace("{stream_name}", message.get("stream", ""))
    name = name.replace("{timestamp}", str(os.getpid()))
    if message["type"] == "STATE":
        print(json.dumps(message["value"]), flush=True)
    else:
        mode = "w" if message["type"] == "SCHEMA" else "a"
        print(json.dumps(message.get("record")), file=open(os.path.join(config["output_path"], name), mode))
"""
AIRBYTE = """#!%s
import json, sys
modes = {"supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True}
stream = {"name": "users", "json_schema": {"properties": {"id": {"type": "integer"}}}, **modes}
spec = {"connectionSpecification": {}, "supported_destination_sync_modes": ["append", "overwrite"]}
found = {"type": "CATALOG", "catalog": {"streams": [stream]}}
print(json.dumps({"type": "SPEC", "spec": spec} if sys.argv[1] == "spec" else found))
"""
TIMED = {"file_naming_scheme": "{stream_name}-{timestamp}.csv"}


@pytest.fixture
def run(tapdock, folder):
    """run(*words, **targets) -> the result of `tapdock run` with the sources `one`, `two` and `other`.

    `one` and `two` have the stream `users`. `targets` are the configs of targets, of which `csv` always exists.
    """

    def program(name, text):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
        return {"image": str(folder / name), "kind": "singer"}

    def ended(*words, target="meltanolabs-target-csv", sources=None, **targets):
        made = program(target, TARGET)
        given = {"output_path": str(folder / "out")}
        (folder / "out").mkdir(exist_ok=True)
        taps = {"one": "users", "two": "users", "other": "orders"}
        project = {
            "version": 1,
            "sources": {
                key: {**program(f"tap-{key}", TAP), "config": {"stream": stream}, **(sources or {})}
                for key, stream in taps.items()
            },
            "targets": {key: {**made, "config": {**given, **config}} for key, config in {"csv": {}, **targets}.items()},
            "pipelines": {"a": {"source": "one", "target": "csv"}, "b": {"source": "two", "target": "csv"}},
        }
        (folder / "tapdock.yaml").write_text(json.dumps(project))
        return tapdock("run", *words, TAPDOCK_ENGINE="local")

    return ended


@pytest.mark.parametrize(
    "words", [("a", "b"), ("a", "b", "--dry-run"), ("a", "b", "--concurrency", "2"), ("one", "csv", "two", "again")]
)
def test_a_second_pipeline_must_not_replace_the_files_of_the_first(run, folder, words):
    ended = run(*words, again={"encoding": "utf-8"})
    names = "`one-to-csv` and `two-to-again`" if "again" in words else "`a` and `b`"
    assert ended.returncode == 2, ended.stderr
    assert f"pipelines {names} both write the file `{folder}/out/users.csv`" in ended.stderr
    assert "replaces its files in every run, so rows of `" in ended.stderr
    second, target = ("two-to-again", "again") if "again" in words else ("b", "csv")
    setting = f'`config.file_naming_scheme: "{second}-{{stream_name}}.csv"`'
    assert f"write `{second}` to a copy of `targets.{target}` with {setting}" in ended.stderr
    assert not list((folder / "out").iterdir())


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (("one", "csv", "other", "csv"), {}),
        (("one", "csv", "two", "own"), {"own": {"file_naming_scheme": "two-{stream_name}.csv"}}),
        (("one", "csv", "one", "csv"), {}),
        (("a", "b"), {"csv": TIMED}),
    ],
)
def test_pipelines_with_files_of_their_own_run(run, folder, words, targets):
    ended = run(*words, **targets)
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr
    files = len(list((folder / "out").iterdir()))
    assert files == (1 if words == ("one", "csv", "one", "csv") else 2)


def test_two_runs_of_one_second_may_replace_a_file_with_the_time_in_its_name(run, folder):
    ended = run("a", "b", "--concurrency", "2", csv=TIMED)
    assert ended.returncode == 2
    assert f"`{folder}/out/users-{{timestamp}}.csv`, and they would run at the same time" in ended.stderr
    assert "hint: `--concurrency 1` runs them one after the other, or write `b` to a copy" in ended.stderr


def test_a_later_command_warns_about_the_rows_that_it_replaces(run, folder):
    assert run("a").returncode == 0
    ended = run("b")
    assert ended.returncode == 0
    warning = f"warning: this run replaces `{folder}/out/users.csv`, so the rows of the state `default:one-to-csv`"
    assert ended.stderr.count(warning) == 1, ended.stderr
    assert "hint: write `b` to a copy of `targets.csv`" in ended.stderr
    assert "warning" not in run("other", "csv").stderr


def test_streams_that_are_not_known_are_reported(run):
    ended = run("a", "b", "--dry-run", sources={"discovery": False}, csv={"load_method": "overwrite"}, target="target")
    assert ended.returncode == 0, ended.stderr
    assert "warning: pipelines `a` and `b` may replace rows of each other: the streams of `one`" in ended.stderr


def test_a_table_that_every_run_empties_belongs_to_one_pipeline(run):
    ended = run("a", "b", csv={"load_method": "overwrite"}, target="target-sql")
    assert ended.returncode == 2
    assert "both write the table `users` of target" not in ended.stderr
    assert (
        "`a` and `b` both write the table `users`, and `b` overwrites it, so rows of `a` would be lost" in ended.stderr
    )


OVERWRITE = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
APPEND = {"sync_mode": "full_refresh"}
INCREMENTAL = {"sync_mode": "incremental"}


@pytest.mark.parametrize(
    ("first", "second", "options", "problem"),
    [
        (APPEND, OVERWRITE, {}, "`b` overwrites it, so rows of `a` would be lost"),
        (OVERWRITE, INCREMENTAL, {}, "`a` overwrites it, so rows of `b` would be lost"),
        (OVERWRITE, APPEND, {}, None),
        (OVERWRITE, APPEND, {"--concurrency": "2"}, "`a` overwrites it, so rows of `b` would be lost"),
        (APPEND, INCREMENTAL, {"--concurrency": "2"}, None),
    ],
)
def test_a_table_that_one_pipeline_overwrites(tapdock, folder, first, second, options, problem):
    (folder / "program").write_text(AIRBYTE % sys.executable)
    (folder / "program").chmod(0o755)
    made = {"image": str(folder / "program"), "kind": "airbyte"}
    modes = {"one": first, "two": second}
    project = {
        "version": 1,
        "sources": {name: {**made, "streams": {"users": mode}} for name, mode in modes.items()},
        "targets": {"lake": made},
        "pipelines": {"a": {"source": "one", "target": "lake"}, "b": {"source": "two", "target": "lake"}},
    }
    (folder / "tapdock.yaml").write_text(json.dumps(project))
    words = [word for option in options.items() for word in option]
    ended = tapdock("run", "a", "b", "--dry-run", *words, TAPDOCK_ENGINE="local")
    assert ended.returncode == (2 if problem else 0), ended.stderr
    if problem:
        assert f"`a` and `b` both write the table `users`, and {problem}" in ended.stderr
        assert "set `pipelines.b.prefix: b_`" in ended.stderr
        assert ("hint: `--concurrency 1` runs" in ended.stderr) == bool(options)
