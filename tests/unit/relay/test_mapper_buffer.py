"""Tests that a run with a mapper ends as it should if bytes wait in the buffer between the mapper and its target."""

import fcntl
import json
import os
import threading

import msgspec
import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Pod, drained_until_end
from tapdock.errors import MapperError
from tapdock.events import Committed, Finished, Killed
from tapdock.project.limits import BUFFER
from tapdock.protocol import singer
from tapdock.relay.mapped import Mapped
from tapdock.relay.mapper_input import MapperInput
from tapdock.relay.messages import Abort, Kill, Stop
from tapdock.relay.plan import MapperPlan
from unit.relay.test_mapper import mapper_exits, mapping, source_obeys, source_says

pytestmark = pytest.mark.long

AHEAD = 1 << 20
ROW = b'{"type":"RECORD","stream":"s","record":{"text":"%s"}}\n' % (b"x" * 4000)
STATE = b'{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}\n'
NEXT = STATE.replace(b"1", b"2")
LONG = msgspec.structs.replace(QUICK, stop_grace=60, exit_grace=60, gone=10)
FIRST, LAST = {"bookmarks": {"s": {"id": 1}}}, {"bookmarks": {"s": {"id": 2}}}


def pod_of(folder, **limits) -> Pod:
    return Pod(folder, mapper=MapperPlan(), limits=msgspec.structs.replace(LONG, **limits))


def beyond_the_pipes(pod: Pod) -> bytes:
    """Return messages that need the buffer: all pipes together hold fewer of them."""
    fds = (pod.source.out, pod.mapper.input, pod.mapper.out, pod.target.input)
    size = AHEAD + sum(fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) for fd in fds)
    return SCHEMA + ROW + STATE + ROW * (size // len(ROW)) + NEXT


def mapper_prints(pod: Pod, data: bytes) -> None:
    """Print, as the mapper, what it has read. All of it is taken, although the target reads nothing."""
    got = 0
    while got < len(data):
        chunk = os.read(pod.mapper.input, 1 << 16)
        got += len(chunk)
        while chunk:
            chunk = chunk[os.write(pod.mapper.out, chunk) :]


def held(pod: Pod, *, code: int | None) -> bytes:
    """Bring all messages of the source behind the mapper. With `code`, the source exits."""
    data = beyond_the_pipes(pod)
    printing = threading.Thread(target=mapper_prints, args=(pod, data), daemon=True)
    printing.start()
    view = memoryview(data)
    while view:
        view = view[os.write(pod.source.out, view) :]
    printing.join(30)
    assert not printing.is_alive(), "the mapper waits for the target"
    if code is not None:
        source_says(pod, code=code)
    return data


def saved(pod: Pod) -> list[dict]:
    return [json.loads(event.state) for event in pod.events if isinstance(event, Committed)]


def killed(pod: Pod) -> list[str]:
    return [event.side for event in pod.events if isinstance(event, Killed)]


@pytest.mark.parametrize(
    ("source", "mapper", "expected"),
    [
        (0, 0, (0, None, None)),
        (1, 0, (3, "source", "the source exited with 1")),
        (1, 1, (3, "source", "the source exited with 1")),
        (0, 1, (10, "mapper", "the mapper exited with 1")),
    ],
)
def test_both_end_while_the_target_pauses(tmp_path, source, mapper, expected):
    """All that was printed arrives. The last state is in the buffer when the mapper exits, which is not a lost one."""
    pod = pod_of(tmp_path)
    data = held(pod, code=source)
    mapping(pod, code=mapper)
    wait_for(lambda: Finished("mapper", mapper) in pod.events, "the exit code")
    drained_until_end(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.side, ended.message) == expected
    assert data in pod.received
    assert saved(pod)[-1] == LAST
    assert killed(pod) == []


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_mapper_that_dies_while_the_target_pauses(tmp_path, code):
    """What it printed arrives, and its states are saved. The rest is read again."""
    pod = pod_of(tmp_path)
    data = held(pod, code=None)
    mapper_exits(pod, code)
    source_obeys(pod)
    drained_until_end(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.message) == (10, f"the mapper exited with {code} before the end of its input")
    assert data in pod.received
    assert saved(pod)[-1] == LAST


@pytest.mark.parametrize("code", [0, 1])
def test_a_target_that_dies_while_the_mapper_is_ahead(tmp_path, code):
    pod = pod_of(tmp_path)
    held(pod, code=None)
    pod.target.say(f"exit {code}\n")
    pod.target.leave()
    source_obeys(pod)
    mapping(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.message) == (4, f"the target exited with {code} before the end of its input")
    assert (ended.source_code, ended.mapper_code) == (143, 0)
    assert saved(pod) == []


@pytest.mark.parametrize(("order", "code"), [(Stop(code=143), 143), (Abort(exit_code=6, message="full"), 6)])
def test_a_stop_lets_the_target_finish_what_the_mapper_printed(tmp_path, order, code):
    pod = pod_of(tmp_path)
    data = held(pod, code=None)
    pod.inbox.put(order)
    source_obeys(pod)
    mapping(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == code
    assert data in pod.received
    assert saved(pod)[-1] == LAST
    assert killed(pod) == []


def test_a_stop_does_not_wait_for_a_target_that_needs_too_long(tmp_path):
    """What it has not taken when the mapper must have ended is dropped. It is not killed, and saves what it has."""
    pod = pod_of(tmp_path, stop_grace=1)
    data = held(pod, code=None)
    pod.inbox.put(Stop(code=130))
    source_obeys(pod)
    wait_for(lambda: "mapper" in killed(pod), "the end of the time")
    pod.mapper.leave()
    drained_until_end(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.target_code) == (130, 0)
    assert 0 < pod.received.count(b'"RECORD"') < data.count(b'"RECORD"')
    assert saved(pod) == [FIRST], "and not the last one, whose records were dropped"
    assert killed(pod) == ["mapper"]


def test_a_kill_drops_what_waits(tmp_path):
    pod = pod_of(tmp_path)
    held(pod, code=None)
    pod.inbox.put(Kill(code=130))
    wait_for(lambda: sorted(killed(pod)) == ["mapper", "source", "target"], "their end")
    for side in (pod.source, pod.mapper, pod.target):
        side.leave()
    assert pod.ended().exit_code == 130
    assert saved(pod) == []


def test_a_kill_that_no_container_obeys(tmp_path):
    """All threads wait for pipes that never end."""
    pod = pod_of(tmp_path, gone=0.5)
    held(pod, code=None)
    pod.inbox.put(Kill(code=130))
    assert pod.ended().exit_code == 130
    assert saved(pod) == []


@pytest.mark.parametrize("waits", [False, True])
def test_a_killed_mapper_whose_container_lives_on(tmp_path, waits):
    """Its output never ends, so the target would wait for ever: it is killed too. First, the buffer is dropped."""
    pod = pod_of(tmp_path, gone=0.2)
    if waits:
        held(pod, code=None)
    pod.mapper.say("a word\n")  # only tapdock's own commands may say something: the mapper is killed
    wait_for(lambda: "target" in killed(pod), "the end of the target")
    assert killed(pod) == ["mapper", "target"]
    pod.target.leave()
    source_obeys(pod)
    ended = pod.ended()
    assert (ended.exit_code, ended.side) == (10, "mapper")
    assert saved(pod) == []


def test_the_target_is_not_too_slow_for_its_mapper(tmp_path):
    """While the target's pipe and the buffer are full, the mapper cannot print: it is not silent."""
    pod = Pod(
        tmp_path,
        mapper=MapperPlan(),
        buffer=AHEAD,
        limits=msgspec.structs.replace(LONG, mapper_idle=0.2, source_idle=0.2, target_idle=1, gone=0.2),
    )
    data = beyond_the_pipes(pod)
    threading.Thread(target=lambda: mapper_prints(pod, data), daemon=True).start()
    threading.Thread(target=lambda: source_says(pod, data, code=None), daemon=True).start()
    wait_for(lambda: "target" in killed(pod), "the end of the target")
    pod.target.leave()
    pod.inbox.put(Kill(code=1))
    assert pod.ended().message == "the target was silent for 1 s"


def states(numbers: range) -> bytes:
    return b"".join(b'{"type":"STATE","value":{"n":%d}}\n' % number for number in numbers)


def test_states_that_fit_between_both_sides_of_a_mapper_are_remembered():
    """Only the older ones are forgotten, so that a mapper that drops states costs no memory without end."""
    mapped = Mapped("m", 28 * 10)
    text = states(range(11))
    mapped.into(singer.MESSAGES.decode_lines(text))
    with pytest.raises(MapperError, match="in another order"):
        mapped.out(states(range(1)))
    mapped.out(states(range(1, 11)))
    assert mapped.fault() is None


@pytest.mark.slow
def test_as_many_states_as_the_buffer_holds_are_remembered():
    """A tap may print a state after each record, while the target loads its first batch."""
    feed = MapperInput(None, None, MapperPlan(), max_line=1, buffer=BUFFER, unselected=False, emit=print, clock=float)
    text = states(range(160_000))
    feed.mapped.into(singer.MESSAGES.decode_lines(text))
    feed.mapped.out(states(range(2)))
    feed.mapped.out(text[-60:].partition(b"\n")[2])
    assert feed.mapped.fault() is None
