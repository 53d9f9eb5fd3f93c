"""Tests what the first signal reports: what is ended or waited for at that moment."""

import os
import queue
import signal
import threading

import pytest

from tapdock.errors import Interrupted
from tapdock.relay.messages import Kill, Stop
from tapdock.relay.signals import Signals


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_innermost_block_is_reported_once():
    told: list[str] = []
    outer: queue.SimpleQueue = queue.SimpleQueue()
    with Signals(told.append) as signals, signals.orders(outer, doing="waiting"):
        with signals.orders(queue.SimpleQueue(), doing="saving"):
            interrupt()
            interrupt()
        assert told == ["stopping: saving"]
        assert [outer.get(timeout=0) for _ in range(2)] == [Stop(code=130), Kill(code=130)]


def test_each_thread_reports_what_it_does():
    told: list[str] = []
    ready, over = threading.Barrier(4), threading.Event()

    def work(doing: str) -> None:
        with signals.orders(queue.SimpleQueue(), doing=doing):
            ready.wait(20)
            over.wait(20)

    with Signals(told.append) as signals:
        threads = [threading.Thread(target=work, args=(doing,)) for doing in ("asking", "running", "running")]
        for thread in threads:
            thread.start()
        ready.wait(20)
        interrupt()
        over.set()
        for thread in threads:
            thread.join(20)
    assert sorted(told) == ["stopping: asking", "stopping: running"]


def test_a_signal_without_a_block_ends_at_once():
    told: list[str] = []
    with Signals(told.append) as signals:
        with signals.orders(queue.SimpleQueue(), doing="asking"):
            pass
        with pytest.raises(Interrupted, match="stopped by signal"):
            interrupt()
    assert told == [], "the error says so"
