"""Previous versions of a state. Each run, and each change by hand, keeps the state that it found at its start."""

import re
from contextlib import suppress

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends.base import Backend
from tapdock.state.envelope import Dialect, Envelope, decode

__all__ = ["KEPT", "PREFIX", "get", "keep", "last_dialect", "newest", "numbers"]

PREFIX = "history/"
KEPT = 20
_NUMBER = re.compile(r"[0-9]{8}")


def keep(backend: Backend, key: str, body: bytes) -> None:
    """Keep a body as the newest version, unless it already is, and remove all but the last twenty versions."""
    known = numbers(backend, key)
    if known:
        newest = backend.get(_name(key, known[-1]))
        if newest and newest.body == body:
            return
    number = known[-1] + 1 if known else 1
    try:
        backend.put(_name(key, number), body, expected=None)
    except Conflict:
        return  # the previous holder of the lease has just kept it
    with suppress(StateError):  # a run without permission to delete continues
        for old in known[: max(0, len(known) + 1 - KEPT)]:
            backend.delete(_name(key, old))


def numbers(backend: Backend, key: str) -> list[int]:
    """Return the numbers of the kept versions, oldest first."""
    prefix = f"{PREFIX}{key}/"
    found = (name.removeprefix(prefix) for name in backend.names(prefix))
    return sorted(int(number) for number in found if _NUMBER.fullmatch(number))


def newest(backend: Backend, key: str) -> int | None:
    """Return the number of the newest readable version, or None."""
    for number in reversed(numbers(backend, key)):
        stored = backend.get(_name(key, number))
        with suppress(StateError):
            if stored and decode(stored.body, place=backend.uri, key=key):
                return number
    return None


def get(backend: Backend, key: str, number: int) -> Envelope:
    """Return a version. Raises UsageError if there is no version of this number, StateError if it is damaged."""
    stored = backend.get(_name(key, number))
    if stored is None:
        raise UsageError(f"`{key}` has no version {number}", hint=f"`tapdock state history {key}` lists the versions")
    return decode(stored.body, place=backend.uri, key=key)


def last_dialect(backend: Backend, key: str) -> Dialect | None:
    """Return the dialect of the saved state; if it is cleared or damaged, that of its newest readable version."""
    for name in (key, *(_name(key, number) for number in reversed(numbers(backend, key)))):
        stored = backend.get(name)
        with suppress(StateError):
            dialect = decode(stored.body, place=backend.uri, key=key).dialect if stored else None
            if dialect:
                return dialect
    return None


def _name(key: str, number: int) -> str:
    return f"{PREFIX}{key}/{number:08d}"
