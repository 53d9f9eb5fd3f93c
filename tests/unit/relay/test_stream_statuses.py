"""Tests the status of each stream at the end of a run, on all routes."""

import json
import os
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from support.pod import Pod, drained_until_end
from tapdock.connectors.selection import select_streams
from tapdock.errors import StateError, TargetError
from tapdock.events import StreamReport, Verdict
from tapdock.protocol.catalog import ConfiguredStream, Stream, parse_catalog
from tapdock.relay.messages import Stop
from tapdock.runs.verdict import RunFacts, decide_verdict

pytestmark = pytest.mark.long

SCHEMA = {"properties": {"id": {"type": "integer"}}}
ROUTES = ("airbyte-airbyte", "airbyte-singer", "singer-airbyte", "singer-singer")
NAMES = ("users", "orders", "items")


def line_of(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": kind, **body}).encode() + b"\n"


def record(route: str, stream: str, data: Any) -> bytes:
    if route.startswith("airbyte"):
        return line_of("RECORD", record={"stream": stream, "data": data, "emitted_at": 1})
    schema = line_of("SCHEMA", stream=stream, schema=SCHEMA, key_properties=[])
    return schema + line_of("RECORD", stream=stream, record=data)


def trace(kind: str, **body: Any) -> bytes:
    return line_of("TRACE", trace={"type": kind, "emitted_at": 1, **body})


def status(stream: str, word: str) -> bytes:
    return trace("STREAM_STATUS", stream_status={"stream_descriptor": {"name": stream}, "status": word})


def error(stream: str) -> bytes:
    return trace("ERROR", error={"message": "no", "stream_descriptor": {"name": stream}})


def streams(route: str, names: tuple[str, ...] = NAMES, *, mode: str = "append") -> tuple[ConfiguredStream, ...]:
    offered = [{"name": name, "json_schema": SCHEMA} for name in names]
    found = select_streams(parse_catalog(json.dumps({"streams": offered}).encode()), [], {})
    least = 7 if mode == "overwrite" else 0
    more = {"generation_id": 7, "minimum_generation_id": least, "destination_sync_mode": mode}
    return tuple(replaced(one, stream=_of_source(one.stream, route), **more) for one in found)


def _of_source(stream: Stream, route: str) -> Stream:
    own = {"tap_stream_id": stream.name, "stream": stream.name, "schema": SCHEMA, "metadata": []}
    return replaced(stream, raw=json.dumps(own)) if route.startswith("singer") else stream


def ended(pod: Pod, *lines: bytes, code: int = 0, target: int = 0, first: bytes = b"") -> dict[str, str]:
    """Return the statuses after a source that prints lines and exits, into a target that takes them and exits."""
    os.write(pod.source.out, b"".join(lines))
    pod.source.say(f"exit {code}\n")
    pod.source.leave()
    drained_until_end(pod, code=target, first=first)
    return {report.stream: report.status for report in pod.ended().streams}


def expected(users: str, orders: str, items: str) -> dict[str, str]:
    return dict(zip(NAMES, (users, orders, items), strict=True))


MODES = ("append", "overwrite")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize(
    ("sent", "code", "statuses"),
    [
        ((), 1, ("not reached", "not reached", "not reached")),
        (("users",), 1, ("incomplete", "not reached", "not reached")),
        (("users", "orders"), 137, ("incomplete", "incomplete", "not reached")),
        (("items",), 1, ("not reached", "not reached", "incomplete")),
    ],
)
def test_a_source_that_fails_early(tmp_path, route, mode, target, sent, code, statuses):
    pod = Pod(tmp_path, route=route, streams=streams(route, mode=mode))
    found = ended(pod, *(record(route, name, {"id": 1}) for name in sent), code=code, target=target)
    assert found == expected(*statuses)
    assert pod.verdict.exit_code == 3
    assert "could not finish" not in pod.verdict.message, "it is not known which streams it could not finish"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_the_source_never_starts(tmp_path, route, mode):
    """If its rows are replaced, or if the source reports statuses, the run fails, and nothing is replaced."""
    pod = Pod(tmp_path, route=route, streams=streams(route, ("users", "orders"), mode=mode))
    lines = (record(route, "users", {"id": 1}), *((status("users", "COMPLETE"),) if route in ROUTES[:2] else ()))
    found = ended(pod, *lines)
    fails = route in ROUTES[:2] or (route, mode) == ("singer-airbyte", "overwrite")
    assert found == {"users": "complete", "orders": "not reached" if fails else "complete"}
    assert pod.verdict.exit_code == (3 if fails else 0), pod.verdict.message
    if fails:
        assert "could not finish orders" in pod.verdict.message
    lines = [json.loads(line) for line in pod.received.splitlines()]
    done = [line["trace"]["stream_status"]["stream_descriptor"]["name"] for line in lines if line["type"] == "TRACE"]
    active = [line["stream"] for line in lines if line["type"] == "ACTIVATE_VERSION"]
    assert not (fails and "orders" in done + active)


@pytest.mark.parametrize("route", ROUTES[:3])
@pytest.mark.parametrize("mode", MODES)
def test_a_record_that_cannot_be_translated(tmp_path, route, mode):
    """From Singer to Singer, records are not looked into."""
    pod = Pod(tmp_path, route=route, streams=streams(route, mode=mode))
    found = ended(pod, record(route, "users", {"id": 1}), record(route, "orders", 7))
    assert pod.verdict.exit_code == 5
    assert "stream `orders`" in pod.verdict.message
    assert found == expected("incomplete", "failed", "not reached")


@pytest.mark.parametrize("route", ROUTES)
def test_a_target_that_fails(tmp_path, route):
    pod = Pod(tmp_path, route=route, streams=streams(route))
    found = ended(pod, record(route, "users", {"id": 1}), record(route, "orders", {"id": 1}), target=1)
    assert pod.verdict.exit_code == 4
    assert set(found.values()) == {"incomplete"}


@pytest.mark.parametrize("route", ROUTES)
def test_all_is_well(tmp_path, route):
    pod = Pod(tmp_path, route=route, streams=streams(route))
    found = ended(pod, record(route, "users", {"id": 1}), record(route, "orders", {"id": 1}))
    assert pod.verdict.exit_code == 0, pod.verdict.message
    assert set(found.values()) == {"complete"}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", MODES)
def test_a_signal(tmp_path, route, mode):
    pod = Pod(tmp_path, route=route, streams=streams(route, mode=mode))
    os.write(pod.source.out, record(route, "users", {"id": 1}))
    pod.inbox.put(Stop(code=130))
    assert ended(pod, code=143) == expected("incomplete", "not reached", "not reached")
    assert pod.verdict.exit_code == 130


@pytest.mark.parametrize("route", ROUTES[:2])
def test_what_an_airbyte_source_reports(tmp_path, route):
    lines = (record(route, "users", {"id": 1}), status("users", "COMPLETE"), status("orders", "STARTED"))
    for more, word in ((b"", "incomplete"), (error("orders"), "failed")):
        (tmp_path / word).mkdir()
        pod = Pod(tmp_path / word, route=route, streams=streams(route))
        assert ended(pod, *lines, more, code=1) == expected("complete", word, "not reached")


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
def test_a_stream_that_a_destination_s_error_names(tmp_path, route):
    pod = Pod(tmp_path, route=route, streams=streams(route))
    lines = (record(route, "users", {"id": 1}), record(route, "orders", {"id": 1}))
    found = ended(pod, *lines, target=1, first=error("orders"))
    assert (found["users"], found["orders"]) == ("incomplete", "failed")


def test_a_name_that_is_a_part_of_another(tmp_path):
    pod = Pod(tmp_path, route="airbyte-singer", streams=streams("airbyte-singer", ("order", "orders")))
    found = ended(pod, record("airbyte", "order", {"id": 1}), record("airbyte", "orders", 7))
    assert found == {"order": "incomplete", "orders": "failed"}


def test_rows_that_the_target_did_not_keep_are_not_complete():
    """The relay ended well, and only then tapdock found that the rows are lost."""
    report = StreamReport(namespace=None, stream="users", records=1, bytes=1, status="complete", path="splice")
    for failure, word in ((TargetError("into its own container"), "incomplete"), (StateError("gone"), "complete")):
        verdict = decide_verdict(RunFacts(relay=Verdict(exit_code=0, streams=(report,)), failed=failure))
        assert verdict.streams[0].status == word
