"""Tests the limit of records of a run: what passes, which states, and how the run ends, with threads as connectors."""

import json
import os

import pytest

from engines.project import wait_for
from support.pod import SCHEMA, Pod, drained_until_end
from tapdock.errors import TranslationError
from tapdock.events import Committed, Finished, StreamReport
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.relay.limit import Limit, wanting
from tapdock.translate.base import TranslateOptions


def stream(name, namespace=None):
    offered = Stream(name=name, namespace=namespace, json_schema={"properties": {"id": {"type": "integer"}}})
    return ConfiguredStream(stream=offered, sync_mode="full_refresh", destination_sync_mode="append")


def line(kind, **body):
    return json.dumps({"type": kind, **body}, separators=(",", ":")).encode()


def row(number, name="s"):
    return line("RECORD", stream=name, record={"id": number})


def of_airbyte(number, name="s", namespace=None):
    return line("RECORD", record={"stream": name, "namespace": namespace, "data": {"id": number}, "emitted_at": 1})


def state(number):
    return line("STATE", value={"bookmarks": {"s": {"id": number}}})


def passed(*lines, kind="singer", most=2, states=True, streams=()):
    limit = Limit(most, kind, streams, states=states)
    return b"".join(limit.wanted([b"\n".join(lines) + b"\n"], lambda: ())).split(b"\n")[:-1]


def test_no_state_passes_after_a_record_that_does_not():
    lines = [row(1), state(1), row(2), state(2), row(1, "t"), state(3), row(3), state(4), row(2, "t"), state(5)]
    assert passed(*lines) == [*lines[:6], b"", b"", lines[8], b""]
    assert passed(*lines, states=False)[5] == b""


def test_old_rows_stay_and_files_are_refused():
    activate = line("ACTIVATE_VERSION", stream="s", version=1)
    assert passed(SCHEMA.strip(), activate, row(1)) == [SCHEMA.strip(), b"", row(1)]
    with pytest.raises(TranslationError, match="stream `s` has files with records"):
        passed(line("BATCH", stream="s", encoding={"format": "jsonl"}, manifest=["file:///a"]))


@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_records_are_counted_wherever_they_are_on_a_line(kind):
    make = of_airbyte if kind == "airbyte" else row
    lines = [make(1) + make(2) + make(3), b"note", b"log:" + make(4), b'{"type":"RECORD","broken']
    assert passed(*lines, kind=kind) == [make(1) + make(2), b"note", b"log:", b'{"type":"RECORD","broken']


def test_a_stream_with_and_without_its_namespace_is_one_stream():
    lines = [of_airbyte(1), of_airbyte(2, namespace="a"), of_airbyte(3), of_airbyte(4, namespace="b")]
    assert passed(*lines, kind="airbyte", streams=(stream("s", "a"),)) == [*lines[:2], b"", lines[3]]


def test_more_is_wanted_of_a_stream_until_it_has_its_records_or_is_complete():
    def report(records, status="running", **more):
        return StreamReport(namespace=None, stream="s", records=records, bytes=0, status=status, path="splice", **more)

    two = a, b = (stream("a"), stream("b"))
    assert wanting([report(2), report(0, "complete"), report(0)], two, 2) == ()
    assert wanting([report(1, empty=1), report(1, set_aside=1)], two, 2) == ()
    assert wanting([report(1), report(2)], two, 2) == (a,)
    assert wanting([report(2), report(1, "failed")], two, 2) == (b,)
    copied = report(9, filtered=8, written={"a": 1, "copy": 9})
    assert wanting([copied, report(2)], two, 2) == (a,), "each copy is wanted"
    assert wanting([report(9, written={"a": 2, "copy": 9}), report(2)], two, 2) == ()
    assert wanting([copied, report(2)], two, 2, filtered=True) == ()


def limited(folder, *, records=2, **plan):
    """A run with a limit of two records, whose source has printed some of them."""
    pod = Pod(folder, streams=(stream("s"),), limit=2, **plan)
    lines = [SCHEMA.strip(), row(1), state(1), row(2), state(2), row(3), state(3)]
    os.write(pod.source.out, b"\n".join(lines[: 1 + 2 * records]) + b"\n")
    return pod


def committed(pod):
    return [json.loads(event.state)["bookmarks"]["s"]["id"] for event in pod.events if isinstance(event, Committed)]


@pytest.mark.parametrize("code", [0, 1, 143])
def test_the_source_is_asked_to_stop_and_its_exit_code_does_not_count(tmp_path, code):
    pod = limited(tmp_path)
    drained_until_end(pod)
    assert os.read(pod.source.orders, 10) == b"stop\n"
    os.write(pod.source.out, row(4) + b"\n" + state(4) + b"\n")
    pod.source.say(f"exit {code}\n")
    pod.source.leave()
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.message) == (0, None)
    assert [(each.records, each.status) for each in verdict.streams] == [(2, "limited")]
    assert row(2) in pod.received
    assert b'"id":4' not in pod.received
    assert committed(pod)[-1:] == [2]


def test_a_source_that_does_not_stop_is_killed(tmp_path):
    pod = limited(tmp_path)
    drained_until_end(pod)
    assert os.read(pod.source.orders, 10) == b"stop\n"
    assert os.read(pod.source.orders, 10) == b"", "killed"
    pod.source.leave()
    assert pod.ended().exit_code == 0


@pytest.mark.parametrize("code", [0, 3])
def test_a_source_that_ends_before_the_limit_ends_as_ever(tmp_path, code):
    pod = limited(tmp_path, records=1)
    drained_until_end(pod)
    pod.source.say(f"exit {code}\n")
    pod.source.leave()
    verdict = pod.ended()
    assert verdict.exit_code == code
    assert [(each.records, each.status) for each in verdict.streams] == [(1, "incomplete" if code else "complete")]


def test_a_source_that_has_failed_behind_its_last_record_before_it_was_stopped(tmp_path):
    """Its exit code arrives before the records are read: which of them is first does not matter."""
    pod = Pod(tmp_path, streams=(stream("s"),), limit=2)
    pod.source.say("exit 3\n")
    wait_for(lambda: not pod.inbox.qsize(), "that word")
    os.write(pod.source.out, SCHEMA + row(1) + b"\n" + row(2) + b"\n")
    pod.source.leave()
    drained_until_end(pod)
    assert pod.ended().exit_code == 0


@pytest.mark.long
def test_a_target_that_fails_after_a_source_that_failed_is_the_cause(tmp_path):
    """The exit code of the source does not count in the end. It must not hide the failure of the target."""
    pod = Pod(tmp_path, streams=(stream("s"),), limit=2)
    os.write(pod.source.out, SCHEMA + row(1) + b"\n")
    pod.source.say("exit 3\n")
    os.close(pod.source.control)
    wait_for(lambda: Finished("source", 3) in pod.events, "the end of the source")
    pod.target.say("exit 4\n")
    os.close(pod.target.control)
    wait_for(lambda: Finished("target", 4) in pod.events, "the end of the target")
    os.write(pod.source.out, row(2) + b"\n")
    for fd in (pod.source.out, pod.source.orders, pod.source.config):
        os.close(fd)
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == (4, "target")


def test_a_state_that_is_valid_only_at_the_end_is_not_saved(tmp_path):
    pod = limited(tmp_path, translation=TranslateOptions(last_state_only=True))
    drained_until_end(pod)
    os.read(pod.source.orders, 10)
    pod.source.say("exit 0\n")
    pod.source.leave()
    assert pod.ended().exit_code == 0
    assert committed(pod) == []


def test_a_line_that_is_too_long_does_not_repeat_the_lines_before_it(tmp_path):
    pod = Pod(tmp_path, translation=TranslateOptions(max_line=200))
    drained_until_end(pod)
    os.write(pod.source.out, SCHEMA + row(1) + b"\n" + row("x" * 400_000))
    os.read(pod.source.orders, 10)
    pod.source.say("exit 0\n")
    pod.source.leave()
    assert pod.ended().exit_code == 5
    assert pod.received.count(row(1)) == 1
