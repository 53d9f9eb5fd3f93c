"""A pipeline's state during a run: the run takes the lease once, then saves by compare-and-swap."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from tapdock.errors import Conflict, StateError
from tapdock.project.state_keys import is_state
from tapdock.state import versions
from tapdock.state.backends.base import Backend, LeaseTerms, Stored, changed_meanwhile, holder_here
from tapdock.state.envelope import Dialect, Envelope, decode, encode, state_key

__all__ = ["StateSession", "is_empty", "keys", "lease", "read", "readable", "replacing", "state_key"]


class StateSession:
    """A state under this run's lease."""

    def __init__(
        self,
        backend: Backend,
        key: str,
        envelope: Envelope,
        version: str | None,
        *,
        clock: Callable[[], float],
        nonce: Callable[[], str],
        sleep: Callable[[float], None],
    ) -> None:
        self._backend = backend
        self._key = key
        self._envelope = envelope
        self._version = version
        self._clock = clock
        self._nonce = nonce
        self._sleep = sleep

    @property
    def envelope(self) -> Envelope | None:
        """The saved envelope; None if it is empty."""
        empty = self._envelope.state is None and not self._envelope.generations
        return None if empty else self._envelope

    def save(
        self,
        state: str | None,
        *,
        dialect: Dialect,
        generations: Mapping[str, int] | None = None,
        names: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        """Save raw JSON text. `generations`, `names` and `places` stay unchanged if None.

        Raises StateError, and Conflict if another run has changed the state.
        """
        kept = self._envelope
        self._write(
            msgspec.structs.replace(
                kept,
                state=state,
                dialect=dialect,
                generations=kept.generations if generations is None else dict(generations),
                names=kept.names if names is None else dict(names),
                places=kept.places if places is None else dict(places),
            )
        )

    def become(self, other: Envelope) -> None:
        """Replace the content with that of another state or of a previous version."""
        kept = self._envelope
        self._write(msgspec.structs.replace(other, key=self._key, run_id=kept.run_id, fence=kept.fence))

    def require_version(self, version: str | None) -> None:
        """Raise Conflict if the session began with another version of the object than this one."""
        if self._version != version:
            raise changed_meanwhile(self._key, self._backend.uri)

    def clear(self) -> None:
        """Remove everything but the fence."""
        kept = self._envelope
        self._write(Envelope(key=self._key, run_id=kept.run_id, fence=kept.fence, nonce="", saved_at=""))

    def _write(self, envelope: Envelope) -> None:
        stamped = msgspec.structs.replace(
            envelope,
            nonce=self._nonce(),
            saved_at=f"{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        body = encode(stamped)
        retrying = Retrying(
            stop=stop_after_attempt(self._backend.tries),
            wait=wait_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(lambda error: isinstance(error, StateError) and error.retryable),
            sleep=self._sleep,
            reraise=True,
        )
        self._version = retrying(self._put, body)
        self._envelope = stamped

    def _put(self, body: bytes) -> str:
        try:
            return self._backend.put(self._key, body, expected=self._version)
        except Conflict:
            stored = self._backend.get(self._key)  # an earlier attempt may have succeeded although its answer was lost
            if stored and stored.body == body:
                return stored.version
            raise


@contextmanager
def lease(
    backend: Backend,
    key: str,
    *,
    run_id: str,
    clock: Callable[[], float],
    owner: str = "",
    terms: LeaseTerms | None = None,
    nonce: Callable[[], str] = lambda: secrets.token_hex(8),
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[StateSession]:
    """Hold the lease of state `key` for a whole run. A run that held it before can no longer save.

    The old state is kept as a previous version. `clock` returns seconds since the epoch. Raises LeaseHeld while a live
    run holds the lease, StateError if the state cannot be read or written.
    """
    with backend.acquire(key, holder_here(run_id, since=clock(), owner=owner), terms):
        stored = backend.get(key)
        envelope = _taken_over(backend, key, stored, run_id)
        if stored and envelope.state is not None:
            versions.keep(backend, key, stored.body)
        yield _begun(backend, key, envelope, stored, clock, nonce, sleep)


def _begun(
    backend: Backend,
    key: str,
    envelope: Envelope,
    stored: Stored | None,
    clock: Callable[[], float],
    nonce: Callable[[], str],
    sleep: Callable[[float], None],
) -> StateSession:
    """Return the session after its first write, which saves the new fence."""
    held = StateSession(
        backend, key, envelope, stored.version if stored else None, clock=clock, nonce=nonce, sleep=sleep
    )
    held._write(envelope)
    return held


def _taken_over(backend: Backend, key: str, stored: Stored | None, run_id: str) -> Envelope:
    if stored is None:
        return Envelope(key=key, run_id=run_id, fence=1, nonce="", saved_at="")
    envelope = _decoded(backend, key, stored)
    return msgspec.structs.replace(envelope, run_id=run_id, fence=envelope.fence + 1)


def _decoded(backend: Backend, key: str, stored: Stored) -> Envelope:
    """Return the envelope. Raises StateError, with a hint about the previous versions if there are any."""
    try:
        return decode(stored.body, place=backend.uri, key=key)
    except StateError as error:
        if versions.newest(backend, key) is None:
            raise
        hint = f"`tapdock state history {key}` lists previous versions, `tapdock state rollback {key}` restores one"
        raise StateError(error.message, hint=f"{hint}; {error.hint}") from error


@contextmanager
def replacing(
    backend: Backend, key: str, *, run_id: str, clock: Callable[[], float], expected: Envelope | None = None
) -> Iterator[StateSession]:
    """Hold the lease of a state in order to replace it, even if it cannot be read.

    The old state stays until the first write, so a failure before that changes nothing. Raises Conflict if the state
    is not the `expected` one any more.
    """
    with backend.acquire(key, holder_here(run_id, since=clock())):
        stored = backend.get(key)
        if expected:
            _require_same(backend, key, stored, expected)
        fence = 1
        if stored:
            fence = _fence_of(stored.body, key) + 1
            versions.keep(backend, key, stored.body)
        empty = Envelope(key=key, run_id=run_id, fence=fence, nonce="", saved_at="")
        version = stored.version if stored else None
        yield StateSession(
            backend, key, empty, version, clock=clock, nonce=lambda: secrets.token_hex(8), sleep=time.sleep
        )


def _require_same(backend: Backend, key: str, stored: Stored | None, expected: Envelope) -> None:
    """Raise Conflict if a state has another text than before. A run that saved the same text does not matter."""
    now = _decoded(backend, key, stored) if stored else None
    if now is None or (now.state, now.dialect) != (expected.state, expected.dialect):
        who = f"by {now.run_id} at {now.saved_at}" if now and now.saved_at else "in the meantime"
        raise Conflict(
            f"state `{key}` was changed {who}, so nothing is saved", hint=f"`tapdock state history {key}` shows how"
        )


def _fence_of(body: bytes, key: str) -> int:
    try:
        return decode(body, place="", key=key).fence
    except StateError:
        return 0


def read(backend: Backend, key: str, *, at: str | None = None) -> Envelope | None:
    """Return the envelope of a key without a lease, or None if nothing is saved. Raises StateError if it is damaged.

    `at` is the name of the object with the state, if somebody has moved it to another name.
    """
    stored = backend.get(at or key)
    if stored is None:
        return None
    envelope = _decoded(backend, key, stored)
    return None if envelope.state is None and not envelope.generations else envelope


def readable(backend: Backend, key: str) -> Envelope | None:
    """Return the envelope of a key, or None if nothing is saved or it is damaged. Raises StateError of the backend."""
    stored = backend.get(key)
    if stored is None:
        return None
    try:
        envelope = decode(stored.body, place=backend.uri, key=key)
    except StateError:
        return None
    return None if envelope.state is None and not envelope.generations else envelope


def is_empty(backend: Backend, key: str) -> bool:
    """Return True if nothing is saved under a key. An unreadable state counts as saved."""
    try:
        return read(backend, key) is None
    except StateError:
        return backend.get(key) is None


def keys(backend: Backend) -> list[str]:
    """Return the keys of all states."""
    return [name for name in backend.names() if is_state(name)]
