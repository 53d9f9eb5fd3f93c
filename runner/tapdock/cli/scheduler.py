"""`tapdock schedule start`: the scheduler in the foreground."""

import json
import os
import queue
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from tapdock.cli.scheduled import THIS
from tapdock.cli.session import Session, shared
from tapdock.errors import LeaseHeld, UsageError
from tapdock.log import Log
from tapdock.project.blocks import Block, RowsBlock, TaskBlock, parse_blocks
from tapdock.project.cron import BY_HAND
from tapdock.project.load import load
from tapdock.project.model import Pipeline, Project
from tapdock.project.owners import trusted_users
from tapdock.project.schedules import is_one_pipeline
from tapdock.project.steps import Schedule
from tapdock.relay.signals import Signals
from tapdock.runs import records, scheduled
from tapdock.runs.records import made_private
from tapdock.runs.scheduler import Scheduler
from tapdock.text.clean import clean
from tapdock.text.output import log_text, said_at_once

__all__ = ["start"]

_BUSY = 0.25
_IDLE = 5.0
_RELOAD = 30.0


def start(ctx: typer.Context) -> None:
    """Run the schedules at their times, in the foreground

    Each run is a process of its own, and its output begins with the name of the schedule. A run is skipped while the
    run before it goes on. Runs that were missed are reported. SIGTERM and Ctrl-C stop the scheduler and its runs in
    order. The project file is read again before each run.

    Example: tapdock schedule start
    """
    session = shared(ctx)
    private = session.private
    environment = session.project.environment
    made_private(private, "schedules")
    folder = scheduled.folder_of(private, environment)
    lock = scheduled.locked(folder, ".scheduler")
    if lock is None:
        hint = "stop it first; two of them would start every run twice"
        raise LeaseHeld(f"another scheduler runs for {session.file}", hint=hint)
    log = Log(None, write=log_text, format=session.log_format, colour=session.colour)
    projects = _Projects(session, log)
    scheduler = Scheduler(
        folder=folder,
        place=f"{socket.gethostname()} {session.file}",
        log=log,
        start=_starter(session, environment),
        outcome=lambda name, due: _outcome(projects.project, private, name, due),
        printed=_printer(session),
        may_be_held=lambda schedule: is_one_pipeline(projects.project, schedule),
    )
    with Signals(said_at_once) as signals:
        orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with signals.orders(orders, doing="waiting for the runs that go on (once more stops them immediately)"):
            _run(scheduler, projects, log, signals)
            _stop(scheduler, orders)
    log.info("the scheduler has stopped")
    os.close(lock)


def _waited_for(project: Project) -> list[str]:
    """Return the names of the schedules that the scheduler starts."""
    return [name for name, each in project.schedules.items() if each.enabled and each.cron not in BY_HAND]


def _run(scheduler: Scheduler, projects: "_Projects", log: Log, signals: Signals) -> None:
    """Start what is due until a signal arrives."""
    scheduler.begin(time.time())
    log.info("the scheduler has started", schedules=_waited_for(projects.project))
    upcoming: float | None = None
    while signals.code is None:
        now = time.time()
        projects.refresh(now, at_once=upcoming is not None and upcoming <= now)
        upcoming = scheduler.turn(projects.project.schedules, now)
        longest = _BUSY if scheduler.going else _IDLE
        signals.sleep(longest if upcoming is None else min(longest, max(upcoming - time.time(), 0.01)))


def _stop(scheduler: Scheduler, orders: "queue.SimpleQueue[Any]") -> None:
    """Pass on the signals to the runs, and wait until all have ended."""
    while True:
        while not orders.empty():
            orders.get()
            scheduler.stop(signal.SIGTERM)
        if not scheduler.collect():
            return
        time.sleep(_BUSY)


@dataclass
class _Projects:
    """The project, read again when it may have changed. If it cannot be read, the last one stays."""

    session: Session
    log: Log
    project: Project = field(init=False)
    _read: float = field(default=0.0, init=False)
    _problem: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.project = self.session.project

    def refresh(self, now: float, *, at_once: bool) -> None:
        """Read the project, at the latest half a minute after the last time."""
        if not at_once and abs(now - self._read) < _RELOAD:
            return
        self._read = now
        session = self.session
        trusted = trusted_users(session.environ) if session.folder is None else None
        try:
            self.project = load(
                session.file,
                environment=self.project.environment or "",
                environ=session.environ,
                trusted=trusted,
                env_files=session.env_files,
            )
        except UsageError as error:
            if error.message != self._problem:
                self.log.error(
                    f"the project cannot be read, so its last content counts: {session.redacted(error.message)}"
                )
            self._problem = error.message
            return
        if self._problem is not None:
            self.log.info("the project can be read again")
        self._problem = None


def _starter(session: Session, environment: str | None) -> Any:
    """Return the function that starts a run, in a session of its own: signals of a terminal do not reach it."""
    options = ("--log-format", session.log_format)

    def begin(schedule: Schedule, due: float, lock: int, output: Path) -> "subprocess.Popen[bytes]":
        words = scheduled.command(
            THIS,
            schedule,
            file=session.file,
            environment=environment,
            env_files=session.env_files,
            options=options,
        )
        variables = scheduled.variables(schedule, session.environ, due=due)
        output.unlink(missing_ok=True)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                env=variables,
                pass_fds=[lock],
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    return begin


def _printer(session: Session) -> Any:
    """Return the function that prints a line of a run."""

    def printed(name: str, line: str) -> None:
        if session.log_format == "text":
            log_text(f"{name}: {clean(line)}\n")
            return
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        fields = fields if isinstance(fields, dict) else {"event": "line", "message": clean(line)}
        log_text(json.dumps({"schedule": name, **fields}) + "\n")

    return printed


def _outcome(project: Project, private: Path, name: str, due: float) -> str | None:
    """Return how the run of a schedule for a time ended, as far as its records say."""
    wanted = scheduled.marked(scheduled.mark(name, due))
    found = [record for run_id in records.ids(private) if (record := records.record(private, run_id))]
    found = [record for record in found if (record.schedule, record.scheduled_for) == wanted]
    if not found:
        return None
    newest: Mapping[str, str] = {record.pipeline: record.status for record in reversed(found)}
    if any(status != "succeeded" for status in newest.values()):
        return next(status for status in newest.values() if status != "succeeded")
    schedule = project.schedules.get(name)
    try:
        blocks = parse_blocks(project, schedule.run) if schedule else []
    except UsageError:
        blocks = []
    is_whole = len(blocks) == 1 and _is_whole(blocks[0])
    return "succeeded" if is_whole else f"{', '.join(newest)} succeeded, and the rest is not known"


def _is_whole(block: Block) -> bool:
    """Return True if the record of its run says how all of it ended. It does not say that of hooks."""
    match block:
        case TaskBlock():
            return True
        case Pipeline():
            return not block.tasks
        case RowsBlock(pipeline=pipeline, names=names):
            return len(names or ()) == 1 and not pipeline.tasks
        case _:
            return False
