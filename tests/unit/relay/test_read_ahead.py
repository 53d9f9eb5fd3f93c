"""Tests that the pump reads the source ahead of a target that pauses: what it holds, and that its order is kept."""

import json
import os
import random
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from engines.project import wait_for
from support.pod import SCHEMA
from tapdock.events import Event, Rotated
from tapdock.relay.plan import RelayPlan, translator
from tapdock.relay.pump import Pump
from tapdock.relay.read_ahead import CHUNK, ReadAhead
from tapdock.translate.base import TranslateOptions
from unit.relay.test_renewed_configs import RECORD, control, new, streams

PIPE = 1 << 16
"""The bytes that a new pipe holds."""


class Moved:
    """A pump between two pipes, in a thread. Attributes: `source` and `target` are the connectors' ends."""

    def __init__(self, *, buffer: int, **plan) -> None:
        self.out, self.source = os.pipe()
        self.target, self.input = os.pipe()
        self.events: list[Event] = []
        work = RelayPlan(run_id="r", translation=TranslateOptions(baseline=False), **{"route": "singer-singer", **plan})
        self.translator = translator(work, Path(), emit=self.events.append, clock=time.monotonic)
        self.pump = Pump(self, self, self.translator, time.monotonic, buffer=buffer)
        self.pump.ending.tell(complete=True)
        self.broken = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.pump.run(lambda: None)
        except BrokenPipeError:
            self.broken = True

    def taken(self) -> bool:
        return True

    def end_input(self) -> None:
        os.close(self.input)

    def prints(self, data: bytes, *, piece: int = PIPE) -> threading.Thread:
        """Write the data as the source, in pieces, and close its output."""

        def work() -> None:
            for start in range(0, len(data), piece):
                os.write(self.source, data[start : start + piece])
            os.close(self.source)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def counted(self) -> int:
        return sum(report.records for report in self.translator.counts.reports())

    def received(self) -> bytes:
        """Read as the target to the end, and wait for the pump."""
        parts = list(iter(lambda: os.read(self.target, 1 << 20), b""))
        self.thread.join(20)
        assert not self.thread.is_alive()
        os.close(self.out)
        os.close(self.target)
        return b"".join(parts)


def rows(size: int) -> bytes:
    """Return at least so many bytes of a tap's output: one schema, then numbered records, each followed by a state."""
    lines, number, length = [SCHEMA], 0, len(SCHEMA)
    while length < size:
        number += 1
        record = b'{"type":"RECORD","stream":"s","record":{"id":%d,"text":"%s"}}\n' % (number, b"x" * 900)
        lines.append(record + b'{"type":"STATE","value":{"bookmarks":{"s":{"id":%d}}}}\n' % number)
        length += len(lines[-1])
    return b"".join(lines)


def test_a_source_ends_while_the_target_reads_nothing():
    """Without a buffer, the source waits as soon as both pipes are full."""
    data = rows(2 << 20)
    moved = Moved(buffer=4 << 20)
    moved.prints(data).join(20)
    wait_for(lambda: moved.pump.held > len(data) - 4 * CHUNK, "what the pipes do not hold")
    assert not moved.pump.source_ended
    assert moved.counted() < data.count(b'"RECORD"') * 0.8, "progress counts what the target could get"
    assert moved.received() == data
    assert moved.pump.held == 0


@pytest.mark.parametrize("size", [1, 1000, 3 * CHUNK])
def test_it_never_holds_more_than_its_size(size):
    """A target that reads nothing does not make it grow, and the target's clock runs, but not the source's."""
    data = rows(2 << 20)
    moved = Moved(buffer=size)
    printing = moved.prints(data)
    wait_for(lambda: moved.pump.held == size, "a full buffer")
    assert moved.pump.target_idle_since is not None
    assert (moved.pump.source_idle_since, moved.pump.busy_since) == (None, None)
    assert printing.is_alive()
    parts = []
    while moved.thread.is_alive() and (part := os.read(moved.target, 5000)):
        parts.append(part)
        assert moved.pump.held <= size
    assert b"".join([*parts, moved.received()]) == data


def test_small_pieces_cost_little_more_than_their_bytes():
    """Each piece of its own would take several times its size."""
    out, source = os.pipe2(os.O_DIRECT)  # each write is read on its own
    target, pipe = os.pipe()
    ahead = ReadAhead(type("Source", (), {"out": out}), 1 << 20)
    full = memoryview(bytes(PIPE))
    ahead.write(pipe, full)
    waiting = threading.Thread(target=ahead.write, args=(pipe, full), daemon=True)
    waiting.start()
    tracemalloc.start()
    for _ in range(4000):
        os.write(source, b"x" * 20)
    wait_for(lambda: ahead.held == 80_000, "all pieces")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 2 * ahead.held + 50_000
    os.read(target, PIPE)
    waiting.join(20)
    for fd in (out, source, target, pipe):
        os.close(fd)


@pytest.mark.parametrize("size", [0, 1000, 64 << 20])
def test_a_line_that_is_longer_than_the_buffer(size):
    line = b'{"type":"RECORD","stream":"s","record":{"text":"%s"}}\n' % (b"y" * (1 << 20))
    data = rows(4 * PIPE) + line + rows(PIPE)[len(SCHEMA) :]
    moved = Moved(buffer=size)
    moved.prints(data)
    assert moved.received() == data


def test_without_a_buffer_nothing_is_held_and_the_targets_pipe_is_left_as_it_is():
    """A wrapped tap writes to a stdout that it shares with other processes: it must not become non-blocking."""
    data = rows(1 << 20)
    moved = Moved(buffer=0)
    printing = moved.prints(data)
    first = os.read(moved.target, 1)
    wait_for(lambda: moved.pump.target_idle_since is not None, "a full pipe")
    assert (moved.pump.held, printing.is_alive()) == (0, True)
    assert os.get_blocking(moved.input)
    assert first + moved.received() == data


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
def test_however_both_sides_pause_all_bytes_arrive_in_order(seed):
    """A state is behind its record in the bytes, so it cannot overtake it."""
    chance = random.Random(seed)
    data = rows(1 << 20)
    moved = Moved(buffer=chance.choice([1, 4096, CHUNK + 1, 64 << 20]))
    moved.prints(data, piece=chance.choice([700, 5000, PIPE]))
    parts = []
    while sum(map(len, parts)) < len(data):
        if chance.random() < 0.02:
            wait_for(lambda: moved.pump.target_idle_since or moved.pump.source_idle_since, "a pause")
        parts.append(os.read(moved.target, chance.choice([1, 4096, 8192, PIPE])))
    assert b"".join([*parts, moved.received()]) == data


def test_a_target_that_exits_is_noticed_while_the_pump_waits_for_it():
    data = rows(1 << 20)
    moved = Moved(buffer=4 << 20)
    moved.prints(data).join(20)
    wait_for(lambda: moved.pump.held > PIPE, "a buffer in use")
    os.close(moved.target)
    moved.thread.join(20)
    assert (moved.broken, moved.pump.held) == (True, 0)


@pytest.mark.parametrize("cut", [False, True])
def test_output_that_the_target_has_no_time_for_is_dropped_at_the_end_of_a_line(cut):
    """Renewed configs in it are used. The target sees the end of its input, behind whole lines."""
    data = RECORD * (6 * CHUNK // len(RECORD)) + control("new") + RECORD
    moved = Moved(buffer=4 << 20, route="airbyte-singer", streams=streams())
    moved.prints(data).join(20)
    wait_for(lambda: moved.pump.held > 2 * CHUNK, "a buffer in use")
    assert [event for event in moved.events if isinstance(event, Rotated)] == []
    moved.pump.cut = cut
    received = moved.received()
    assert received.endswith(b"}\n")
    assert (received.count(b'"RECORD"') < data.count(b'"RECORD"')) == cut
    assert moved.counted() == received.count(b'"RECORD"'), "what was dropped was never counted"
    configs = [json.loads(event.config) for event in moved.events if isinstance(event, Rotated)]
    assert configs == [new("new")]
