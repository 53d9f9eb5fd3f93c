"""A lease upon a store without locks: an object that its holder renews, and that a dead holder's successor takes.

A holder counts its own time since the last renewal that was answered, and is told to stop before anybody may follow it.
Whoever finds a lease that has run out by the wall clock waits to see that nobody renews it: clocks of machines differ.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tapdock.errors import Conflict, LeaseHeld, StateError, TapdockError
from tapdock.state.backends.base import LEASE_SECONDS, Holder, LeaseTerms, Stored, held_by

__all__ = ["PREFIX", "Timing", "Write", "acquire", "holder", "unlock"]

PREFIX = "lease/"
_NOBODY = Holder(run_id="unlocked", pid=0, host="", since="")


class Write(Protocol):
    """How a version is replaced by a newer one."""

    def __call__(self, name: str, body: bytes, *, expected: str | None) -> str: ...


class Objects(Protocol):
    """What keeps leases: objects that are replaced only where nobody else replaced them."""

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Tried again where the answer does not come; `write_once` is a single request."""
        ...

    def write_once(self, name: str, body: bytes, *, expected: str | None) -> str: ...

    def get(self, name: str) -> Stored | None: ...

    def read_once(self, name: str) -> Stored | None:
        """By a single request."""
        ...

    def overwrite(self, name: str, body: bytes) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a lease lasts, and where time comes from: `now` since the epoch, `clock` for what passes.

    `request` is how long the server may take for one answer as a whole.
    """

    seconds: float = LEASE_SECONDS
    request: float = 60.0
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def beat(self) -> float:
        """Between renewals."""
        return self.seconds / 4

    @property
    def deadline(self) -> float:
        """After the last renewal: then its holder stops, and has a quarter of the lease to do it in."""
        return self.seconds * 3 / 4


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    """`expires` is of the holder's wall clock; None once it was given back. `nonce` makes each renewal another."""

    version: int = 1
    holder: Holder
    seconds: float
    expires: float | None
    nonce: str


@contextmanager
def acquire(backend: Objects, name: str, holder: Holder, terms: LeaseTerms, timing: Timing) -> Iterator[None]:
    """Raises LeaseHeld while somebody else has it, StateError where the backend cannot tell."""
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
    """One lease, by one holder: taken, renewed in a thread, given back."""

    def __init__(self, backend: Objects, name: str, holder: Holder, terms: LeaseTerms, timing: Timing) -> None:
        self.over = threading.Event()
        self._backend = backend
        self._name = name
        self._holder = holder
        self._terms = terms
        self._timing = timing
        self._version: str | None = None
        self._renewed = timing.clock()
        self._trouble = "there is no answer"
        self._losing = threading.Lock()

    def take(self) -> None:
        with suppress(Conflict):
            self._renew(self._backend.put)
            return
        stored = self._backend.get(self._name)
        if stored:
            lease = _decoded(self._name, stored)
            if not self._is_free(lease, stored.version):
                raise held_by(self._name, lease.holder)
            self._version = stored.version
        try:
            self._renew(self._backend.put)
        except Conflict:
            raise held_by(self._name, holder(self._backend, self._name)) from None

    def _is_free(self, lease: _Lease, version: str) -> bool:
        """Given back, of a run that is surely over, or run out and not renewed while we look."""
        if lease.expires is None or self._terms.is_over(lease.holder):
            return True
        if lease.expires > self._timing.now():
            return False
        self._terms.say(f"the lease of run {lease.holder.run_id} has run out: waiting to see that nobody renews it")
        self._timing.sleep(max(lease.seconds, self._timing.seconds))  # for as long as one who lives may be cut off
        stored = self._backend.get(self._name)
        return stored is None or stored.version == version

    def _renew(self, write: Write, *, expires: bool = True) -> None:
        """Counted from before the request: nobody else may count from earlier."""
        began = self._timing.clock()
        until = self._timing.now() + self._timing.seconds if expires else None
        seconds = self._timing.seconds
        lease = _Lease(holder=self._holder, seconds=seconds, expires=until, nonce=secrets.token_hex(8))
        self._version = write(self._name, msgspec.json.encode(lease), expected=self._version)
        self._renewed = began

    def beat(self) -> None:
        """Renewals, each a single request. What fails is tried again a second later: `watch` knows when time is up."""
        pause = self._timing.beat
        while not self.over.wait(pause):
            pause = self._timing.beat
            try:
                self._renew(self._backend.write_once)
            except Conflict:
                if error := self._overtaken():
                    self._lose(error)
                pause = min(0.2, pause)
            except Exception as error:  # whatever it is, it is no renewal
                self._trouble = str(error)
                pause = min(1.0, pause)

    def watch(self) -> None:
        """Our time, however long a request takes."""
        while not self.over.is_set():
            left = self._renewed + self._timing.deadline - self._timing.clock()
            if left <= 0:
                message = f"the hold on `{_plain(self._name)}` could not be renewed in time: {self._trouble}"
                self._lose(StateError(message, hint="see whether its server can be reached", retryable=True))
                return
            self.over.wait(left)

    def _lose(self, error: TapdockError) -> None:
        with self._losing:
            if not self.over.is_set():
                self.over.set()
                self._terms.lost(error)

    def _overtaken(self) -> TapdockError | None:
        """Somebody else wrote; None where we did, and did not hear of it, and where that cannot be told now."""
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
            hint = f"see who did so, and whether another run goes on: `tapdock state show {_plain(self._name)}`"
            return LeaseHeld(f"the hold on `{_plain(self._name)}` was taken away by `tapdock state unlock`", hint=hint)
        return held_by(self._name, lease.holder if lease else None)

    def give_back(self) -> None:
        with suppress(StateError):  # it runs out by itself, or is another's
            self._renew(self._backend.put, expires=False)


def holder(backend: Objects, name: str) -> Holder | None:
    """Who has the lease, as far as its object tells."""
    stored = backend.get(PREFIX + name.removeprefix(PREFIX))
    lease = _decoded(name, stored) if stored else None
    return lease.holder if lease and lease.expires is not None else None


def unlock(backend: Objects, name: str) -> None:
    """Take a lease from whoever has it, also from one who renews it just now: their next renewal finds out."""
    if backend.get(PREFIX + name):
        lease = _Lease(holder=_NOBODY, seconds=0.0, expires=None, nonce=secrets.token_hex(8))
        backend.overwrite(PREFIX + name, msgspec.json.encode(lease))


def _decoded(name: str, stored: Stored) -> _Lease:
    try:
        return msgspec.json.decode(stored.body, type=_Lease)
    except (ValueError, RecursionError) as error:
        hint = f"`tapdock state unlock {_plain(name)}` removes it, once you know that no run has it"
        raise StateError(f"the lease of `{_plain(name)}` is damaged: {error}", hint=hint) from error


def _plain(name: str) -> str:
    return name.removeprefix(PREFIX)
