"""Previous versions of a state: what each run, and each change by hand, found when it began."""

import re
from contextlib import suppress

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends.base import Backend
from tapdock.state.envelope import Envelope, decode

__all__ = ["KEPT", "PREFIX", "get", "keep", "newest", "numbers"]

PREFIX = "history/"
KEPT = 20
_NUMBER = re.compile(r"[0-9]{8}")


def keep(backend: Backend, key: str, body: bytes) -> None:
    """One more, unless it is the newest already; all but the last twenty are forgotten."""
    known = numbers(backend, key)
    if known:
        newest = backend.get(_name(key, known[-1]))
        if newest and newest.body == body:
            return
    number = known[-1] + 1 if known else 1
    try:
        backend.put(_name(key, number), body, expected=None)
    except Conflict:
        return  # whoever had this state before us keeps it too
    with suppress(StateError):  # one who may not delete can still run
        for old in known[: max(0, len(known) + 1 - KEPT)]:
            backend.delete(_name(key, old))


def numbers(backend: Backend, key: str) -> list[int]:
    """Of the versions that are kept, the oldest first."""
    prefix = f"{PREFIX}{key}/"
    found = (name.removeprefix(prefix) for name in backend.names(prefix))
    return sorted(int(number) for number in found if _NUMBER.fullmatch(number))


def newest(backend: Backend, key: str) -> int | None:
    """Return the number of the newest version that can be read; None where there is none."""
    for number in reversed(numbers(backend, key)):
        stored = backend.get(_name(key, number))
        with suppress(StateError):
            if stored and decode(stored.body, place=backend.uri, key=key):
                return number
    return None


def get(backend: Backend, key: str, number: int) -> Envelope:
    """Raises UsageError where there is none of that number."""
    stored = backend.get(_name(key, number))
    if stored is None:
        raise UsageError(f"`{key}` has no version {number}", hint=f"see `tapdock state history {key}`")
    return decode(stored.body, place=backend.uri, key=key)


def _name(key: str, number: int) -> str:
    return f"{PREFIX}{key}/{number:08d}"
