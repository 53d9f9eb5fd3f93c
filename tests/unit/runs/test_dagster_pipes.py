"""Tests the messages to Dagster: what is materialized and what is not, and that nothing of it can end a run."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tapdock.connectors.observer import EndedRun, SeenStream
from tapdock.events import StreamReport
from tapdock.protocol.catalog import Stream, configured
from tapdock.runs.dagster_pipes import CONTEXT, MESSAGES, reporting


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def stream(name: str, records: int = 3, *, status: Any = "complete", namespace: str | None = None) -> SeenStream:
    schema = {"properties": {"id": {"type": ["null", "integer"]}, "at": {"type": "string", "format": "date"}, "no": {}}}
    found = Stream(name=name, namespace=namespace, json_schema=schema)
    one = configured(found, "full_refresh", cursor=(), key=(), excluded=("no",))
    report = StreamReport(
        namespace=namespace, stream=name, records=records, bytes=10 * records, status=status, path="splice"
    )
    return SeenStream(report=report, targets=(one,))


def ended(*streams: SeenStream, error: str | None = None) -> EndedRun:
    return EndedRun(pipeline="demo", run_id="r1", succeeded=error is None, error=error, streams=streams)


@pytest.fixture
def messages(tmp_path):
    """messages(keys, run) -> the messages of one run, without the first and the last one."""

    def sent(keys: list[str] | None, *runs: EndedRun, code: int = 0, **extras: Any) -> list[tuple[str, dict[str, Any]]]:
        file = tmp_path / "messages"
        file.unlink(missing_ok=True)
        context = {"asset_keys": keys, "extras": extras}
        environ = {CONTEXT: packed({"data": context}), MESSAGES: packed({"path": str(file)})}
        with reporting(environ, say=pytest.fail) as pipes:
            for run in runs:
                pipes.ended(run)
            pipes.finished(succeeded=code == 0 and all(run.succeeded for run in runs))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert {line["__dagster_pipes_version"] for line in lines} == {"0.1"}
        assert [lines[0]["method"], lines[-1]["method"]] == ["opened", "closed"]
        return [(line["method"], line["params"]) for line in lines[1:-1]]

    return sent


def materialized(found) -> dict[str, int]:
    return {
        params["asset_key"]: params["metadata"]["records"]["raw_value"]
        for method, params in found
        if method == "report_asset_materialization"
    }


def test_a_materialization_for_each_stream(messages):
    found = messages(["lake/users", "lake/orders"], ended(stream("users"), stream("orders", 5)))
    assert materialized(found) == {"lake/users": 3, "lake/orders": 5}
    metadata = found[0][1]["metadata"]
    assert found[0][1]["data_version"] is None
    columns = [{"name": "id", "type": "integer"}, {"name": "at", "type": "date"}]
    assert metadata["dagster/column_schema"] == {"type": "table_schema", "raw_value": {"columns": columns}}
    assert metadata["bytes"]["raw_value"] == 30
    assert len(metadata["schema_digest"]["raw_value"]) == 16


@pytest.mark.parametrize("status", ["incomplete", "failed", "not reached", "running"])
def test_a_stream_that_is_not_complete_is_not_materialized(messages, status):
    run = ended(stream("users"), stream("orders", status=status), error="the source failed; try again")
    found = messages(["lake/users", "lake/orders"], run)
    assert materialized(found) == {"lake/users": 3}
    assert found[-1] == ("log", {"message": "the source failed; try again", "level": "ERROR"})


def test_one_asset_for_a_whole_pipeline(messages):
    assert materialized(messages(["demo"], ended(stream("users"), stream("orders", 5)))) == {"demo": 8}
    assert materialized(messages(["demo"], ended(stream("users"), error="failed"))) == {}


def test_the_only_asset_of_a_job_of_two_pipelines(messages):
    """It is materialized once, at the end, and only if the whole job succeeded."""
    first, second = ended(stream("users")), ended(stream("orders", 5))
    found = messages(["nightly"], first, second)
    assert [params["asset_key"] for method, params in found if "asset" in method] == ["nightly"]
    assert materialized(found) == {"nightly": 8}
    streams = found[0][1]["metadata"]["streams"]["raw_value"]
    assert streams == {"demo: users": 3, "demo: orders": 5}
    assert materialized(messages(["nightly"], first, ended(stream("orders"), error="failed"))) == {}
    assert materialized(messages(["nightly"], first, second, code=11)) == {}, "a task or a hook of the job failed"
    found = messages(["lake/users"], second, first, ended(stream("other", 9)))
    assert materialized(found) == {"lake/users": 3}, "not the records of other pipelines"
    assert "stream orders is stored, but no asset of this step has its name" in found[1][1]["message"]


def test_a_stream_without_an_asset_is_named_in_the_log(messages):
    found = messages(["lake/users", "x"], ended(stream("users"), stream("orders")))
    assert materialized(found) == {"lake/users": 3}
    assert "stream orders is stored, but no asset" in found[1][1]["message"]


def test_keys_that_fit_several_streams_are_not_guessed(messages):
    run = ended(stream("users", namespace="a"), stream("users", 5, namespace="b"))
    assert materialized(messages(["lake/a/users", "lake/b/users"], run)) == {"lake/a/users": 3, "lake/b/users": 5}
    assert materialized(messages(["one/users", "two/users"], ended(stream("users")))) == {}


def test_names_with_a_slash_and_keys_that_the_context_gives(messages):
    assert materialized(messages(["lake/a\\/b"], ended(stream("a/b"), stream("c")))) == {"lake/a\\/b": 3}
    named = {"assets": {"ns.users": "own/key"}}
    run = ended(stream("users", namespace="ns"))
    assert materialized(messages(["own/key", "lake/users"], run, tapdock=named)) == {"own/key": 3}


def test_a_step_without_assets(messages):
    assert materialized(messages(None, ended(stream("users", namespace="ns")))) == {"ns/users": 3}


GOOD = packed({"data": {"asset_keys": ["a"]}})


@pytest.mark.parametrize(
    "context",
    [
        "",
        "not base64 é",
        base64.b64encode(b"not zlib").decode(),
        base64.b64encode(zlib.compress(b"not json")).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        packed([]),
        packed({"key": "x", "bucket": "y"}),
        packed({"path": "/nowhere/context"}),
        packed({"path": 5}),
        packed({"data": None}),
        packed({"data": {"asset_keys": "lake/users"}}),
        packed({"data": {"asset_keys": [1]}}),
        packed({"data": {"asset_keys": ["a"], "extras": []}}),
        packed({"data": {"asset_keys": ["a"], "extras": {"tapdock": {"assets": 5}}}}),
    ],
)
def test_a_damaged_context_is_a_warning(context, tmp_path):
    said: list[str] = []
    environ = {CONTEXT: context, MESSAGES: packed({"path": str(tmp_path / "messages")})}
    with reporting(environ, say=said.append) as pipes:
        assert pipes is None or context == packed({"data": {"asset_keys": ["a"], "extras": []}})
    assert len(said) == (pipes is None)
    assert all(line.startswith("warning: nothing is reported to Dagster: ") for line in said)


@pytest.mark.parametrize("messages", [None, "x", packed({}), packed({"stdio": "stdout"}), packed({"path": "/no/no"})])
def test_no_place_for_messages_is_a_warning(messages):
    said: list[str] = []
    with reporting({CONTEXT: GOOD, **({MESSAGES: messages} if messages else {})}, say=said.append) as pipes:
        assert pipes is None
    assert len(said) == 1


def test_a_full_disk_is_one_warning():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    said: list[str] = []
    with reporting({CONTEXT: GOOD, MESSAGES: packed({"path": "/dev/full"})}, say=said.append) as pipes:
        pipes.ended(ended(stream("users")))
    assert len(said) == 1
    assert "nothing more is reported" in said[0]


def test_lines_of_the_log(tmp_path):
    file = tmp_path / "messages"
    with reporting({CONTEXT: GOOD, MESSAGES: packed({"path": str(file)})}, say=pytest.fail) as pipes:
        pipes.logged("info", {"event": "line", "side": "source", "message": "chatty"})
        pipes.logged("warning", {"event": "line", "side": "source", "message": "slow"})
        pipes.logged("debug", {"event": "state committed", "seq": 1})
        pipes.logged("info", {"time": "t", "level": "info", "event": "run ended", "run_id": "r", "exit_code": 0})
    logs = [json.loads(line)["params"] for line in file.read_text().splitlines()[1:-1]]
    assert logs == [
        {"message": "source | slow", "level": "WARNING"},
        {"message": "run ended exit_code=0", "level": "INFO"},
    ]
