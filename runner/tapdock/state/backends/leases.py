"""A lease in a store without locks: an object that its holder renews, and that another run takes after it expired.

A holder measures the time since its last successful renewal, and has to stop before another run may take the lease. A
run that finds an expired lease waits and checks that it is not renewed, because the clocks of machines differ.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import msgspec

from tapdock.errors import Conflict, LeaseHeld, StateError, TapdockError
from tapdock.state.backends.base import LEASE_SECONDS, Holder, LeaseTerms, Stored, held_by

__all__ = ["PREFIX", "Timing", "Write", "acquire", "holder", "unlock"]

PREFIX = "lease/"
_NOBODY = Holder(run_id="unlocked", pid=0, host="", since="")


class Write(Protocol):
    """A function that replaces a version by a newer one, and returns the newer version. Raises Conflict."""

    def __call__(self, name: str, body: bytes, *, expected: str | None) -> str: ...


class Objects(Protocol):
    """A store of leases: objects that are replaced by compare-and-swap."""

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Write with retries; `write_once` is a single request."""
        ...

    def write_once(self, name: str, body: bytes, *, expected: str | None) -> str: ...

    def get(self, name: str) -> Stored | None: ...

    def read_once(self, name: str) -> Stored | None:
        """Read by a single request."""
        ...

    def overwrite(self, name: str, body: bytes) -> str: ...


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The duration of a lease, and the sources of time: `now` since the epoch, `clock` for durations.

    `request` is the time limit for a whole request. All numbers are in seconds.
    """

    seconds: float = LEASE_SECONDS
    request: float = 60.0
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def beat(self) -> float:
        """The time between two renewals."""
        return self.seconds / 4

    @property
    def deadline(self) -> float:
        """The time after the last renewal at which the holder must stop. It has a quarter of the lease to do so."""
        return self.seconds * 3 / 4


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A stored lease. `expires` is by the holder's wall clock; None after release. `nonce` is new per renewal."""

    version: int = 1
    holder: Holder
    seconds: float
    expires: float | None
    nonce: str


@contextmanager
def acquire(backend: Objects, name: str, holder: Holder, terms: LeaseTerms, timing: Timing) -> Iterator[None]:
    """Hold a lease for the block, and renew it. Raises LeaseHeld while another run holds it, StateError on failure."""
    holding = _Holding(backend, PREFIX + name, holder, terms, timing)
    holding.take()
    threads = [threading.Thread(target=work, daemon=True) for work in (holding.beat, holding.watch)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        holding.over.set()
        for thread in threads:
            thread.join()
        holding.give_back()


class _Holding:
    """One lease of one holder: taken, renewed in a thread, released."""

    def __init__(self, backend: Objects, name: str, holder: Holder, terms: LeaseTerms, timing: Timing) -> None:
        self.over = threading.Event()
        self._backend = backend
        self._name = name
        self._holder = holder
        self._terms = terms
        self._timing = timing
        self._version: str | None = None
        self._renewed = timing.clock()
        self._trouble = "no answer"
        self._losing = threading.Lock()

    def take(self) -> None:
        with suppress(Conflict):
            self._renew(self._backend.put)
            return
        stored = self._backend.get(self._name)
        if stored:
            lease = _decoded(self._name, stored)
            if not self._is_free(lease, stored.version):
                raise self._held(lease.holder)
            self._version = stored.version
        try:
            self._renew(self._backend.put)
        except Conflict:
            raise self._held(holder(self._backend, self._name)) from None

    def _is_free(self, lease: _Lease, version: str) -> bool:
        """Return True if the lease was released, its run has certainly ended, or it expired and nobody renews it."""
        if lease.expires is None or self._terms.is_over(lease.holder):
            return True
        if lease.expires > self._timing.now():
            return False
        seconds = max(lease.seconds, self._timing.seconds)  # a live holder may be cut off for as long
        run = lease.holder.run_id
        self._terms.say(
            f"the lease of run {run} has expired; waiting {seconds:.0f} s to make sure that it is abandoned"
        )
        self._timing.sleep(seconds)
        stored = self._backend.get(self._name)
        return stored is None or stored.version == version

    def _renew(self, write: Write, *, expires: bool = True) -> None:
        """Write a renewal. Its time counts from before the request, so that the holder's count ends first."""
        began = self._timing.clock()
        until = self._timing.now() + self._timing.seconds if expires else None
        seconds = self._timing.seconds
        lease = _Lease(holder=self._holder, seconds=seconds, expires=until, nonce=secrets.token_hex(8))
        self._version = write(self._name, msgspec.json.encode(lease), expected=self._version)
        self._renewed = began

    def beat(self) -> None:
        """Renew the lease until it is over. A failed renewal is retried after a second; `watch` checks the deadline."""
        pause = self._timing.beat
        while not self.over.wait(pause):
            pause = self._timing.beat
            try:
                self._renew(self._backend.write_once)
            except Conflict:
                if error := self._overtaken():
                    self._lose(error)
                pause = min(0.2, pause)
            except Exception as error:  # any failure means that the lease was not renewed
                self._trouble = str(error)
                pause = min(1.0, pause)

    def watch(self) -> None:
        """Give up the lease at the deadline, no matter how long a request takes."""
        while not self.over.is_set():
            left = self._renewed + self._timing.deadline - self._timing.clock()
            if left <= 0:
                message = f"the lease of `{_plain(self._name)}` could not be renewed in time: {self._trouble}"
                self._lose(StateError(message, hint="check the connection to the state backend", retryable=True))
                return
            self.over.wait(left)

    def _lose(self, error: TapdockError) -> None:
        with self._losing:
            if not self.over.is_set():
                self.over.set()
                self._terms.lost(error)

    def _overtaken(self) -> TapdockError | None:
        """Return why the lease was lost after a Conflict.

        Return None if the conflicting write was our own, or if the lease cannot be read now.
        """
        try:
            stored = self._backend.read_once(self._name)
        except Exception as error:
            self._trouble = str(error)
            return None
        try:
            lease = _decoded(self._name, stored) if stored else None
        except StateError as error:
            return error
        if stored and lease and lease.holder == self._holder:
            self._version = stored.version
            return None
        if lease and lease.holder == _NOBODY:
            hint = f"`tapdock state show {_plain(self._name)}` shows whether another run holds it now"
            return LeaseHeld(f"the lease of `{_plain(self._name)}` was released by `tapdock state unlock`", hint=hint)
        return self._held(lease.holder if lease else None)

    def _held(self, other: Holder | None) -> LeaseHeld:
        return held_by(self._name, other, here=self._holder, expires=self._timing.seconds)

    def give_back(self) -> None:
        with suppress(StateError):  # it expires by itself, or another run holds it
            self._renew(self._backend.put, expires=False)


def holder(backend: Objects, name: str) -> Holder | None:
    """Return the holder in the lease's object, or None if there is none. Raises StateError if it is damaged."""
    stored = backend.get(PREFIX + name.removeprefix(PREFIX))
    lease = _decoded(name, stored) if stored else None
    return lease.holder if lease and lease.expires is not None else None


def unlock(backend: Objects, name: str) -> None:
    """Release a lease for its holder, even during a renewal. The holder's next renewal detects this."""
    if backend.get(PREFIX + name):
        lease = _Lease(holder=_NOBODY, seconds=0.0, expires=None, nonce=secrets.token_hex(8))
        backend.overwrite(PREFIX + name, msgspec.json.encode(lease))


def _decoded(name: str, stored: Stored) -> _Lease:
    try:
        return msgspec.json.decode(stored.body, type=_Lease)
    except (ValueError, RecursionError) as error:
        hint = f"if no run uses this state, `tapdock state unlock {_plain(name)}` removes the lease"
        raise StateError(f"the lease of `{_plain(name)}` is damaged: {error}", hint=hint) from error


def _plain(name: str) -> str:
    return name.removeprefix(PREFIX)
