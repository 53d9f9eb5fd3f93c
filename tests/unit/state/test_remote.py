"""Tests requests to a server while this process has several leases. The store is a dict whose answers can be lost."""

import itertools
import threading
from collections.abc import Callable

import pytest

from tapdock.errors import StateError, TapdockError
from tapdock.state.backends.base import LeaseTerms, Stored, changed_meanwhile, holder_here
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.remote import Remote

FIRST, SECOND = "default:a-to-b", "default:c-to-d"


class Memory:
    """A store. `trouble` is called with an object's name before each write, and may raise an error."""

    uri = "memory"
    never = "none"
    largest = 1 << 20

    def __init__(self) -> None:
        self.trouble: Callable[[str], None] = lambda _: None
        self._objects: dict[str, Stored] = {}
        self._versions = itertools.count()
        self._lock = threading.Lock()

    def read(self, name: str) -> Stored | None:
        return self._objects.get(name)

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        self.trouble(name)
        with self._lock:
            stored = self._objects.get(name)
            if (stored.version if stored else None) != expected:
                raise changed_meanwhile(name, self.uri)
            return self.overwrite(name, body)

    def overwrite(self, name: str, body: bytes) -> str:
        self._objects[name] = Stored(body, str(next(self._versions)))
        return self._objects[name].version

    def list(self, prefix: str) -> list[str]:
        return [name for name in self._objects if name.startswith(prefix)]

    def remove(self, name: str) -> None:
        self._objects.pop(name, None)


class Outage:
    """An outage in which every write of an object, except a lease, fails a number of times and then succeeds."""

    def __init__(self, times: int) -> None:
        self.calls: list[str] = []
        self._times = times

    def __call__(self, name: str) -> None:
        if name.startswith("lease/"):
            return
        self.calls.append(name)
        if self.calls.count(name) <= self._times:
            raise StateError("no answer", retryable=True)


@pytest.fixture
def store() -> Memory:
    return Memory()


@pytest.fixture
def backend(store) -> Remote:
    return Remote(store, Timing(seconds=1, sleep=lambda _: None))


class Loss:
    """Waits until a lease is lost."""

    def __init__(self) -> None:
        self._heard = threading.Event()
        self.terms = LeaseTerms(lost=self._hear)

    def _hear(self, error: TapdockError) -> None:
        self._heard.set()

    def wait(self) -> None:
        assert self._heard.wait(20)


def test_a_lost_lease_leaves_the_retries_of_other_runs_alone(store, backend):
    """Runs of `--concurrency` share one backend."""
    loss = Loss()
    with (
        backend.acquire(SECOND, holder_here("r2", since=0.0)),
        backend.acquire(FIRST, holder_here("r1", since=0.0), loss.terms),
    ):
        backend.unlock(FIRST)
        loss.wait()
        store.trouble = outage = Outage(times=2)
        for name in (SECOND, f"history/{SECOND}/00000001", "overlay/default:c"):
            backend.put(name, b"1", expected=None)
            assert outage.calls.count(name) == 3
        for name in (FIRST, f"history/{FIRST}/00000001"):
            with pytest.raises(StateError, match="no answer"):
                backend.put(name, b"1", expected=None)
            assert outage.calls.count(name) == 1
        store.trouble = lambda _: None


def test_a_run_that_begins_does_not_make_a_lost_one_try_again(store, backend):
    loss = Loss()
    with backend.acquire(FIRST, holder_here("r1", since=0.0), loss.terms):
        backend.unlock(FIRST)
        loss.wait()
        with backend.acquire(SECOND, holder_here("r2", since=0.0)):
            store.trouble = outage = Outage(times=2)
            with pytest.raises(StateError, match="no answer"):
                backend.put(FIRST, b"1", expected=None)
            assert outage.calls.count(FIRST) == 1
            store.trouble = lambda _: None


def test_once_the_run_is_over_requests_are_retried_again(store, backend):
    """The record of the run must still be saved."""
    loss = Loss()
    with backend.acquire(FIRST, holder_here("r1", since=0.0), loss.terms):
        backend.unlock(FIRST)
        loss.wait()
        store.trouble = outage = Outage(times=2)
        with pytest.raises(StateError, match="no answer"):
            backend.put("runs/r1", b"1", expected=None)
        assert outage.calls.count("runs/r1") == 1
        store.trouble = lambda _: None
    store.trouble = outage = Outage(times=2)
    backend.put("runs/r1", b"1", expected=None)
    assert outage.calls.count("runs/r1") == 3
