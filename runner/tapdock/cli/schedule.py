"""`tapdock schedule list` and `run`."""

import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tapdock.cli.scheduled import THIS, project_of, projects_of, schedule_of
from tapdock.cli.session import shared
from tapdock.errors import LeaseHeld
from tapdock.project.cron import BY_HAND, times
from tapdock.project.steps import Schedule
from tapdock.runs import records, scheduled
from tapdock.runs.records import RunRecord, made_private
from tapdock.text.output import err, print_json, print_table

__all__ = ["list_schedules", "run_schedule"]

_NEXT = 3


def list_schedules(
    ctx: typer.Context, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the schedules with their next times and their last runs

    Times are in the time zone of the schedule. The last runs are those on this machine.

    Example: tapdock schedule list
    """
    session = shared(ctx)
    found = projects_of(session)
    last = _last_runs(session.private, found)
    now = time.time()
    facts = [_facts(schedule, project.environment, last.get(name), now) for name, (schedule, project) in found.items()]
    if as_json:
        print_json(facts)
        return
    columns = ("SCHEDULE", "RUNS", "WHEN", "ZONE", "NEXT", "LAST RUN")
    print_table(columns, [_row(schedule, fact) for (schedule, _), fact in zip(found.values(), facts, strict=True)])


def _facts(schedule: Schedule, environment: str | None, last: RunRecord | None, now: float) -> dict[str, Any]:
    zone = ZoneInfo(schedule.timezone)
    upcoming = islice(times(schedule.cron, schedule.timezone, now), _NEXT) if schedule.enabled else ()
    return {
        "name": schedule.name,
        "run": list(schedule.run),
        "options": list(schedule.options),
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "environment": environment,
        "jitter": schedule.jitter,
        "catch_up": schedule.catch_up,
        "enabled": schedule.enabled,
        "next": [datetime.fromtimestamp(at, zone).isoformat() for at in upcoming],
        "last_run": last
        and {"run_id": last.run_id, "status": last.status, "started_at": last.started_at, "due": last.scheduled_for},
    }


def _row(schedule: Schedule, fact: dict[str, Any]) -> list[str]:
    waits = "disabled" if not schedule.enabled else "by hand" if schedule.cron in BY_HAND else ""
    upcoming = ", ".join(datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M") for at in fact["next"])
    last = fact["last_run"]
    return [
        schedule.name,
        " ".join((*schedule.run, *schedule.options)),
        f"{schedule.cron} (+ up to {_span(schedule.jitter)})" if schedule.jitter else schedule.cron,
        schedule.timezone,
        waits or upcoming,
        f"{last['started_at'][:16].replace('T', ' ')}Z {last['status']}" if last else "none",
    ]


def _span(seconds: float) -> str:
    """Return a duration as the project file writes it.

    >>> _span(300), _span(90), _span(7200)
    ('5m', '90s', '2h')
    """
    unit, size = next(
        (unit, size) for unit, size in (("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0 or size == 1
    )
    return f"{seconds / size:g}{unit}"


def _last_runs(private: Path, names: Iterable[str]) -> dict[str, RunRecord]:
    """Return a record of the last run of each schedule: the first one that has not succeeded, else the last one.

    A run has several records if the schedule runs several blocks. They have the same time.
    """
    found: dict[str, RunRecord] = {}
    wanted = set(names)
    for run_id in records.ids(private):
        record = records.record(private, run_id)
        if record is None or record.schedule not in wanted:
            continue
        later = found.setdefault(record.schedule, record)
        if record.scheduled_for == later.scheduled_for and record.status != "succeeded":
            found[record.schedule] = record
    return found


def run_schedule(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A schedule.")],
    *,
    jitter: Annotated[bool, typer.Option("--jitter", help="First wait up to the jitter of the schedule.")] = False,
) -> None:
    """Run one schedule now, as the scheduler would

    Its environment, its options and its variables are used, also if it is not enabled. The exit code is that of the
    run, and 7 if a run of the schedule goes on.

    Example: tapdock schedule run nightly
    """
    session = shared(ctx)
    schedule = schedule_of(session.project, name)
    project_of(session, schedule)
    if jitter and schedule.jitter:
        seconds = scheduled.jitter_of(schedule, time.time(), place=os.urandom(8).hex())
        err(f"{name} starts in {seconds:.0f} s")
        time.sleep(seconds)
    words = scheduled.command(
        THIS, schedule, file=session.file, environment=session.project.environment, env_files=session.env_files
    )
    variables = scheduled.variables(schedule, session.environ, due=time.time())
    made_private(session.private, "schedules")
    lock = scheduled.locked(scheduled.folder_of(session.private, session.project.environment), name)
    if lock is None:
        hint = "wait until it has ended, or look at it with `tapdock runs list`"
        raise LeaseHeld(f"a run of the schedule `{name}` goes on", hint=hint)
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, variables)  # noqa: S606 - this process becomes the run, so signals reach it
