"""`tapdock runs`: list runs, and show their records and logs."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from tapdock.cli.change_rows import COLUMNS, change_rows
from tapdock.cli.display import mapped
from tapdock.cli.session import Session, shared
from tapdock.errors import StateError, UsageError
from tapdock.runs import records, rotation
from tapdock.runs.archive import Archive
from tapdock.runs.growing_log import GrowingLog, followed
from tapdock.runs.records import RunRecord
from tapdock.text.clean import one_line
from tapdock.text.output import err, out, out_json, print_json, print_table
from tapdock.text.own_lines import without_time

__all__ = ["list_runs", "logs", "show"]

_TURN_SECONDS = 0.2
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[str, typer.Argument(help="A run's id, the first or last part of one, or `latest`.")]


def list_runs(
    ctx: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List the last runs

    Example: tapdock runs list --limit 5
    """
    found = _records(shared(ctx), limit)
    if as_json:
        print_json([json.loads(records.to_json(record)) for record in found])
        return
    columns = ("RUN", "PIPELINE", "STATUS", "CODE", "RECORDS", "SECONDS")
    print_table(columns, [_row(record) for record in found])


def _records(session: Session, limit: int) -> list[RunRecord]:
    """Return the newest records of this machine and of the archive beside the states."""
    found = (_kept(session, run_id) for run_id in _ids(session)[:limit])
    return [record for record in found if record is not None]


def _ids(session: Session) -> list[str]:
    archive = _archive(session)
    elsewhere: list[str] = []
    if archive:
        try:
            elsewhere = archive.ids()
        except StateError as error:
            err(f"warning: showing only runs of this machine: {one_line(error.message)}")
    return sorted({*records.ids(session.private), *elsewhere}, reverse=True)


def _kept(session: Session, run_id: str) -> RunRecord | None:
    if run_id in records.ids(session.private):
        return records.record(session.private, run_id)
    archive = _archive(session)
    return archive.read(run_id) if archive else None


def _archive(session: Session) -> Archive | None:
    """Return None if the project cannot be read: the runs of this machine can still be shown."""
    try:
        return Archive.beside(session.backend, session.private)
    except UsageError:
        return None


def _record(session: Session, run: str) -> RunRecord:
    run_id = records.found_in(_ids(session), run)
    record = _kept(session, run_id)
    if record is None:
        raise UsageError(f"run {run_id} has no readable record", hint=f"see `tapdock runs logs {run_id}`")
    return record


def _row(record: RunRecord) -> tuple[Any, ...]:
    records = sum(stream.records for stream in record.streams)
    code = "" if record.exit_code is None else record.exit_code
    count = f"{records:,}" if record.kind == "pipeline" else ""
    return record.run_id, record.pipeline, record.status, code, count, f"{record.seconds.total:.1f}"


def show(ctx: typer.Context, run: Run = "latest", *, as_json: Json = False) -> None:
    """Show the record of a run

    Example: tapdock runs show latest --json
    """
    record = _record(shared(ctx), run)
    if as_json:
        print_json(json.loads(records.to_json(record)))
        return
    _print(record)
    aside = records.aside_file(shared(ctx).private, record.run_id)
    if aside.exists():
        out(f"\nrecords that were set aside: {aside}")


def _print(record: RunRecord) -> None:
    """Print what the record has: a run that has not ended, or that failed early, has less."""
    error, times = record.error, "1 time" if record.state.committed == 1 else f"{record.state.committed} times"
    code = "" if record.exit_code is None else f" (exit code {record.exit_code})"
    facts = {
        record.kind: record.pipeline,
        "state": record.kind == "pipeline" and f"{record.state_id} in {record.state.backend}, saved {times}",
        "started": record.started_at,
        "status": f"{record.status}{code}",
        "limit": record.limit and f"{record.limit:,} records of each stream",
        "window": record.window and f"{record.window.start} to {record.window.end}",
        "seconds": f"{record.seconds.total:.1f}",
        "mapper": record.mapper and f"{record.mapper.name} {mapped(record.mapper)}",
        "error": error and f"{error.side}: {error.message}",
        "hint": error and error.hint,
    }
    print_table(("RUN", record.run_id), [(fact, value) for fact, value in facts.items() if value])
    streams = [
        (
            f"{each.namespace}.{each.stream}" if each.namespace else each.stream,
            f"{each.records:,}",
            each.bytes,
            each.status,
            each.empty + each.set_aside + each.rejected + each.excluded + each.filtered,
            f"{each.path}: {each.reason}" if each.reason else each.path,
        )
        for each in record.streams
    ]
    _print_part(("STREAM", "RECORDS", "BYTES", "STATUS", "LEFT OUT", "PATH"), streams)
    copies = [
        (row[0], name, f"{count:,}")
        for row, each in zip(streams, record.streams, strict=True)
        for name, count in (each.written or {}).items()
        if each.copies
    ]
    _print_part(("STREAM", "WRITTEN AS", "RECORDS"), copies)
    undeclared = [
        (row[0], name, f"{count:,}")
        for row, each in zip(streams, record.streams, strict=True)
        for name, count in (each.undeclared or {}).items()
    ]
    _print_part(("STREAM", "UNDECLARED FIELD", "RECORDS"), undeclared)
    _print_part(COLUMNS, change_rows(record.schema_changes))
    containers = [
        (each.role, each.image, each.exit_code, _megabytes(each.peak_memory_bytes), each.cpu_seconds)
        for each in record.containers
    ]
    _print_part(("CONTAINER", "IMAGE", "CODE", "PEAK MB", "CPU SECONDS"), containers)


def _print_part(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with an empty line before it, unless it has no rows."""
    if rows:
        out("")
        print_table(columns, rows)


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1024**2:.0f}"


def logs(
    ctx: typer.Context,
    run: Run = "latest",
    *,
    as_json: Json = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until the run ends, also if it is killed.")
    ] = False,
    tail: Annotated[int | None, typer.Option(metavar="N", min=0, help="Print only the last N entries.")] = None,
) -> None:
    """Print the log of a run

    With `--follow`, Ctrl-C ends the command, and not the run.

    Example: tapdock runs logs latest --tail 50 --follow
    """
    session: Session = shared(ctx)
    plain = as_json or session.log_format == "json"
    try:
        for line in _followed(session, run, tail) if follow else deque(_log_lines(session, run), maxlen=tail):
            if line is None:
                sys.stdout.flush()
            elif plain and line.startswith("{"):
                out_json(line)
            else:
                out(_readable(line))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _log_lines(session: Session, run: str) -> Iterator[str]:
    run_id = records.found_in(_ids(session), run)
    archive = _archive(session)
    if archive is None or records.has_log(session.private, run_id):
        return records.log_lines(session.private, run_id)
    return archive.log_lines(run_id)


def _followed(session: Session, run: str, tail: int | None) -> Iterator[str | None]:
    """Yield the lines of a run of this machine until it has ended. Those of a run that has ended are all there."""
    run_id = records.found_in(_ids(session), run)
    folder = session.private / "runs" / run_id
    if not folder.is_dir():
        found = _kept(session, run_id)
        if found and found.status == "running":
            raise UsageError(
                f"run {run_id} is not a run of this machine, and its log is stored only when it ends",
                hint=f"follow it where it runs, or wait for its end: `tapdock runs show {run_id}`",
            )
        yield from deque(_log_lines(session, run_id), maxlen=tail)
        return
    log = GrowingLog(folder / "log.jsonl")
    yield from followed(
        log,
        tail=tail,
        is_over=lambda: not rotation.is_going_on(folder),
        wait=lambda: time.sleep(_TURN_SECONDS),
    )
    if not records.has_log(session.private, run_id):
        raise UsageError(f"run {run_id} has no log")


def _readable(line: str) -> str:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return line  # the last line of a run that was killed
    head = f"{str(entry.pop('time', ''))[:19]}Z {entry.pop('level', ''):<7}"
    event = entry.pop("event", "")
    entry.pop("run_id", None)
    if event == "line":
        lines = without_time(str(entry.get("message"))).split("\n")
        return "\n".join(f"{head} {entry.get('side')} | {line}" for line in lines)
    fields = (f"  {key}={value}" for key, value in entry.items() if value is not None)
    return one_line(f"{head} {event}{''.join(fields)}")
