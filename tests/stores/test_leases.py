"""Tests leases on a store without locks: time, failures, and two clocks.

The store is a dict whose answers can be lost.
"""

import itertools
import threading
from collections.abc import Callable

import pytest

from engines.project import wait_for
from tapdock.errors import Conflict, LeaseHeld, StateError, TapdockError
from tapdock.state.backends.base import LeaseTerms, Stored, changed_meanwhile, holder_here
from tapdock.state.backends.leases import PREFIX, Timing
from tapdock.state.backends.remote import Remote

FIRST, SECOND = (holder_here(f"r{number}", since=0.0) for number in (1, 2))
OUTAGE = StateError("no answer", retryable=True)


class Memory:
    """A store. `trouble` is called before and after each write, and may raise an error."""

    uri = "memory"
    never = "none"
    largest = 1 << 20

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.versions = itertools.count()
        self.lock = threading.Lock()
        self.trouble: Callable[[str], None] = lambda _: None

    def read(self, name: str) -> Stored | None:
        self.trouble("read")
        return self.objects.get(name)

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        self.trouble("before")
        with self.lock:
            stored = self.objects.get(name)
            if (stored.version if stored else None) != expected:
                raise changed_meanwhile(name, self.uri)
            version = str(next(self.versions))
            self.objects[name] = Stored(body, version)
        self.trouble("after")
        return version

    def overwrite(self, name: str, body: bytes) -> str:
        self.objects[name] = Stored(body, str(next(self.versions)))
        return self.objects[name].version

    def list(self, prefix: str) -> list[str]:
        return [name for name in self.objects if name.startswith(prefix)]

    def remove(self, name: str) -> None:
        self.objects.pop(name, None)


def remote(store: Memory, *, seconds: float = 0.4, now: Callable[[], float] | None = None, **timing) -> Remote:
    return Remote(store, Timing(seconds=seconds, **({"now": now} if now else {}), **timing))


@pytest.fixture
def store() -> Memory:
    return Memory()


def left_behind(store: Memory, *, expires_in: float) -> None:
    """Create the lease of a holder that was killed at time 1000 of its clock."""
    dead = remote(store, seconds=expires_in, now=lambda: 1000.0)
    holding = dead.acquire("a", FIRST)
    holding.__enter__()
    kept = store.objects[PREFIX + "a"]
    holding.__exit__(None, None, None)
    store.objects[PREFIX + "a"] = kept


def test_a_lease_is_renewed_for_as_long_as_it_is_held(store):
    backend = remote(store)
    with backend.acquire("a", FIRST):
        seen = {store.objects[PREFIX + "a"].version}
        wait_for(lambda: seen.add(store.objects[PREFIX + "a"].version) or len(seen) > 3, "renewals", seconds=10)
        with pytest.raises(LeaseHeld, match="in use by run r1"), remote(store).acquire("a", SECOND):
            pass
    with remote(store).acquire("a", SECOND):
        pass


def test_a_dead_holders_lease_runs_out(store):
    left_behind(store, expires_in=60)
    early = remote(store, seconds=60, now=lambda: 1059.0)
    with pytest.raises(LeaseHeld), early.acquire("a", SECOND):
        pass
    slept: list[float] = []
    said: list[str] = []
    late = remote(store, seconds=60, now=lambda: 1061.0, sleep=slept.append)
    with late.acquire("a", SECOND, LeaseTerms(say=said.append)):
        pass
    assert slept == [60.0], "for as long as one who lives may be cut off"
    assert "has expired" in said[0]


def test_a_clock_that_is_ahead_takes_nothing_from_one_who_renews(store):
    with remote(store, now=lambda: 1000.0).acquire("a", FIRST):
        ahead = remote(store, now=lambda: 5000.0)
        with pytest.raises(LeaseHeld), ahead.acquire("a", SECOND):
            pass


def test_only_one_follows_a_lease_that_ran_out(store):
    left_behind(store, expires_in=60)
    gate = threading.Barrier(2)
    won: list[str] = []

    def follow(run: str) -> None:
        backend = remote(store, seconds=60, now=lambda: 2000.0, sleep=lambda _: gate.wait(10))
        try:
            with backend.acquire("a", holder_here(run, since=0.0)):
                won.append(run)
                gate.wait(10)
        except LeaseHeld:
            gate.wait(10)

    threads = [threading.Thread(target=follow, args=(f"r{number}",)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(won) == 1


def told(store: Memory, trouble: Callable[[str], None]) -> TapdockError:
    """Return the reports that a holder gets after a failure."""
    lost: list[TapdockError] = []
    with remote(store).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = trouble
        wait_for(lambda: lost, "the loss", seconds=10)
        store.trouble = lambda _: None
    return lost[0]


def test_a_holder_that_cannot_renew_stops_before_anybody_may_follow(store):
    def outage(_: str) -> None:
        raise OUTAGE

    error = told(store, outage)
    assert isinstance(error, StateError)
    assert "could not be renewed in time: no answer" in error.message
    assert error.retryable


def test_an_answer_that_never_comes_is_a_loss_in_time(store):
    """The request still waits when the time has expired."""
    lost: list[TapdockError] = []
    gate = threading.Event()
    with remote(store).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = lambda _: gate.wait(20)
        wait_for(lambda: lost, "the loss", seconds=10)
        store.trouble = lambda _: None
        gate.set()
    assert "could not be renewed in time" in lost[0].message


def test_a_request_without_an_answer_does_not_hold_the_end(store):
    """The renewal that waits for the answer is abandoned."""
    lost: list[TapdockError] = []
    gate = threading.Event()
    with remote(store, request=0.1).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = lambda _: gate.wait()
        wait_for(lambda: lost, "the loss", seconds=10)
    gate.set()
    assert "no complete answer within 0.1 s" in lost[0].message


@pytest.mark.parametrize("error", [ValueError("what a library did not think of"), OSError("broken")])
def test_whatever_a_renewal_raises_is_no_renewal(store, error):
    def trouble(_: str) -> None:
        raise error

    assert str(error) in told(store, trouble).message


def test_a_damaged_lease_is_a_loss(store):
    lost: list[TapdockError] = []
    with remote(store).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.overwrite(PREFIX + "a", b"{")
        wait_for(lambda: lost, "the loss", seconds=10)
    assert "is damaged" in lost[0].message


def test_once_it_is_lost_nothing_is_tried_again(store):
    def outage(_: str) -> None:
        raise OUTAGE

    lost: list[TapdockError] = []
    backend = remote(store)
    with backend.acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = outage
        wait_for(lambda: lost, "the loss", seconds=10)
        calls: list[str] = []

        def count(when: str) -> None:
            calls.append(when)
            raise OUTAGE

        store.trouble = count
        with pytest.raises(StateError):
            backend.put("b", b"1", expected=None)
        assert calls == ["before"]
        store.trouble = lambda _: None


def test_an_outage_that_passes_is_not_reported(store):
    lost: list[TapdockError] = []
    left = [OUTAGE, OUTAGE]

    def stutter(when: str) -> None:
        if when == "before" and left:
            raise left.pop()

    with remote(store, seconds=8).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = stutter
        wait_for(lambda: not left, "two failed renewals", seconds=20)
        version = store.objects[PREFIX + "a"].version
        wait_for(lambda: store.objects[PREFIX + "a"].version != version, "one that went through", seconds=20)
    assert lost == []


def test_a_renewal_whose_answer_was_lost_is_ours(store):
    lost: list[TapdockError] = []
    left = [OUTAGE]

    def mute(when: str) -> None:
        if when == "after" and left:
            raise left.pop()

    with remote(store, seconds=4).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        store.trouble = mute
        wait_for(lambda: not left, "the lost answer", seconds=10)
        version = store.objects[PREFIX + "a"].version
        wait_for(lambda: store.objects[PREFIX + "a"].version != version, "the next renewal", seconds=10)
    assert lost == []


def test_a_run_that_lost_its_lease_is_notified(store):
    lost: list[TapdockError] = []
    with (
        remote(store).acquire("a", FIRST, LeaseTerms(lost=lost.append)),
        remote(store).acquire("a", SECOND, LeaseTerms(is_over=lambda _: True)),
    ):
        wait_for(lambda: lost, "the loss", seconds=10)
    assert isinstance(lost[0], LeaseHeld)
    assert "in use by run r2" in lost[0].message


def test_a_lease_that_was_unlocked_is_lost(store):
    lost: list[TapdockError] = []
    with remote(store).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        remote(store).unlock("a")
        wait_for(lambda: lost, "the loss", seconds=10)
        with remote(store).acquire("a", SECOND):
            pass
    assert isinstance(lost[0], LeaseHeld)


def test_unlocking_wins_over_a_renewal_in_between(store):
    lost: list[TapdockError] = []
    other = remote(store)
    with remote(store, seconds=60).acquire("a", FIRST, LeaseTerms(lost=lost.append)):
        kept = store.objects[PREFIX + "a"]

        def renewed(when: str) -> None:
            if when == "read":
                store.objects[PREFIX + "a"] = Stored(kept.body, str(next(store.versions)))

        store.trouble = renewed
        other.unlock("a")
        store.trouble = lambda _: None
        assert other.holder("a") is None


@pytest.mark.parametrize(
    "body", [b"{", b'{"nonce": "\xff"}', b'{"more": ' + b"[" * 100_000], ids=["torn", "text", "deep"]
)
def test_a_damaged_lease_is_reported_with_the_way_out(store, body):
    store.write(PREFIX + "a", body, expected=None)
    with pytest.raises(StateError, match="is damaged") as told, remote(store).acquire("a", FIRST):
        pass
    assert "`tapdock state unlock a`" in told.value.hint
    remote(store).unlock("a")
    with remote(store).acquire("a", FIRST):
        pass


def test_a_refused_condition_is_not_tried_again(store):
    calls: list[str] = []
    store.trouble = calls.append
    backend = remote(store, sleep=lambda _: None)
    backend.put("b", b"1", expected=None)
    calls.clear()
    with pytest.raises(Conflict):
        backend.put("b", b"2", expected=None)
    assert calls == ["before"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_may_pass_is_tried_again(store, when):
    left = [OUTAGE, OUTAGE]

    def trouble(at: str) -> None:
        if at == when and left:
            raise left.pop()

    store.trouble = trouble
    assert remote(store, sleep=lambda _: None).put("b", b"1", expected=None) == store.objects["b"].version


def test_a_lasting_failure_is_reported(store):
    def outage(_: str) -> None:
        raise OUTAGE

    store.trouble = outage
    slept: list[float] = []
    with pytest.raises(StateError, match="no answer"):
        remote(store, sleep=slept.append).get("b")
    assert len(slept) == 4
