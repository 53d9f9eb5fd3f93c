"""Recognize a file that another program is writing, such as a DuckDB database, and name the next step."""

import re

__all__ = ["lock_hint"]

_LOCKED = re.compile(
    r"could not set lock on file|conflicting lock is held"  # DuckDB, which has one writer
    r"|database is locked|database table is locked",  # SQLite
    re.IGNORECASE,
)


def lock_hint(message: str) -> str | None:
    """Return the next step for a file with one writer that is already open; None for another failure.

    >>> lock_hint('IO Error: Could not set lock on file "/data/lake.duckdb": Conflicting lock is held')[:45]
    'another program writes to this file: run one '
    """
    if not _LOCKED.search(message):
        return None
    return (
        "another program writes to this file: run one after the other (`--concurrency 1`), or give each run a file of"
        " its own"
    )
