"""Tests that a run ends as before if bytes wait in the buffer between the source and a target that pauses."""

import dataclasses
import fcntl
import json
import os

import msgspec
import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Pod, drained_until_end
from tapdock.events import Committed, Finished, Killed, Rotated
from tapdock.project.model import Limits
from tapdock.relay.messages import Abort, Kill, Stop
from tapdock.relay.overdue import Overdue
from tapdock.relay.sides import Sides
from tapdock.relay.timers import Timers
from unit.relay.test_renewed_configs import RECORD, control, new, streams

pytestmark = pytest.mark.long

AHEAD = 1 << 20
ROW = b'{"type":"RECORD","stream":"s","record":{"text":"%s"}}\n' % (b"x" * 4000)
STATE = b'{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}\n'
LONG = msgspec.structs.replace(QUICK, stop_grace=60, exit_grace=60, gone=10)


def prints(pod: Pod, line: bytes, last: bytes = b"") -> bytes:
    """Print, as the source, more than both pipes hold, and `last`. Return what is printed once all of it is taken."""
    pipes = sum(fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) for fd in (pod.source.out, pod.target.input))
    data = (SCHEMA if line is ROW else b"") + line * ((pipes + AHEAD) // len(line)) + last
    view = memoryview(data)
    while view:
        view = view[os.write(pod.source.out, view) :]
    return data


def exits(pod: Pod, code: int) -> None:
    pod.source.say(f"exit {code}\n")
    pod.source.leave()


def obeys(pod: Pod) -> None:
    assert b"stop" in os.read(pod.source.orders, 100)
    exits(pod, 143)


def states(pod: Pod) -> list:
    return [json.loads(event.state) for event in pod.events if isinstance(event, Committed)]


@pytest.mark.parametrize(("code", "verdict"), [(0, (0, None)), (1, (3, "source")), (137, (3, "source"))])
def test_a_source_that_ends_while_the_target_pauses(tmp_path, code, verdict):
    """All that it printed arrives, and its last state is saved. The relay knows its exit code long before."""
    pod = Pod(tmp_path, limits=LONG)
    data = prints(pod, ROW, STATE)
    exits(pod, code)
    wait_for(lambda: Finished("source", code) in pod.events, "the exit code")
    drained_until_end(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.side, ended.target_code) == (*verdict, 0)
    assert data in pod.received
    assert states(pod) == [{"bookmarks": {"s": {"id": 1}}}]
    assert [report.records for report in ended.streams] == [data.count(b'"RECORD"')]


@pytest.mark.parametrize("code", [0, 1])
def test_a_target_that_ends_while_the_source_is_ahead(tmp_path, code):
    pod = Pod(tmp_path, limits=LONG)
    prints(pod, ROW, STATE)
    pod.target.say(f"exit {code}\n")
    pod.target.leave()
    obeys(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.message) == (4, f"the target exited with {code} before the end of its input")
    assert states(pod) == []


@pytest.mark.parametrize(("order", "code"), [(Stop(code=143), 143), (Abort(exit_code=6, message="full"), 6)])
def test_a_stop_lets_the_target_finish_what_was_read(tmp_path, order, code):
    pod = Pod(tmp_path, limits=LONG)
    data = prints(pod, ROW, STATE)
    pod.inbox.put(order)
    obeys(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == code
    assert pod.received.count(b'"RECORD"') == data.count(b'"RECORD"')
    assert states(pod) == [{"bookmarks": {"s": {"id": 1}}}]
    assert Killed("target") not in pod.events


def test_a_stop_does_not_wait_for_a_target_that_needs_too_long(tmp_path):
    """After `stop_grace`, what the target has not taken is dropped, so that it can still save what it has."""
    pod = Pod(tmp_path, limits=msgspec.structs.replace(LONG, stop_grace=2))
    data = prints(pod, STATE + ROW, STATE.replace(b"1", b"2"))
    pod.inbox.put(Stop(code=130))
    wait_for(lambda: Killed("source") in pod.events, "the end of the time")
    pod.source.leave()
    drained_until_end(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.target_code) == (130, 0)
    assert 0 < pod.received.count(b'"RECORD"') < data.count(b'"RECORD"')
    assert states(pod) == [{"bookmarks": {"s": {"id": 1}}}], "and not the last one, whose records were dropped"
    assert [report.records for report in ended.streams] == [pod.received.count(b'"RECORD"')]


@pytest.mark.parametrize("obeyed", [True, False])
def test_a_kill_drops_what_waits_and_keeps_a_renewed_config(tmp_path, obeyed):
    """Also if the container of no side obeys, so that the thread of the pump waits for ever."""
    pod = Pod(tmp_path, route="airbyte-singer", streams=streams())
    prints(pod, RECORD, control("new") + RECORD)
    pod.inbox.put(Kill(code=130))
    wait_for(lambda: {Killed("source"), Killed("target")} <= {e for e in pod.events if isinstance(e, Killed)}, "both")
    if obeyed:
        pod.source.leave()
        pod.target.leave()
    assert pod.ended().exit_code == 130
    assert [json.loads(event.config) for event in pod.events if isinstance(event, Rotated)] == [new("new")]
    assert states(pod) == []


def test_a_target_that_takes_nothing_is_silent_although_the_source_could_go_on(tmp_path):
    pod = Pod(tmp_path, limits=msgspec.structs.replace(QUICK, target_idle=0.5, source_idle=0.1))
    prints(pod, ROW)
    wait_for(lambda: Killed("target") in pod.events, "its end")
    pod.target.leave()
    obeys(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.message) == (4, "the target was silent for 0.5 s")


class Held:
    """A pump with bytes in its buffer."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.cut = self.source_ended = False


@dataclasses.dataclass(frozen=True)
class Named:
    """A side of which only the name is known."""

    name: str


@dataclasses.dataclass
class Threads:
    """The threads of a run, of which `readers` read the outputs."""

    readers: list[Held]
    pump: Held


class Kills:
    """Notes the names of the sides that are killed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def kill(self, *sides: Named) -> None:
        self.names += [side.name for side in sides]


@pytest.mark.parametrize(
    ("mapper", "side", "behind"),
    [(False, "source", ["target"]), (True, "source", ["mapper", "target"]), (True, "mapper", ["target"])],
)
@pytest.mark.parametrize(
    ("held", "ends", "cut", "killed"),
    [(0, False, False, True), (0, True, False, False), (5, False, True, True), (5, True, True, False)],
)
def test_the_end_of_a_killed_sides_output_may_be_behind_the_buffer(mapper, side, behind, held, ends, cut, killed):
    """Only if it does not come after the buffer was dropped, the side still writes."""
    now = 0.0
    timers = Timers(lambda: now)
    pump, kills = Held(held), Kills()
    readers = [Held(0), pump] if mapper else [pump]
    sides = Sides(Named("source"), Named("mapper") if mapper else None, Named("target"))
    reader = readers[sides.all.index(Named(side))]
    overdue = Overdue(sides, Threads(readers, pump), timers, Limits(gone=5), kills, fail=None)
    overdue.killed(Named(side))
    for now in (9.9, 10.0, 19.9, 20.0):
        reader.source_ended = ends and not pump.held
        timers.fire()
        assert pump.cut == (cut and now >= 10)
        pump.held = 0 if pump.cut else held
    assert kills.names == (behind if killed else [])


def test_the_end_of_a_killed_sources_output_was_read_although_bytes_wait_behind_the_mapper():
    """The target may take its time: nothing is dropped."""
    now = 0.0
    timers = Timers(lambda: now)
    feed, pump, kills = Held(0), Held(5), Kills()
    sides = Sides(Named("source"), Named("mapper"), Named("target"))
    overdue = Overdue(sides, Threads([feed, pump], pump), timers, Limits(gone=5), kills, fail=None)
    overdue.killed(Named("source"))
    feed.source_ended = True
    now = 10.0
    timers.fire()
    assert timers.wait(60) == 60, "nothing is expected any more"
    assert (pump.cut, kills.names) == (False, [])
