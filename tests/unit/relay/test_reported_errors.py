"""Tests that an error that a connector reports never ends in success, and that nothing is completed after it."""

import json
import os
from typing import Any

import msgspec
import pytest

from engines.project import wait_for
from support.pod import Pod, drained_until_end
from tapdock.connectors.selection import select_streams
from tapdock.events import Committed, Failed, Hello
from tapdock.protocol.catalog import ConfiguredStream, parse_catalog
from tapdock.relay.ending import Ending

pytestmark = pytest.mark.long

SCHEMA = {"properties": {"id": {"type": "integer"}}}
KEYS = [("public", "users"), ("public", "orders"), ("old", "orders")]
ENDS = {"airbyte-singer": b"ACTIVATE_VERSION", "airbyte-airbyte": b"COMPLETE"}
USERS = {"name": "users", "namespace": "public"}


def streams(route: str) -> tuple[ConfiguredStream, ...]:
    keys = [(None, "users")] if route.startswith("singer") else KEYS
    offered = [{"name": name, "namespace": namespace, "json_schema": SCHEMA} for namespace, name in keys]
    found = select_streams(parse_catalog(json.dumps({"streams": offered}).encode()), [], {})
    more = {"destination_sync_mode": "overwrite", "generation_id": 7, "minimum_generation_id": 7}
    return tuple(msgspec.structs.replace(stream, **more) for stream in found)


def trace(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": "TRACE", "trace": {"type": kind, "emitted_at": 1.5, **body}}).encode() + b"\n"


def failed(**parts: Any) -> bytes:
    return trace("ERROR", error=parts)


def status(word: Any, descriptor: Any) -> bytes:
    return trace("STREAM_STATUS", stream_status={"stream_descriptor": descriptor, "status": word})


def line_of(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": kind, **body}).encode() + b"\n"


def ran(folder: Any, route: str, lines: bytes = b"", **target: Any) -> Pod:
    """Run a source that sends a record, a state and `lines`, and exits with 0, into a target of `drained_until_end`."""
    folder.mkdir(exist_ok=True)
    pod = Pod(folder, route=route, streams=streams(route))
    os.write(pod.source.out, SAID[route] + lines)
    pod.source.say("exit 0\n")
    pod.source.leave()
    drained_until_end(pod, **target)
    pod.ended()
    return pod


_STATE = {"type": "STREAM", "stream": {"stream_descriptor": USERS, "stream_state": {"id": 1}}}
_AIRBYTE = line_of("RECORD", record={"stream": "users", "namespace": "public", "data": {"id": 1}, "emitted_at": 1})
_AIRBYTE += line_of("STATE", state=_STATE)
_SINGER = line_of("SCHEMA", stream="users", schema=SCHEMA, key_properties=[])
_SINGER += line_of("RECORD", stream="users", record={"id": 1}) + line_of("STATE", value={"bookmarks": {"a": 1}})
SAID = {"airbyte-singer": _AIRBYTE, "airbyte-airbyte": _AIRBYTE, "singer-airbyte": _SINGER}
WHOLE = [
    (failed(message="disk full"), "the source reported an error: disk full"),
    (failed(message=None), "the source reported an error: it gave no reason"),
    (failed(message=None, internal_message="disk full"), "the source reported an error: disk full"),
    (failed(message="no", stack_trace=["a", "b"]), "the source reported an error: no"),
    (failed(message="no", internal_message={"a": 1}), "the source reported an error: no"),
    (failed(message="no", stream_descriptor={"name": None}), 'an error: no (in stream `{"name": null}`)'),
    (failed(message="no", stream_descriptor={"name": "ghosts"}), "an error: no (in stream `ghosts`)"),
    (failed(message="no", stream_descriptor={"name": "orders"}), "an error: no (in stream `orders`)"),
    (
        failed(message="no", stream_descriptor={"name": "ghosts"}) + failed(message="x", stream_descriptor=USERS),
        "an error: no (in stream `ghosts`)",
    ),
    (trace("ERROR"), "the source reported an error: it gave no reason"),
    (status("INCOMPLETE", {"name": "ghosts"}), "could not finish a stream that is not configured (`ghosts`)"),
    (status("incomplete", {"name": None}), 'could not finish a stream that is not configured (`{"name": null}`)'),
    (status("INCOMPLETE", None), "could not finish a stream without a name"),
    (status("INCOMPLETE", {"name": "orders"}), "could not finish a stream that is not configured (`orders`)"),
    (
        status("INCOMPLETE", {"name": "ghosts"}) + failed(message="no", stream_descriptor={"name": "ghosts"}),
        "an error: no (in stream `ghosts`)",
    ),
]


@pytest.mark.parametrize("route", ENDS)
@pytest.mark.parametrize(("lines", "message"), WHOLE, ids=range(len(WHOLE)))
def test_an_error_of_the_run(tmp_path, route, lines, message):
    pod = ran(tmp_path, route, lines)
    assert pod.verdict.exit_code == 3
    assert message in pod.verdict.message
    assert ENDS[route] not in pod.received
    assert "complete" not in {report.status for report in pod.verdict.streams}


OTHERS = [{"name": "orders", "namespace": "public"}, {"name": "orders", "namespace": "old"}]
OF_USERS = [
    (failed(message="no", stream_descriptor=USERS), "could not finish public.users: no"),
    (failed(message=None, stream_descriptor={"name": "users"}), "could not finish public.users: it gave no reason"),
    (failed(message="no", stream_descriptor="users", stack_trace=[]), "could not finish public.users: no"),
    (status("INCOMPLETE", USERS), "could not finish public.users"),
    (status("Incomplete", {"name": "users"}), "could not finish public.users"),
    (status("INCOMPLETE", {"name": "users", "namespace": ""}), "could not finish public.users"),
    (
        status("INCOMPLETE", USERS)
        + status("RUNNING", USERS)
        + b"".join(status("COMPLETE", other) for other in OTHERS),
        "could not finish public.users",
    ),
]


@pytest.mark.parametrize("route", ENDS)
@pytest.mark.parametrize(("lines", "message"), OF_USERS, ids=range(len(OF_USERS)))
def test_an_error_of_one_stream(tmp_path, route, lines, message):
    """The other streams are completed. An error names its stream also without its namespace, if only one fits."""
    pod = ran(tmp_path, route, lines)
    assert (pod.verdict.exit_code, pod.verdict.message) == (3, f"the source {message}")
    assert pod.received.count(ENDS[route]) == 2
    ended = [line for line in pod.received.splitlines() if ENDS[route] in line]
    assert not any(b"users" in line for line in ended)


@pytest.mark.parametrize("route", ENDS)
@pytest.mark.parametrize(
    "line",
    [
        trace("ESTIMATE", estimate=[1]),
        trace("ANALYTICS", analytics=None, error=None),
        trace("STREAM_STATUS", stream_status=None),
        status(None, USERS),
        status("COMPLETE", {"name": "ghosts"}),
        b'{"type":"TRACE","trace":null}\n',
        b'{"type":"TRACE"}\n',
        b'{"type":"LOG","log":{"level":"FATAL","message":"disk full"}}\n',
    ],
)
def test_what_is_not_an_error_is_only_logged(tmp_path, route, line):
    pod = ran(tmp_path, route, line)
    assert (pod.verdict.exit_code, pod.verdict.message) == (0, None)
    assert pod.received.count(ENDS[route]) == 3


CUT = failed(message="no")[:-4] + b"\n"
TARGET_ERRORS = [
    (CUT, "the target reported an error: a message cannot be read: it is not complete JSON"),
    (failed(message="disk full"), "the target reported an error: disk full"),
    (failed(message=None, internal_message=["disk full"]), "the target reported an error: disk full"),
    (
        failed(message="no", stream_descriptor={"name": None}),
        'the target reported an error: no (in stream `{"name": null}`)',
    ),
    (trace("ERROR"), "the target reported an error: it gave no reason"),
]


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
@pytest.mark.parametrize(("line", "message"), TARGET_ERRORS, ids=range(len(TARGET_ERRORS)))
def test_an_error_of_a_destination_that_exits_with_0(tmp_path, route, line, message):
    """What it acknowledges after its error does not count either."""
    pod = ran(tmp_path, route, first=line)
    assert (pod.verdict.exit_code, pod.verdict.side, pod.verdict.message) == (4, "target", message)
    assert not any(isinstance(event, Committed) for event in pod.events)


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
def test_a_destination_that_exits_with_0(tmp_path, route):
    """What it logs is not an error of the protocol. What it acknowledged before an error is saved."""
    pod = ran(tmp_path / "1", route, first=b'{"type":"LOG","log":{"level":"FATAL","message":"disk full"}}\n')
    assert (pod.verdict.exit_code, pod.verdict.message) == (0, None)
    assert any(isinstance(event, Committed) for event in pod.events)
    pod = ran(tmp_path / "2", route, says=failed(message="disk full"))
    assert pod.verdict.exit_code == 4
    assert any(isinstance(event, Committed) for event in pod.events)


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
def test_nothing_is_completed_after_an_error_of_the_destination(tmp_path, route):
    pod = Pod(tmp_path, route=route, streams=streams(route))
    os.write(pod.target.out, failed(message="disk full"))
    wait_for(lambda: any(isinstance(event, Failed) for event in pod.events), "the error")
    os.write(pod.source.out, SAID[route])
    pod.source.say("exit 0\n")
    pod.source.leave()
    drained_until_end(pod)
    assert (pod.ended().exit_code, pod.verdict.message) == (4, "the target reported an error: disk full")
    assert b"COMPLETE" not in pod.received


def test_the_ending_of_a_source_is_decided_once():
    """Two messages may report that the source has ended. The second one comes when the other streams are completed."""
    ending = Ending()
    ending.tell(complete=True)
    ending.tell(complete=False)
    assert ending.wait() is True


@pytest.mark.parametrize("route", SAID)
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ({}, "complete"),
        ({"code": 1}, "incomplete"),
        ({"code": 137, "acknowledges": False}, "incomplete"),
        ({"acknowledges": False}, "incomplete"),
    ],
)
def test_a_stream_is_complete_only_if_the_target_stored_it(tmp_path, route, target, status):
    pod = ran(tmp_path, route, **target)
    assert pod.verdict.exit_code == (0 if status == "complete" else 4)
    assert {report.status for report in pod.verdict.streams} == {status}


def test_no_stream_is_complete_after_an_error_of_the_destination(tmp_path):
    pod = ran(tmp_path, "airbyte-airbyte", says=failed(message="disk full"))
    assert {report.status for report in pod.verdict.streams} == {"incomplete"}


def test_a_target_that_exits_early_stored_no_stream(tmp_path):
    pod = Pod(tmp_path, route="airbyte-singer", streams=streams("airbyte-singer"))
    os.write(pod.source.out, _AIRBYTE + b"".join(status("COMPLETE", one) for one in (USERS, *OTHERS)))
    wait_for(lambda: any(isinstance(event, Hello) for event in pod.events), "the start")
    pod.target.say("exit 0\n")
    pod.target.leave()
    pod.source.say("exit 0\n")
    pod.source.leave()
    assert pod.ended().exit_code == 4
    assert "complete" not in {report.status for report in pod.verdict.streams}


@pytest.mark.parametrize("route", ENDS)
@pytest.mark.parametrize("told", ["STARTED", "RUNNING"])
def test_a_source_that_ends_too_early_with_0_has_completed_nothing(tmp_path, route, told):
    """Otherwise old rows would be replaced by a part of the new ones, or by nothing."""
    pod = ran(tmp_path, route, status(told, USERS))
    assert (pod.verdict.exit_code, pod.verdict.side) == (3, "source")
    assert pod.verdict.message == "the source could not finish public.users, public.orders, old.orders"
    assert ENDS[route] not in pod.received
