"""Decide which runs are old enough for their records and logs to be removed. Those of live runs are never removed."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

__all__ = ["KEPT", "began", "is_going_on", "is_old", "locked", "was_killed"]

KEPT = 100

_STAMP = "%Y%m%dT%H%M%SZ"
_LOCK = ".lock"


def began(run_id: str) -> float | None:
    """Return the start time in a run's id, in seconds since the epoch; None for an id without a time.

    >>> began("20261122T112233Z-ab12cd")
    1795346553.0
    """
    try:
        return datetime.strptime(run_id.partition("-")[0], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def is_old(run_id: str, seconds: float, known: Sequence[str]) -> bool:
    """Return True if a hundred of the `known` runs started after this one, of a duration of `seconds`, had ended.

    The time of its end counts, because a run can outlast a hundred others that started after it.
    """
    start = began(run_id)
    try:
        end = f"{datetime.fromtimestamp((start or 0.0) + seconds, UTC):{_STAMP}}"
    except (ValueError, OverflowError, OSError):
        end = ""  # a record that somebody changed
    return sum(each >= end for each in known if each != run_id) >= KEPT


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Mark the folder of a run as in use until the block, or the process, ends.

    A folder that is not writable gets no mark. No files are written to it either.
    """
    lock = None
    with suppress(OSError):
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                (folder / _LOCK).unlink()
            os.close(lock)


def is_going_on(folder: Path) -> bool:
    """Return True if a live process has marked this folder."""
    return _mark(folder) == "live"


def was_killed(folder: Path) -> bool:
    """Return True if the process that marked this folder died before it removed its mark."""
    return _mark(folder) == "left"


def _mark(folder: Path) -> Literal["live", "left"] | None:
    """Return whether the mark of a folder belongs to a live process; None without a mark that can be read."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "live"
    except OSError:
        return None
    finally:
        os.close(lock)
    return "left"
