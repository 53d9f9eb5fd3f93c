"""State on a server: retries that are safe to repeat, and leases as objects that expire."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from tapdock.errors import Conflict, StateError, TapdockError
from tapdock.state.backends import leases
from tapdock.state.backends.base import Holder, LeaseTerms, Stored, changed_meanwhile
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import require_writable, within

__all__ = ["NoConditions", "Remote", "Store"]

_TRIES = 5
_PROBE = "probe"
_T = TypeVar("_T")


class NoConditions(StateError):
    """The server refuses conditional writes, instead of ignoring them."""


class Store(Protocol):
    """A store with one request per method. Failures are StateErrors that name the place.

    They are `retryable` if another attempt may succeed.
    """

    never: str
    """A version that no object has."""
    largest: int
    """The largest size of an object in bytes, for reads and writes."""

    @property
    def uri(self) -> str: ...

    def read(self, name: str) -> Stored | None:
        """Return an object, or None. Raises StateError for more than `largest` bytes, without reading all of them."""
        ...

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Replace version `expected` (None: no object exists) and return the new version. Raises Conflict otherwise.

        Raises NoConditions if the server refuses conditional writes.
        """
        ...

    def overwrite(self, name: str, body: bytes) -> str:
        """Replace any version, and return the new version."""
        ...

    def list(self, prefix: str) -> list[str]: ...

    def remove(self, name: str) -> None:
        """Remove an object. A missing object is not an error."""
        ...


class _Careful:
    """A store without conditional writes, which is read before each write. Two simultaneous writers both succeed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.uri, self.never, self.largest = store.uri, store.never, store.largest
        self.read, self.list, self.remove = store.read, store.list, store.remove

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        stored = self._store.read(name)
        if (stored.version if stored else None) != expected:
            raise changed_meanwhile(name, self.uri)
        return self._store.overwrite(name, body)

    def overwrite(self, name: str, body: bytes) -> str:
        return self._store.overwrite(name, body)


@dataclass(eq=False)
class _Hold:
    """A lease of this process. `lost` is set once the process has lost it."""

    name: str
    lost: threading.Event = field(default_factory=threading.Event)

    def covers(self, name: str) -> bool:
        """Return True if an object belongs to the lease. For `a`: `a`, `lease/a` and `history/a/00000001`."""
        return f"/{self.name}/" in f"/{name}/"


class Remote:
    """A `Backend` on top of a store: requests with retries, and single requests for leases."""

    tries = 1

    def __init__(self, store: Store, timing: Timing) -> None:
        self.store: Store = store
        self._timing = timing
        self._holds: list[_Hold] = []
        self._holding = threading.Lock()

    @property
    def uri(self) -> str:
        return self.store.uri

    def read_once(self, name: str) -> Stored | None:
        return self._asked(lambda: self.store.read(name), f"read `{name}`")

    def write_once(self, name: str, body: bytes, *, expected: str | None) -> str:
        return self._asked(lambda: self.store.write(name, body, expected=expected), f"save `{name}`")

    def _asked(self, request: Callable[[], _T], what: str) -> _T:
        try:
            return within(self._timing.request, request)
        except TimeoutError as error:
            hint = "check that its server can be reached"
            raise StateError(f"cannot {what} in {self.uri}: {error}", hint=hint, retryable=True) from error

    def get(self, name: str) -> Stored | None:
        return self._repeated(name, lambda: self.read_once(name))

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        require_writable(body, name, self.uri, largest=self.store.largest)
        tries = 0

        def write() -> str:
            nonlocal tries
            tries += 1
            try:
                return self.write_once(name, body, expected=expected)
            except Conflict:
                # An earlier attempt may have succeeded although its answer was lost: every body is unique.
                stored = self.read_once(name) if tries > 1 else None
                if stored is None or stored.body != body:
                    raise
                return stored.version

        return self._repeated(name, write)

    def overwrite(self, name: str, body: bytes) -> str:
        return self._repeated(name, lambda: self._asked(lambda: self.store.overwrite(name, body), f"save `{name}`"))

    def names(self, prefix: str = "") -> list[str]:
        return sorted(self._repeated(prefix, lambda: self._asked(lambda: self.store.list(prefix), f"list `{prefix}`")))

    def delete(self, name: str) -> None:
        self._repeated(name, lambda: self._asked(lambda: self.store.remove(name), f"remove `{name}`"))

    @contextmanager
    def acquire(self, name: str, holder: Holder, terms: LeaseTerms | None = None) -> Iterator[None]:
        """Hold a lease for the block. A server that ignores the conditions of writes is detected and reported.

        After the loss of the lease, requests for its objects are not retried, because the run has to end. Other leases
        of this process, of simultaneous runs, are not affected.
        """
        given = terms or LeaseTerms()
        mine = _Hold(name)

        def lost(error: TapdockError) -> None:
            mine.lost.set()
            given.lost(error)

        terms = msgspec.structs.replace(given, lost=lost)
        with self._holding:
            self._holds.append(mine)
        try:
            self._require_conditions(terms)
            with leases.acquire(self, name, holder, terms, self._timing):
                yield
        finally:
            with self._holding:
                self._holds.remove(mine)

    def _require_conditions(self, terms: LeaseTerms) -> None:
        """If the server does not support conditional writes, read before each write instead, and report it."""
        if not isinstance(self.store, _Careful) and not self._honours_conditions():
            terms.say(
                f"{self.uri} does not support conditional writes; concurrent runs could overwrite each other's state."
                " Start one run at a time"
            )
            self.store = _Careful(self.store)

    def _honours_conditions(self) -> bool:
        """Return True if the server supports conditional writes.

        It must refuse to create an object that exists (the first run creates it), and to replace a missing version.
        """
        try:
            made = self._is_written(None) and self._is_written(None)
            return not made and not self._is_written(self.store.never)
        except NoConditions:
            return False

    def _is_written(self, expected: str | None) -> bool:
        try:
            self.put(_PROBE, secrets.token_bytes(8).hex().encode(), expected=expected)
        except Conflict:
            return False
        return True

    def holder(self, name: str) -> Holder | None:
        return leases.holder(self, name)

    def unlock(self, name: str) -> None:
        leases.unlock(self, name)

    def _is_lost(self, name: str) -> bool:
        """Return True if a request for this object only serves lost leases. An object outside of leases serves all."""
        with self._holding:
            serves = [each for each in self._holds if each.covers(name)] or self._holds
            return bool(serves) and all(each.lost.is_set() for each in serves)

    def _repeated(self, name: str, call: Callable[[], _T]) -> _T:
        def may_pass(error: BaseException) -> bool:
            return isinstance(error, StateError) and error.retryable and not self._is_lost(name)

        retrying = Retrying(
            stop=stop_after_attempt(_TRIES) | stop_after_delay(self._timing.request),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            retry=retry_if_exception(may_pass),
            sleep=self._timing.sleep,
            reraise=True,
        )
        return retrying(call)
