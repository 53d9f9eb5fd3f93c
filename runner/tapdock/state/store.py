"""A pipeline's state during a run: taken over once, then saved by compare-and-swap."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from tapdock.errors import Conflict, StateError
from tapdock.state.base import Backend, Stored, holder_here
from tapdock.state.envelope import Dialect, Envelope, decode, encode, state_key

__all__ = ["Held", "lease", "read", "state_key"]

TRIES = 3


class Held:
    """A state that this run has to itself."""

    def __init__(
        self,
        backend: Backend,
        envelope: Envelope,
        version: str | None,
        *,
        clock: Callable[[], float],
        nonce: Callable[[], str],
        sleep: Callable[[float], None],
    ) -> None:
        self._backend = backend
        self._envelope = envelope
        self._version = version
        self._clock = clock
        self._nonce = nonce
        self._sleep = sleep

    @property
    def envelope(self) -> Envelope | None:
        """What is saved, None before anything was."""
        empty = self._envelope.state is None and not self._envelope.generations
        return None if empty else self._envelope

    def save(
        self,
        state: str | None,
        *,
        dialect: Dialect,
        generations: Mapping[str, int] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Save raw JSON text; what is not given stays. Raises StateError, Conflict when overtaken."""
        kept = self._envelope
        self._write(
            msgspec.structs.replace(
                kept,
                state=state,
                dialect=dialect,
                generations=kept.generations if generations is None else dict(generations),
                names=kept.names if names is None else dict(names),
            )
        )

    def _write(self, envelope: Envelope) -> None:
        stamped = msgspec.structs.replace(
            envelope,
            nonce=self._nonce(),
            saved_at=f"{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        body = encode(stamped)
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(lambda error: isinstance(error, StateError) and error.retryable),
            sleep=self._sleep,
            reraise=True,
        )
        self._version = retrying(self._put, stamped.key, body)
        self._envelope = stamped

    def _put(self, key: str, body: bytes) -> str:
        try:
            return self._backend.put(key, body, expected=self._version)
        except Conflict:
            stored = self._backend.get(key)  # an earlier try may have been written although it failed
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
    nonce: Callable[[], str] = lambda: secrets.token_hex(8),
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Held]:
    """Take the state of `key` over for a whole run: whoever had it before can write no more.

    `clock` tells seconds since the epoch. Raises LeaseHeld while a live run has it, StateError when it
    cannot be read or written.
    """
    with backend.hold(key, holder_here(run_id, since=clock())):
        stored = backend.get(key)
        envelope = _taken_over(backend, key, stored, run_id)
        version = stored.version if stored else None
        held = Held(backend, envelope, version, clock=clock, nonce=nonce, sleep=sleep)
        held._write(envelope)
        yield held


def _taken_over(backend: Backend, key: str, stored: Stored | None, run_id: str) -> Envelope:
    if stored is None:
        return Envelope(key=key, run_id=run_id, fence=1, nonce="", saved_at="")
    envelope = decode(stored.body, place=backend.uri, key=key)
    return msgspec.structs.replace(envelope, run_id=run_id, fence=envelope.fence + 1)


def read(backend: Backend, key: str) -> Envelope | None:
    """What is saved under a key, without taking it over; None where nothing is."""
    stored = backend.get(key)
    if stored is None:
        return None
    envelope = decode(stored.body, place=backend.uri, key=key)
    return None if envelope.state is None and not envelope.generations else envelope
