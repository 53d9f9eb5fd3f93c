"""Tests built-in variables and secrets of programs in whole runs of real programs."""

import itertools
import json
import sys
import time

import pytest

pytestmark = pytest.mark.long

TAP = """#!%s
import json, sys
path = sys.argv[sys.argv.index("--config") + 1] if "--config" in sys.argv else None
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(path))
with open(config["log"], "a") as log:
    log.write(json.dumps({"mode": "discover" if "--discover" in sys.argv else "read", **config}) + "\\n")
print(config["token"], file=sys.stderr)
stream = {"stream": "users", "tap_stream_id": "users", "schema": {"properties": {"id": {"type": "integer"}}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{**stream, "key_properties": []}]}))
else:
    json.dump({**config, "refresh_token": "renewed"}, open(path, "w"))
    print(json.dumps({"type": "SCHEMA", **stream, "key_properties": []}))
    print(json.dumps({"type": "RECORD", "stream": "users", "record": {"id": 1}}))
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {"users": {"id": 1}}}}))
"""
TARGET = """#!%s
import json, os, sys
if "--about" in sys.argv:
    sys.exit(2)
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
os.makedirs(config["output_path"], exist_ok=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "STATE":
        print(json.dumps(message["value"]), flush=True)
    else:
        mode = "w" if message["type"] == "SCHEMA" else "a"
        with open(os.path.join(config["output_path"], "users.csv"), mode) as file:
            file.write(json.dumps([message.get("record"), config["now"], config["token"], config.get("id")]) + "\\n")
"""
VAULT = """#!%s
print("t0ken-word", file=open("calls", "a"))
print("t0ken-word")
"""


@pytest.fixture
def project(folder, tapdock):
    """project(**config of the target) -> a function that runs words in a project with two sources and one target.

    `of_source` is more config of both sources.
    """

    def program(name, text):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
        return {"image": str(folder / name), "kind": "singer"}

    def made(*, of_source=None, **target):
        program("vault", VAULT)
        given = {"token": "${exec:./vault}", "now": "${NOW}"}
        taken = {"log": str(folder / "log"), "refresh_token": "first", **given, **(of_source or {})}
        (folder / "tapdock.yaml").write_text(
            json.dumps(
                {
                    "version": 1,
                    "sources": {name: {**program("tap", TAP), "config": taken} for name in ("one", "two")},
                    "targets": {"csv": {**program("meltanolabs-target-csv", TARGET), "config": {**given, **target}}},
                    "labels": {"team": "all", "tier": 1, "kept": True},
                    "pipelines": {
                        "a": {"source": "one", "target": "csv", "labels": {"team": "sales"}},
                        "b": {"source": "two", "target": "csv"},
                    },
                }
            )
        )
        return lambda *words: tapdock(*words, TAPDOCK_ENGINE="local")

    return made


def said(folder):
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def test_one_target_serves_each_source_in_a_place_of_its_own(project, folder):
    run = project(output_path=str(folder / "out" / "${LOAD_SCHEMA}-${PIPELINE}"))
    ended = run("run", "a", "b", "--concurrency", "2")
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["one-a", "two-b"]


def test_pipelines_that_share_a_place_are_still_refused(project, folder):
    ended = project(output_path=str(folder / "out" / "${TARGET}"))("run", "a", "b")
    assert ended.returncode == 2
    assert "both write the file" in ended.stderr


def test_a_moving_date_discards_no_token_and_no_cache_and_is_no_new_target(project, folder, monkeypatch):
    run = project(output_path=str(folder / "out" / "${NOW:%H}-${RUN_ID}"))
    began = time.time()
    for now in (began, began + 7200):
        monkeypatch.setattr("tapdock.cli.assembly.time.time", lambda now=now: now)
        ended = run("run", "a")
        assert ended.returncode == 0, ended.stderr
        assert "looks new" not in ended.stderr
    found = said(folder)
    assert [one["mode"] for one in found] == ["discover", "read", "read"]
    assert [one["refresh_token"] for one in found if one["mode"] == "read"] == ["first", "renewed"]
    assert len({one["now"] for one in found}) == 2
    assert len(list((folder / "out").iterdir())) == 2
    assert len(list((folder / ".tapdock" / "cache").glob("valid-*"))) <= 2


def test_both_sides_have_the_time_and_the_id_of_the_run_and_the_program_runs_once(project, folder, monkeypatch):
    clock = itertools.count(time.time())
    monkeypatch.setattr("tapdock.cli.assembly.time.time", lambda: next(clock))
    run = project(output_path=str(folder / "out"), id="${RUN_ID}", of_source={"id": "${RUN_ID}"})
    ended = run("run", "a", "--json")
    assert ended.returncode == 0, ended.stderr
    (written,) = {line.split(", ", 1)[1] for line in (folder / "out" / "users.csv").read_text().splitlines()}
    read = said(folder)[-1]
    assert json.loads(f"[{written}") == [read["now"], "t0ken-word", read["id"]]
    assert read["id"] == json.loads(ended.stdout)["run_id"]
    assert (folder / "calls").read_text() == "t0ken-word\n"


def test_the_record_has_the_labels_without_secrets(project, folder):
    run = project(output_path=str(folder / "out"))
    file = folder / "tapdock.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": {"token": "it is t0ken-word"}}))
    for ended in (run("run", "a", "--json"), run("runs", "show", "latest", "--json")):
        assert ended.returncode == 0, ended.stderr
        record = json.loads(ended.stdout)
        assert record["labels"] == {"team": "sales", "tier": "1", "kept": "true"}
        assert record["annotations"] == {"token": "it is [secret]"}


def test_no_output_and_no_file_of_a_run_has_the_secret(project, folder):
    run = project(output_path=str(folder / "out"))
    outputs = [run("run", "a"), run("runs", "logs", "latest"), run("config", "show"), run("config", "show", "--json")]
    assert not [text for ended in outputs for text in ended[1:] if "t0ken-word" in text]
    assert "[secret] (${exec:./vault})" in outputs[2].stdout
    kept = [path for path in (folder / ".tapdock").rglob("*") if path.is_file() and b"t0ken-word" in path.read_bytes()]
    assert not kept


def test_a_target_alone_needs_a_pipeline_only_for_its_names(project, folder):
    run = project(output_path=str(folder / "out" / "${SOURCE}"))
    ended = run("check", "csv")
    assert ended.returncode == 2
    assert "needs `${SOURCE}`, which only has a value in a pipeline" in ended.stderr
    assert run("check", "csv", "--pipeline", "b").returncode == 0
    ended = run("check", "csv", "--pipeline", "c")
    assert (ended.returncode, "there is no pipeline `c` with target `csv`" in ended.stderr) == (2, True)
    assert run("check", "one").returncode == 0
