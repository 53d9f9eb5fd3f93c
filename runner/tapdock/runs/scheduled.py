"""Start what a schedule runs: its command, its variables, and the lock that keeps two runs of a schedule apart."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from tapdock.files import made
from tapdock.project.secret import Secret
from tapdock.project.steps import Schedule

__all__ = ["MARK", "command", "folder_of", "jitter_of", "locked", "mark", "marked", "variables"]

MARK = "TAPDOCK_SCHEDULED"
"""The variable that tells a run its schedule, and its time: `nightly 2026-11-29T03:00:00+00:00`."""


def folder_of(private: Path, environment: str | None) -> Path:
    """Return the folder of what a scheduler keeps: its times, and the locks and outputs of runs."""
    return private / "schedules" / (environment or "default")


def mark(name: str, due: float) -> str:
    return f"{name} {datetime.fromtimestamp(due, UTC).isoformat()}"


def marked(text: str | None) -> tuple[str | None, str | None]:
    """Return the name of a schedule and the time for which a run was started, from the variable."""
    name, _, due = (text or "").partition(" ")
    return name or None, due or None


def command(
    program: Sequence[str],
    schedule: Schedule,
    *,
    file: Path,
    environment: str | None,
    env_files: Sequence[Path] = (),
    options: Sequence[str] = (),
) -> list[str]:
    """Return the command of one run. `environment` is that of the project; a schedule may name another."""
    chosen = schedule.environment or environment or ""
    more = [word for each in env_files for word in ("--env-file", str(each.absolute()))]
    words = ["--project", str(file), "--environment", chosen, *more]
    return [*program, *words, "run", *schedule.run, *options, *schedule.options]


def variables(schedule: Schedule, environ: Mapping[str, str], *, due: float) -> dict[str, str]:
    """Return the variables of a run. `due` is its time; of a run by hand, that of its start.

    Raises UsageError if a value of `env` is missing.
    """
    own = {name: value.reveal() if isinstance(value, Secret) else value for name, value in schedule.env.items()}
    return {**environ, **own, MARK: mark(schedule.name, due)}


def jitter_of(schedule: Schedule, due: float, *, place: str) -> float:
    """Return the seconds by which a run starts later. It is the same after a restart, and differs between places."""
    found = blake2b(f"{place}\0{schedule.name}\0{due}".encode(), digest_size=8).digest()
    return schedule.jitter * int.from_bytes(found) / 2**64


def locked(folder: Path, name: str) -> int | None:
    """Take the lock of a schedule, and return its descriptor; None if a run of the schedule goes on.

    The run inherits the descriptor. So it has the lock until it ends, even if the scheduler is killed.
    """
    made(folder)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
