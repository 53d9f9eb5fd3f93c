"""`tapdock runs`: what runs did."""

import json
import sys
from typing import Annotated, Any

import typer

from tapdock import history
from tapdock.cli.context import Context, print_json, print_table, shared
from tapdock.history import RunRecord

__all__ = ["list_runs", "logs", "show"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[str, typer.Argument(help="A run's id, its beginning or end, or `latest`.")]


def list_runs(
    ctx: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List the last runs

    Example: tapdock runs list --limit 5
    """
    records = history.runs(shared(ctx).private)[:limit]
    if as_json:
        print_json([json.loads(history.to_json(record)) for record in records])
        return
    columns = ("RUN", "PIPELINE", "STATUS", "CODE", "RECORDS", "SECONDS")
    print_table(columns, [_row(record) for record in records])


def _row(record: RunRecord) -> tuple[Any, ...]:
    records = sum(stream.records for stream in record.streams)
    code = "" if record.exit_code is None else record.exit_code
    return record.run_id, record.pipeline, record.status, code, f"{records:,}", f"{record.seconds.total:.1f}"


def show(ctx: typer.Context, run: Run = "latest", *, as_json: Json = False) -> None:
    """Show the record of a run

    Example: tapdock runs show latest --json
    """
    record = history.read(shared(ctx).private, run)
    if as_json:
        print_json(json.loads(history.to_json(record)))
        return
    _print(record)


def _print(record: RunRecord) -> None:
    facts: list[tuple[str, Any]] = [
        ("pipeline", record.pipeline),
        ("state", f"{record.state_id} in {record.state.backend}, saved {record.state.committed} times"),
        ("started", record.started_at),
        ("status", f"{record.status} (exit code {record.exit_code})"),
        ("seconds", f"{record.seconds.total:.1f}"),
    ]
    if record.error:
        facts += [("error", f"{record.error.side}: {record.error.message}"), ("hint", record.error.hint)]
    print_table(("RUN", record.run_id), facts)
    sys.stdout.write("\n")
    streams = [
        (
            f"{each.namespace}.{each.stream}" if each.namespace else each.stream,
            f"{each.records:,}",
            each.bytes,
            each.status,
        )
        for each in record.streams
    ]
    print_table(("STREAM", "RECORDS", "BYTES", "STATUS"), streams)
    sys.stdout.write("\n")
    containers = [
        (each.role, each.image, each.exit_code, _megabytes(each.peak_memory_bytes), each.cpu_seconds)
        for each in record.containers
    ]
    print_table(("CONTAINER", "IMAGE", "CODE", "PEAK MB", "CPU SECONDS"), containers)


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1024**2:.0f}"


def logs(ctx: typer.Context, run: Run = "latest", *, as_json: Json = False) -> None:
    """Print the log of a run

    Example: tapdock runs logs latest
    """
    context: Context = shared(ctx)
    plain = as_json or context.log_format == "json"
    for line in history.log_lines(context.private, run):
        sys.stdout.write((line if plain else _readable(line)) + "\n")


def _readable(line: str) -> str:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return line  # the last line of a run that was killed
    head = f"{str(entry.pop('time', ''))[:19]}Z {entry.pop('level', ''):<7}"
    event = entry.pop("event", "")
    entry.pop("run_id", None)
    if event == "line":
        return f"{head} {entry.get('side')} | {entry.get('message')}"
    return f"{head} {event}" + "".join(f"  {key}={value}" for key, value in entry.items() if value is not None)
