"""Tests a relay in a container that misbehaves, as seen from outside, without any engine."""

import queue
import threading

import pytest

from tapdock.errors import EngineError
from tapdock.launch import Exit
from tapdock.relay import host
from tapdock.relay.messages import Kill, Stop
from tapdock.relay.plan import RelayPlan


class Container:
    """A container that reads orders and writes nothing until it is killed."""

    def __init__(self):
        self.orders = []
        self.killed = threading.Event()

    def send(self, data):
        self.orders.append(data)

    def receive(self):
        self.killed.wait(60)
        return b""

    def kill(self):
        self.killed.set()

    def wait(self, seconds):
        return Exit(code=137)


@pytest.fixture
def contained(monkeypatch):
    monkeypatch.setattr(host, "_OBEYS_SECONDS", 0.2)
    container, inbox = Container(), queue.SimpleQueue()
    place = host._Contained(
        RelayPlan(run_id="r", route="singer-singer"), container, container, inbox, host._Listener(lambda _: None)
    )
    return container, inbox, place


def test_a_relay_that_hangs_is_killed_after_a_second_signal(contained):
    container, inbox, place = contained
    inbox.put(Kill(code=130))
    with pytest.raises(EngineError, match="exited with 137"):
        place.verdict()
    assert container.killed.is_set()
    assert b'"kill"' in container.orders[-1]


@pytest.mark.long
def test_one_that_is_asked_to_stop_has_its_time(contained):
    container, inbox, _ = contained
    inbox.put(Stop(code=130))
    assert not container.killed.wait(0.6)
    container.killed.set()
