"""Tests a run with a mapper as the relay decides it: in one process, on real pipes, with threads as connectors."""

import json
import os
import threading
from collections.abc import Callable, Iterable

import msgspec
import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Pod, drained_until_end
from tapdock.events import Committed, Killed, Logged
from tapdock.launch import InputFile
from tapdock.relay.messages import Abort, Exited, Kill, Stop
from tapdock.relay.plan import MapperPlan

pytestmark = pytest.mark.long

ROW = b'{"type":"RECORD","stream":"s","record":{"id":1}}\n'
STATE = b'{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}\n'
NEXT = b'{"type":"STATE","value":{"bookmarks":{"s":{"id":2}}}}\n'
LOST = "the mapper did not print the last state that the source wrote: it got 2 STATE messages and printed"


def pod_of(folder, **plan) -> Pod:
    return Pod(folder, **{"mapper": MapperPlan(), **plan})


def source_says(pod: Pod, *lines: bytes, code: int | None = 0) -> None:
    """Write lines, and exit with `code`. With None the source does not exit."""
    for line in lines:
        os.write(pod.source.out, line)
    if code is not None:
        pod.source.say(f"exit {code}\n")
        pod.source.leave()


def source_obeys(pod: Pod) -> None:
    assert b"stop" in os.read(pod.source.orders, 100)
    pod.source.say("exit 143\n")
    pod.source.leave()


def mapper_reads(pod: Pod, last: bytes) -> None:
    """Read the input up to a line: a mapper prints no state before it has read it."""
    found = b""
    while last not in found:
        found += os.read(pod.mapper.input, 1 << 16)


def mapper_exits(pod: Pod, code: int) -> None:
    pod.mapper.say(f"exit {code}\n")
    pod.mapper.leave()


def mapping(
    pod: Pod, change: Callable[[bytes], Iterable[bytes]] = lambda line: [line], *, code: int = 0
) -> threading.Thread:
    """Play a mapper: print what `change` makes of each line of its input, up to its end, and exit."""

    def work() -> None:
        rest = b""
        while chunk := os.read(pod.mapper.input, 1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                for made in change(line):
                    os.write(pod.mapper.out, made + b"\n")
        mapper_exits(pod, code)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def without_states(line: bytes) -> list[bytes]:
    return [] if b"STATE" in line else [line]


def saved(pod: Pod) -> list[dict]:
    return [json.loads(event.state) for event in pod.events if isinstance(event, Committed)]


def verdict(pod: Pod) -> tuple:
    found = pod.ended()
    return found.exit_code, found.side, found.message


def test_all_well(tmp_path):
    """The target gets what the mapper printed, and the state is saved. Records are counted on both sides of it."""
    pod = pod_of(tmp_path)

    def renamed_and_filtered(line: bytes) -> list[bytes]:
        return [] if b'"id":7' in line else [line.replace(b'"stream":"s"', b'"stream":"people"')]

    source_says(pod, SCHEMA, ROW, ROW, ROW.replace(b"1", b"7"), STATE)
    mapping(pod, renamed_and_filtered)
    drained_until_end(pod)
    assert verdict(pod) == (0, None, None)
    assert saved(pod) == [{"bookmarks": {"s": {"id": 1}}}]
    received = [json.loads(line) for line in pod.received.splitlines()]
    assert [each["record"] for each in received if each["type"] == "RECORD"] == [{"id": 1}, {"id": 1}]
    assert (pod.verdict.source_code, pod.verdict.mapper_code, pod.verdict.target_code) == (0, 0, 0)
    found = pod.verdict.mapper
    assert (found.records_in, found.records_out) == ({"s": 3}, {"people": 2})
    assert (found.states_in, found.states_out) == (1, 1)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (lambda line: [line.replace(b":{", b": {")], (0, None, None)),  # written in another way
        (lambda line: [line] if b":2}" in line else [], (0, None, None)),  # only the last one
        (lambda line: [line, line], (0, None, None)),
        (lambda _: [], (10, "mapper", f"{LOST} 0")),
        (lambda line: [line] if b":1}" in line else [], (10, "mapper", f"{LOST} 1")),
    ],
)
def test_what_a_mapper_does_with_states(tmp_path, states, expected):
    """Its last state must arrive. A run without it is no success, and the target learns it before it replaces rows."""
    pod = pod_of(tmp_path)
    activate = b'{"type":"ACTIVATE_VERSION","stream":"s","version":1}\n'
    source_says(pod, SCHEMA, ROW.replace(b"}}", b'},"version":1}'), STATE, NEXT, activate)
    mapping(pod, lambda line: states(line) if b"STATE" in line else [line])
    drained_until_end(pod)
    assert verdict(pod) == expected
    assert (b"ACTIVATE_VERSION" in pod.received) is (expected[0] == 0)


@pytest.mark.parametrize("invented", [b'{"type":"STATE","value":{"bookmarks":{"s":{"id":99}}}}', STATE.strip()])
def test_a_state_that_the_source_did_not_write(tmp_path, invented):
    """It is never saved: the next run of the source would start from it. The second one is older than its last one."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, NEXT, code=None)
    threading.Thread(target=source_obeys, args=(pod,), daemon=True).start()
    mapper_reads(pod, NEXT)
    for line in (SCHEMA, ROW, STATE, NEXT, invented + b"\n"):
        os.write(pod.mapper.out, line)
    wait_for(lambda: {Killed("mapper"), Killed("target")} <= set(pod.events), "their end")
    pod.mapper.leave()
    pod.target.leave()
    code, side, message = verdict(pod)
    assert (code, side) == (10, "mapper")
    assert "printed a STATE that the source did not write" in message
    assert saved(pod) == []


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_mapper_that_exits_before_it_has_read_all(tmp_path, code):
    """Exit code 0 is no success: the rest of the rows went nowhere. What the target got is committed."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, code=None)
    mapper_reads(pod, STATE)
    for line in (SCHEMA, ROW, STATE):
        os.write(pod.mapper.out, line)
    mapper_exits(pod, code)
    source_obeys(pod)
    drained_until_end(pod)
    assert verdict(pod) == (10, "mapper", f"the mapper exited with {code} before the end of its input")
    assert saved(pod) == [{"bookmarks": {"s": {"id": 1}}}]


def test_a_mapper_that_leaves_a_part_of_its_input_unread(tmp_path):
    """The source has ended well, and all that it wrote is in the pipe of a mapper that exits with 0."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW)
    os.read(pod.mapper.input, 1)
    mapper_exits(pod, 0)
    drained_until_end(pod)
    assert verdict(pod) == (10, "mapper", "the mapper exited with 0 before the end of its input")


def test_a_mapper_that_fails_at_the_end(tmp_path):
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE)
    mapping(pod, code=1)
    drained_until_end(pod)
    assert verdict(pod) == (10, "mapper", "the mapper exited with 1")
    assert saved(pod) == [{"bookmarks": {"s": {"id": 1}}}]


@pytest.mark.parametrize("mappers", [0, 1])
@pytest.mark.parametrize("code", [1, 137])
def test_a_source_that_fails(tmp_path, code, mappers):
    """It is the cause, also if the mapper then fails as well. A half line does not reach the mapper."""
    pod = pod_of(tmp_path)
    got: list[bytes] = []
    source_says(pod, SCHEMA, ROW, STATE, b'{"type":"RECORD","stream":"s","rec', code=code)
    mapping(pod, lambda line: got.append(line) or [line], code=mappers)
    drained_until_end(pod)
    assert verdict(pod) == (3, "source", f"the source exited with {code}")
    assert b"\n".join(got) + b"\n" == SCHEMA + ROW + STATE
    assert len(saved(pod)) == 1


def test_a_source_whose_exit_is_late(tmp_path):
    """The mapper sees the end of its input when the source's exit code is known, so that the source is the cause."""
    pod = pod_of(tmp_path)
    os.write(pod.source.out, SCHEMA + ROW)
    os.close(pod.source.out)
    got: list[bytes] = []
    mapping(pod, lambda line: got.append(line) or [line], code=1)
    drained_until_end(pod)
    wait_for(lambda: b"RECORD" in b"".join(got), "the record")
    pod.source.out = -1
    source_says(pod, code=3)
    assert verdict(pod) == (3, "source", "the source exited with 3")


def test_a_last_line_without_an_end(tmp_path):
    """A source that exits with 0 behind it has lost a part of it. A whole message is passed on."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, b'{"type":"RECORD","stream":"s","rec')
    mapping(pod)
    drained_until_end(pod)
    code, _, message = verdict(pod)
    assert (code, message) == (5, "line 3: a message of stream `s` cannot be read: it is not complete JSON")
    whole = tmp_path / "whole"
    whole.mkdir()
    pod = pod_of(whole)
    source_says(pod, SCHEMA, ROW.rstrip())
    mapping(pod)
    drained_until_end(pod)
    assert verdict(pod) == (0, None, None)
    assert pod.verdict.mapper.records_out == {"s": 1}


def test_text_that_is_not_a_message(tmp_path):
    """Mappers of Meltano's SDK fail for it, so it is only logged."""
    pod = pod_of(tmp_path)
    got: list[bytes] = []
    source_says(pod, b"starting\n", SCHEMA, b"\n", ROW)
    mapping(pod, lambda line: got.append(line) or [line])
    drained_until_end(pod)
    assert verdict(pod) == (0, None, None)
    assert b"\n".join(got) + b"\n" == SCHEMA + ROW
    assert Logged("source", "info", "starting", printed=True) in pod.events


def test_a_broken_line_of_the_source(tmp_path):
    """The mapper does not get it, and never sees the end of its input."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, b'{"type":"STATE","value":{"bookmarks"\n', code=None)
    threading.Thread(target=source_obeys, args=(pod,), daemon=True).start()
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod)[:2] == (5, "runner")


def test_a_broken_line_of_the_mapper(tmp_path):
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE)
    mapping(pod, lambda line: [line] if b"SCHEMA" not in line else [line, b'{"type":"RECORD","stream":"s"'])
    drained_until_end(pod)
    assert verdict(pod)[:2] == (5, "runner")
    assert saved(pod) == []


def test_a_stream_that_the_run_leaves_out(tmp_path):
    """A mapper could give it a name that is read, so that it cannot be left out behind the mapper."""
    pod = pod_of(tmp_path, mapper=MapperPlan(only=frozenset(["users"])))
    source_says(pod, SCHEMA, ROW, code=None)
    threading.Thread(target=source_obeys, args=(pod,), daemon=True).start()
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod) == (3, "source", "the source sent stream `s`, which is not in the catalog")
    assert b"RECORD" not in pod.received


def test_a_target_that_fails(tmp_path):
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, code=None)
    mapping(pod)
    pod.target.say("exit 1\n")
    pod.target.leave()
    source_obeys(pod)
    assert verdict(pod) == (4, "target", "the target exited with 1 before the end of its input")


@pytest.mark.parametrize("order", [Stop(code=130), Abort(exit_code=6, message="s3://b is gone", hint="look")])
def test_ended_from_outside_in_order(tmp_path, order):
    """The source stops, mapper and target finish what they have received, and acknowledged states are committed."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, code=None)
    mapping(pod)
    drained_until_end(pod)
    pod.inbox.put(order)
    source_obeys(pod)
    assert verdict(pod)[0] == (130 if isinstance(order, Stop) else 6)
    assert len(saved(pod)) == 1


def test_a_mapper_that_does_not_end_after_a_signal(tmp_path):
    """It is killed first, so that the target can still commit what it has received."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, code=None)
    pod.inbox.put(Stop(code=143))
    source_obeys(pod)
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.leave()
    pod.target.leave()
    assert verdict(pod)[0] == 143
    killed = [event.side for event in pod.events if isinstance(event, Killed)]
    assert killed[0] == "mapper"


def test_killed_from_outside(tmp_path):
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, STATE, code=None)
    pod.inbox.put(Kill(code=130))
    for side in (pod.source, pod.mapper, pod.target):
        assert os.read(side.orders, 10) == b"", "its lifeline is closed, and it is not asked to end"
        side.leave()
    assert verdict(pod)[0] == 130


@pytest.mark.parametrize("reads", [False, True])
def test_a_silent_mapper(tmp_path, reads):
    """It neither reads nor prints, or it prints nothing after the end of its input and does not exit."""
    limits = msgspec.structs.replace(QUICK, mapper_idle=0.2, exit_grace=60)
    pod = pod_of(tmp_path, limits=limits)
    source_says(pod, SCHEMA, ROW)
    if reads:
        while os.read(pod.mapper.input, 1 << 16):
            pass
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod) == (10, "mapper", "the mapper was silent for 0.2 s")
    assert pod.verdict.retryable


def test_a_silent_source_is_not_the_mapper(tmp_path):
    limits = msgspec.structs.replace(QUICK, source_idle=0.2, mapper_idle=0.1, exit_grace=60)
    pod = pod_of(tmp_path, limits=limits)
    mapping(pod)
    source_says(pod, SCHEMA, code=None)
    source_obeys(pod)
    drained_until_end(pod)
    assert verdict(pod) == (3, "source", "the source was silent for 0.2 s")


def test_a_mapper_that_closes_its_output_and_stays(tmp_path):
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW)
    while os.read(pod.mapper.input, 1 << 16):
        pass
    os.close(pod.mapper.out)
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.out = -1
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod) == (10, "mapper", "the mapper closed its output but did not exit within 0.2 s")


def test_an_engine_whose_exit_code_counts_more_than_the_pipe(tmp_path):
    """A mapper can write `exit 0` into the pipe."""
    pod = pod_of(tmp_path, engine=True)
    source_says(pod, SCHEMA, ROW)
    pod.inbox.put(Exited("source", 0))
    mapping(pod)
    drained_until_end(pod)
    pod.inbox.put(Exited("mapper", 9))
    pod.inbox.put(Exited("target", 0))
    code, side, message = verdict(pod)
    assert (code, side) == (10, "mapper")
    assert "9" in message


def test_a_mapper_that_never_starts(tmp_path):
    """Its image cannot be started: the sides that wait for it end as well."""
    pod = pod_of(tmp_path, greet=False)
    pod.source.say("hello\n")
    pod.target.say("hello\n")
    pod.inbox.put(Exited("mapper", 127))
    for side in (pod.source, pod.target):
        side.leave()
    pod.mapper.leave()
    code, side, message = verdict(pod)
    assert (code, side, message) == (10, "mapper", "the mapper exited with 127 before the end of its input")


def test_its_files(tmp_path):
    pod = pod_of(tmp_path, mapper=MapperPlan(files=(InputFile("config.json", b"{}"),)))
    with open(tmp_path / "mapper" / "file.config.json", "rb") as pipe:
        assert pipe.read() == b"{}"
    source_says(pod, SCHEMA)
    mapping(pod)
    drained_until_end(pod)
    assert verdict(pod)[0] == 0


def test_rows_that_would_stay(tmp_path):
    """A mapper that drops ACTIVATE_VERSION leaves old rows in the target, which is no failure, but a warning."""
    pod = pod_of(tmp_path)
    source_says(pod, SCHEMA, ROW, b'{"type":"ACTIVATE_VERSION","stream":"s","version":1}\n')
    mapping(pod, lambda line: [] if b"ACTIVATE" in line else [line])
    drained_until_end(pod)
    assert verdict(pod)[0] == 0
    warned = [event.message for event in pod.events if isinstance(event, Logged) and event.side == "mapper"]
    assert warned == ["the mapper printed no ACTIVATE_VERSION, although the source did: the target keeps its old rows"]
