"""Run records (the object of `run --json`) with their logs, for the last hundred runs."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from tapdock.connectors.schema_changes import SchemaChange
from tapdock.errors import Side, UsageError
from tapdock.events import MapperReport, SetAside, StreamReport
from tapdock.files import made, write_whole
from tapdock.runs import rotation
from tapdock.runs.log_file import log_lines as joined_lines

__all__ = [
    "RUN_ID",
    "ContainerRecord",
    "ErrorRecord",
    "RunRecord",
    "Seconds",
    "StateRecord",
    "Status",
    "aside_file",
    "found_in",
    "going_on",
    "has_log",
    "ids",
    "log_file",
    "log_lines",
    "made_private",
    "new_run_id",
    "of_run",
    "record",
    "run_token",
    "set_aside",
    "to_json",
    "write",
]

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-z]+")
Status = Literal["running", "succeeded", "failed", "stopped", "killed"]


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run failed. If `retryable` is true, the same run may succeed later."""

    side: Side
    message: str
    hint: str | None = None
    retryable: bool = False


class StateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The number of states that this run saved (`committed`), and the URI of the backend without passwords."""

    committed: int
    backend: str


class ContainerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A container of the run. Fields are None if the engine does not report them."""

    role: str
    image: str
    digest: str | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


class Seconds(msgspec.Struct, frozen=True, kw_only=True):
    total: float
    to_first_record: float | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as `tapdock run --json` prints it. `started_at` is in UTC, `exit_code` is None during the run.
    `limit` is the most records of each stream that the run was allowed to write.

    `labels` and `annotations` are those of the pipeline, its source, its target and the project, in this order of
    priority. `mapper` is None for a run without a mapper. `schedule` started the run, for the time `scheduled_for`.
    """

    version: int = 1
    run_id: str
    pipeline: str
    state_id: str
    started_at: str
    status: Status
    exit_code: int | None
    error: ErrorRecord | None = None
    streams: tuple[StreamReport, ...] = ()
    mapper: MapperReport | None = None
    state: StateRecord
    containers: tuple[ContainerRecord, ...] = ()
    seconds: Seconds
    relay: str | None = None
    schema_changes: tuple[SchemaChange, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    limit: int | None = None
    schedule: str | None = None
    scheduled_for: str | None = None


def new_run_id(now: float, token: str) -> str:
    """Return an id that sorts by time. `now` is in seconds since the epoch.

    >>> new_run_id(1795346553.2, "ab12cd")
    '20261122T112233Z-ab12cd'
    """
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{token}"


def run_token(now: float) -> str:
    """Return the last part of an id: it sorts by time within a second, and ends with random digits."""
    return f"{int(now % 1 * 4096):03x}{secrets.token_hex(2)}"


def to_json(record: RunRecord) -> bytes:
    """Return the record as one line of JSON, without a line feed."""
    return msgspec.json.encode(record)


def write(folder: Path, record: RunRecord) -> Path:
    """Write a record below `folder`, the project's private one, and remove all but the last hundred runs.

    Live runs are not removed, nor are runs with set-aside records: no later run reads these records again. Return the
    path of the record. Raises OSError.
    """
    place = _made(folder, record.run_id)
    write_whole(place / "record.json", to_json(record) + b"\n", alone=True)
    _forget_old(folder, keep=record.run_id)
    return place / "record.json"


def _forget_old(folder: Path, *, keep: str) -> None:
    known = ids(folder)
    for old in known[rotation.KEPT :]:
        place = folder / "runs" / old
        if old == keep or aside_file(folder, old).exists() or rotation.is_going_on(place):
            continue
        found = record(folder, old)
        if rotation.is_old(old, found.seconds.total if found else 0.0, known):
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def going_on(folder: Path, run_id: str) -> Iterator[None]:
    """Protect the files of this run below `folder` from removal by other runs until the block ends."""
    place = folder / "runs" / run_id
    with suppress(OSError):  # without this folder, the run continues and keeps no files
        _made(folder, run_id)
    with rotation.locked(place):
        yield


def log_file(folder: Path, run_id: str) -> Path:
    """Return the path of a run's log of JSON lines, and create its folder."""
    return _made(folder, run_id) / "log.jsonl"


def _made(folder: Path, run_id: str) -> Path:
    return made_private(folder, f"runs/{run_id}")


def made_private(folder: Path, inner: str) -> Path:
    """Create and return a folder inside the project's private one, for its owner only and ignored by git."""
    place = folder / inner
    made(place)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return place


def ids(folder: Path) -> list[str]:
    """Return the run ids, newest first."""
    place = folder / "runs"
    names = [path.name for path in place.iterdir()] if place.is_dir() else []
    return sorted((name for name in names if RUN_ID.fullmatch(name)), reverse=True)


def record(folder: Path, run_id: str) -> RunRecord | None:
    """Return a run's record, or None if it is missing, damaged, or the record of another run.

    If the run's process died before it wrote its last record, the status is `killed`.
    """
    place = folder / "runs" / run_id
    try:
        found = of_run(run_id, (place / "record.json").read_bytes())
    except OSError:
        return None
    if found and found.status == "running" and rotation.was_killed(place):
        return msgspec.structs.replace(found, status="killed")
    return found


def of_run(run_id: str, body: bytes) -> RunRecord | None:
    """Return the record in `body`, or None if it is damaged or belongs to another run."""
    try:
        found = msgspec.json.decode(body, type=RunRecord)
    except (ValueError, RecursionError):
        return None
    return found if found.run_id == run_id else None


def found_in(known: list[str], run: str) -> str:
    """Return the id that `run` means: an id, the unique first or last part of one, or `latest`.

    `known` has the newest id first. Raises UsageError if no id or several ids match.
    """
    found = known[:1] if run == "latest" else [each for each in known if each.startswith(run) or each.endswith(run)]
    if run in known:
        found = [run]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"`{run}` matches {len(found)} runs", hint=f"for example {found[0]} and {found[1]}")
    hint = "`tapdock runs list` lists the runs" if known else "start one with `tapdock run`"
    raise UsageError(f"there is no run `{run}`" if run != "latest" else "there is no run yet", hint=hint)


def set_aside(folder: Path, run_id: str, event: SetAside) -> Path:
    """Append a record that could not be translated to a file, as one line of JSON, and return the file's path.

    Only the run's user can read the file. Raises OSError.
    """
    _made(folder, run_id)
    file = aside_file(folder, run_id)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(fd, "ab") as lines:
        lines.write(
            msgspec.json.encode({"stream": event.stream, "reason": event.reason, "record": event.record}) + b"\n"
        )
    return file


def aside_file(folder: Path, run_id: str) -> Path:
    """Return the path of a run's set-aside records. The file exists only if there are any."""
    return folder / "runs" / run_id / "set-aside.jsonl"


def has_log(folder: Path, run_id: str) -> bool:
    return (folder / "runs" / run_id / "log.jsonl").exists()


def log_lines(folder: Path, run_id: str) -> Iterator[str]:
    """Yield the lines of a run's log, each a JSON object. Raises UsageError if there is no log."""
    try:
        yield from joined_lines(folder / "runs" / run_id / "log.jsonl")
    except FileNotFoundError:
        raise UsageError(f"run {run_id} has no log") from None
