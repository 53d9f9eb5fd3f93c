"""Tests every way in which a run ends, as the relay decides it: in one process, on real pipes."""

import json
import os
import threading

import msgspec
import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Pod, drained_until_end
from tapdock.events import Committed, Finished, Killed, Logged, Progress
from tapdock.protocol.catalog import parse_catalog
from tapdock.relay.messages import Abort, Kill, Stop

pytestmark = pytest.mark.long

USERS = b'{"streams":[{"name":"users","json_schema":{"properties":{"id":{"type":"integer"}}}}]}'
ROW = b'{"type":"RECORD","stream":"s","record":{"id":1}}\n'


def state(number: int) -> bytes:
    return b'{"type":"STATE","value":{"bookmarks":{"s":{"id":%d}}}}\n' % number


def source_says(pod: Pod, *lines: bytes, code: int | None = 0) -> None:
    """Write lines, and exit with `code`. With None the source does not exit."""
    for line in lines:
        os.write(pod.source.out, line)
    if code is not None:
        pod.source.say(f"exit {code}\n")
        pod.source.leave()


def target_exits(pod: Pod, code: int, *states: dict) -> None:
    for value in states:
        os.write(pod.target.out, json.dumps(value).encode() + b"\n")
    pod.target.say(f"exit {code}\n")
    pod.target.leave()


def source_obeys(pod: Pod) -> None:
    """Wait for the order to stop, and exit as a source that follows it."""
    assert b"stop" in os.read(pod.source.orders, 100)
    pod.source.say("exit 143\n")
    pod.source.leave()


def saved(pod: Pod) -> list[str]:
    return [event.state for event in pod.events if isinstance(event, Committed)]


def verdict(pod: Pod) -> tuple:
    found = pod.ended()
    return found.exit_code, found.side, found.message


def test_both_well(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1))
    drained_until_end(pod)
    assert verdict(pod) == (0, None, None)
    assert [json.loads(text) for text in saved(pod)] == [{"bookmarks": {"s": {"id": 1}}}]
    assert pod.verdict.first_record_seconds is not None
    assert [(report.stream, report.records, report.status) for report in pod.verdict.streams] == [("s", 1, "complete")]


@pytest.mark.parametrize("code", [1, 137])
def test_a_source_that_fails_behind_its_data(tmp_path, code):
    """Lines from before the failure arrive, and states that the target acknowledged are committed."""
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1), code=code)
    drained_until_end(pod)
    assert verdict(pod) == (3, "source", f"the source exited with {code}")
    assert len(saved(pod)) == 1
    assert pod.verdict.target_code == 0


def test_a_source_that_fails_where_rows_would_be_replaced(tmp_path):
    """The target must not see the end of its input, so it is killed."""
    pod = Pod(tmp_path, only_complete=True)
    source_says(pod, SCHEMA, ROW, state(1), code=1)
    wait_for(lambda: Killed("target") in pod.events, "the target's end")
    pod.target.leave()
    assert verdict(pod) == (3, "source", "the source exited with 1")
    assert saved(pod) == []


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_target_that_ends_while_the_source_writes(tmp_path, code):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, code=None)
    target_exits(pod, code)
    source_obeys(pod)
    assert verdict(pod) == (4, "target", f"the target exited with {code} before the end of its input")


@pytest.mark.parametrize(("code", "message"), [(1, "the target exited with 1"), (137, "the target exited with 137")])
def test_a_target_that_fails_at_the_end(tmp_path, code, message):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1))
    drained_until_end(pod, code=code)
    assert verdict(pod) == (4, "target", message)
    assert len(saved(pod)) == 1, "what it acknowledged is committed all the same"


def test_a_target_that_never_acknowledges(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1))
    drained_until_end(pod, acknowledges=False)
    code, side, message = verdict(pod)
    assert (code, side) == (4, "target")
    assert "never acknowledged the final state" in message
    assert saved(pod) == []


def test_a_target_that_acknowledges_what_it_was_never_sent(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1), code=None)
    drained_until_end(pod, acknowledges=False, says=b'{"bookmarks":{"s":{"id":99}}}\n')
    source_says(pod, code=0)
    code, side, _ = verdict(pod)
    assert (code, side) == (4, "target")
    assert all(json.loads(text)["bookmarks"]["s"]["id"] == 1 for text in saved(pod))


def test_a_line_that_cannot_be_translated(tmp_path):
    """The source is stopped. Lines before the bad line arrive and are committed."""
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1), b'{"type":"STATE","value":{"bookmarks":{"s"\n', code=None)
    source_obeys(pod)
    drained_until_end(pod)
    assert verdict(pod)[:2] == (5, "runner")
    assert len(saved(pod)) == 1


@pytest.mark.parametrize(("exits", "expected"), [(0, (5, "runner")), (1, (3, "source"))])
def test_a_last_line_without_an_end(tmp_path, exits, expected):
    """The source is the cause if it exits with 0. Otherwise the cause is the exit itself."""
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, state(1), b'{"type":"RECORD","stream":"s","rec', code=exits)
    drained_until_end(pod)
    assert verdict(pod)[:2] == expected
    assert len(saved(pod)) == 1


@pytest.mark.parametrize("order", [Stop(code=130), Abort(exit_code=6, message="s3://b is gone", hint="look")])
def test_ended_from_outside_in_order(tmp_path, order):
    """The source stops, the target finishes what it has received, and acknowledged states are committed."""
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, state(1), code=None)
    pod.inbox.put(order)
    source_obeys(pod)
    drained_until_end(pod)
    told = (130, None, "stopped by signal; the state is saved up to the last acknowledgement")
    assert verdict(pod) == (told if isinstance(order, Stop) else (6, "runner", "s3://b is gone"))
    assert len(saved(pod)) == 1


def test_a_second_order_ends_at_once(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, code=None)
    pod.inbox.put(Stop(code=130))
    assert b"stop" in os.read(pod.source.orders, 100)
    pod.inbox.put(Kill(code=130))
    wait_for(lambda: {Killed("source"), Killed("target")} <= set(_hashable(pod)), "both ends")
    pod.source.leave()
    pod.target.leave()
    assert verdict(pod)[0] == 130


def _hashable(pod: Pod) -> list:
    return [event for event in pod.events if isinstance(event, Killed)]


def test_a_source_that_does_not_obey_is_killed(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, code=None)
    pod.inbox.put(Stop(code=143))
    wait_for(lambda: Killed("source") in pod.events, "its end")
    pod.source.leave()
    drained_until_end(pod)
    assert verdict(pod)[0] == 143


def test_what_went_wrong_first_counts(tmp_path):
    """Examples: a failed source and then a signal, and a target that fails because of both."""
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, code=1)
    wait_for(lambda: Finished("source", 1) in pod.events, "the source's exit")
    pod.inbox.put(Stop(code=130))
    target_exits(pod, 1)
    assert verdict(pod) == (3, "source", "the source exited with 1")


def test_a_silent_source(tmp_path):
    pod = Pod(tmp_path, limits=msgspec.structs.replace(QUICK, source_idle=0.3))
    source_obeys(pod)
    drained_until_end(pod)
    assert verdict(pod) == (3, "source", "the source was silent for 0.3 s")
    assert "idle_timeout" in pod.verdict.hint


def test_a_target_that_takes_nothing(tmp_path):
    """The target's time limit starts when its pipe is full. The source is not the cause, because it is blocked."""
    pod = Pod(tmp_path, limits=msgspec.structs.replace(QUICK, target_idle=0.5, source_idle=60))
    stop = threading.Event()

    def write() -> None:
        os.write(pod.source.out, SCHEMA)
        while not stop.is_set():
            try:
                os.write(pod.source.out, ROW * 1000)
            except BrokenPipeError:
                return

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    wait_for(lambda: Killed("target") in pod.events, "its end")
    stop.set()
    pod.target.leave()
    wait_for(lambda: Killed("source") in pod.events, "the source's end")
    writing.join(20)
    pod.source.leave()
    assert verdict(pod) == (4, "target", "the target was silent for 0.5 s")


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_that_never_greets(tmp_path, side):
    pod = Pod(tmp_path, greet=False, limits=msgspec.structs.replace(QUICK, source_idle=0.3, target_idle=0.3))
    (pod.target if side == "source" else pod.source).say("hello\n")
    wait_for(lambda: Killed(side) in pod.events or pod.verdict, "its end")
    for each in (pod.source, pod.target):
        each.leave()
    code, blamed, message = verdict(pod)
    assert message.startswith(f"the {side} was silent for 0.3 s"), message
    assert (code, blamed) == ((3, "source") if side == "source" else (4, "target"))


def test_a_source_that_closes_its_output_and_stays(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW, code=None)
    os.close(pod.source.out)
    pod.source.out = -1
    drained_until_end(pod)
    source_obeys(pod)
    assert verdict(pod) == (3, "source", "the source closed its output but did not exit within 0.2 s")


def test_an_input_file_that_came_short(tmp_path):
    pod = Pod(tmp_path)
    pod.target.say("short config.json 10 200\n")
    wait_for(lambda: Killed("target") in pod.events, "its end")
    pod.target.leave()
    source_obeys(pod)
    code, side, message = verdict(pod)
    assert (code, side) == (4, "target")
    assert message == "`config.json` reached the target with 10 of its 200 bytes"
    assert pod.verdict.retryable


def test_an_error_that_a_source_reports_before_it_exits_with_0(tmp_path):
    """An error that a connector reports never results in success."""
    pod = Pod(tmp_path, route="airbyte-singer", streams=_configured())
    trace = {
        "type": "ERROR",
        "emitted_at": 1.0,
        "error": {"message": "the token is expired", "failure_type": "config_error"},
    }
    record = {"stream": "users", "data": {"id": 1}, "emitted_at": 1}
    source_says(
        pod,
        json.dumps({"type": "RECORD", "record": record}).encode() + b"\n",
        json.dumps({"type": "TRACE", "trace": trace}).encode() + b"\n",
    )
    drained_until_end(pod)
    code, side, message = verdict(pod)
    assert (code, side) == (3, "source")
    assert "the token is expired" in message


@pytest.mark.parametrize(("strict", "expected"), [(True, 3), (False, 0)])
def test_counts_that_differ_fail_a_run_where_that_is_wanted(tmp_path, strict, expected):
    pod = Pod(tmp_path, route="airbyte-singer", streams=_configured(), strict_counts=strict)
    record = {"stream": "users", "data": {"id": 1}, "emitted_at": 1}
    counted = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 1}}}
    counted["sourceStats"] = {"recordCount": 5.0}
    source_says(
        pod,
        json.dumps({"type": "RECORD", "record": record}).encode() + b"\n",
        json.dumps({"type": "STATE", "state": counted}).encode() + b"\n",
    )
    drained_until_end(pod)
    assert verdict(pod)[0] == expected


def test_progress_is_reported_during_the_run(tmp_path):
    pod = Pod(tmp_path)
    source_says(pod, SCHEMA, ROW * 3, code=None)
    wait_for(lambda: any(isinstance(e, Progress) and e.records == 3 for e in pod.events), "three records")
    source_says(pod, state(1))
    drained_until_end(pod)
    assert verdict(pod)[0] == 0


def _configured() -> tuple:
    from tapdock.connectors.selection import select_streams

    return select_streams(parse_catalog(USERS), [], {})


@pytest.mark.parametrize("route", ["airbyte-singer", "singer-singer"])
def test_what_a_singer_target_prints_is_reported(tmp_path, route):
    """The run reports it as a line of the target, which the reason of its failure quotes (`runs/verdict.py`)."""
    pod = Pod(tmp_path, route=route, streams=_configured())
    source_says(pod)
    drained_until_end(pod, code=1, says=b'ERROR: disk quota exceeded\n{"token":"fresh"}\n')
    assert verdict(pod) == (4, "target", "the target exited with 1")
    printed = [event.message for event in pod.events if isinstance(event, Logged) and event.printed]
    assert printed == ["ERROR: disk quota exceeded"]
    assert "fresh" not in str(pod.events)
