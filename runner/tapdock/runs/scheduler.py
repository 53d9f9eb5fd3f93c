"""The scheduler: decides which run is due, starts it once, and keeps what it has decided, so that a kill loses nothing.

The order of writes is what makes it safe. A time is written as decided before its run starts. After a kill in between,
the time is reported and not run twice. A run has the lock of its schedule until it ends (`runs/scheduled.py`).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from tapdock.errors import TapdockError
from tapdock.files import made, write_whole
from tapdock.log import Log
from tapdock.project.cron import BY_HAND
from tapdock.project.steps import Schedule
from tapdock.runs.due import Turn, decide
from tapdock.runs.run_output import RunOutput
from tapdock.runs.scheduled import locked

__all__ = ["Child", "Scheduler"]

_CLOCK_WRONG = 3600.0
_HELD = 7
_STOPPED = (130, 143, -2, -15)  # also before the run handles signals


class Child(Protocol):
    """A run that was started."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def send_signal(self, sig: int, /) -> None: ...


class _Entry(msgspec.Struct, kw_only=True):
    """What is kept of a schedule. All its times up to `handled` are decided. `when` is the cron line with its zone.

    `due` is the time of the last run, and `phase` is how far that run was when this was written.
    """

    when: str
    handled: float
    due: float | None = None
    phase: Literal["starting", "running", "ended", "stopped"] = "ended"


class _Kept(msgspec.Struct, kw_only=True):
    version: int = 1
    schedules: dict[str, _Entry] = {}


@dataclass
class _Going:
    """A run that goes on. Without a `child`, an earlier scheduler started it. `may_be_held`: 7 is not a failure."""

    due: float
    child: Child | None
    output: "RunOutput | None" = None
    may_be_held: bool = False


Start = Callable[[Schedule, float, int, Path], Child]
"""Start the run of a schedule for a time, with the descriptor of its lock, and the file for its output."""
Outcome = Callable[[str, float], str | None]
"""Return how the runs of a schedule for a time ended, by their records; None if there are none."""


@dataclass
class Scheduler:
    """Runs schedules. `turn` is called again and again with the time; nothing else reads a clock.

    `place` is part of what the jitter is made of. `printed` gets each line of a run. `may_be_held` returns True for a
    schedule whose exit code 7 means that another run holds the state.
    """

    folder: Path
    place: str
    log: Log
    start: Start
    outcome: Outcome
    printed: Callable[[str, str], None]
    may_be_held: Callable[[Schedule], bool]
    _kept: _Kept = field(default_factory=_Kept, init=False)
    _going: dict[str, _Going] = field(default_factory=dict, init=False)
    _again: dict[str, float] = field(default_factory=dict, init=False)
    _stopping: bool = field(default=False, init=False)

    @property
    def going(self) -> tuple[str, ...]:
        """The schedules of which a run goes on."""
        return tuple(self._going)

    def begin(self, now: float) -> None:
        """Read what an earlier scheduler kept, and find the runs that it has left."""
        made(self.folder)
        try:
            self._kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except FileNotFoundError:
            pass
        except (ValueError, OSError) as error:
            self.log.warning(f"{self._file} cannot be read, so missed runs are not known: {error}")
        for name, entry in self._kept.schedules.items():
            if entry.due is None or entry.phase == "ended":
                continue
            lock = locked(self.folder, name)
            if lock is None:
                self.log.info("a run of an earlier scheduler goes on", schedule=name, due=_text(entry.due))
                self._going[name] = _Going(entry.due, None)
                continue
            os.close(lock)
            self._left(name, entry, entry.due)

    def turn(self, schedules: Mapping[str, Schedule], now: float) -> float | None:
        """Start what is due. Return when the next run starts."""
        self._collect()
        for name in [name for name in self._kept.schedules if name not in schedules and name not in self._going]:
            del self._kept.schedules[name]
        nexts = [at for schedule in schedules.values() if (at := self._one(schedule, now)) is not None]
        return min(nexts, default=None)

    def stop(self, number: int) -> None:
        """Send a signal to all runs. No further run starts."""
        self._stopping = True
        for going in self._going.values():
            if going.child is not None:
                going.child.send_signal(number)

    def collect(self) -> bool:
        """Print what the runs have printed, and report those that have ended. Return True while any goes on.

        A run that an earlier scheduler has started is not waited for.
        """
        self._collect()
        return any(going.child is not None for going in self._going.values())

    @property
    def _file(self) -> Path:
        return self.folder / ".scheduler.json"

    def _one(self, schedule: Schedule, now: float) -> float | None:
        waits = not schedule.enabled or schedule.cron in BY_HAND
        when = "" if waits else f"{schedule.cron} {schedule.timezone}"
        entry = self._kept.schedules.get(schedule.name)
        if entry is None or entry.when != when:
            due, phase = (entry.due, entry.phase) if entry else (None, "ended")
            entry = self._kept.schedules[schedule.name] = _Entry(when=when, handled=now, due=due, phase=phase)
            self._write()
        if waits:
            return None
        if entry.handled > now + _CLOCK_WRONG:
            self.log.warning("the clock went back", schedule=schedule.name, handled=_text(entry.handled))
            entry.handled = now
        found = decide(schedule, entry.handled, now, place=self.place)
        due = found.start
        if found.missed:
            self._missed(schedule.name, found)
            if schedule.catch_up and due is None:
                due = found.missed[-1]
                self.log.info("one run catches up", schedule=schedule.name)
        if (again := self._again.pop(schedule.name, None)) is not None and due is None and schedule.catch_up:
            due = again
            self.log.info("the run that did not end is started again", schedule=schedule.name, due=_text(again))
        if due is not None:
            self._start(schedule, entry, due, handled=found.handled)
        elif found.handled != entry.handled:
            entry.handled = found.handled
            self._write()
        return found.next

    def _missed(self, name: str, found: Turn) -> None:
        first, last = _text(found.missed[0]), _text(found.missed[-1])
        event = f"runs were missed{' (and more)' if found.more else ''}: the scheduler or the machine was not running"
        self.log.warning(event, schedule=name, missed=len(found.missed), first=first, last=last)

    def _start(self, schedule: Schedule, entry: _Entry, due: float, *, handled: float) -> None:
        """Start a run, unless one of the schedule goes on. The time is kept as decided before that."""
        name = schedule.name
        lock = None if name in self._going else locked(self.folder, name)
        if lock is None:
            self.log.warning("skipped: the run before it goes on", schedule=name, due=_text(due))
            entry.handled = handled
            self._write()
            return
        before = (entry.handled, entry.due, entry.phase)
        try:
            entry.handled, entry.due, entry.phase = handled, due, "starting"
            if not self._write():
                entry.handled, entry.due, entry.phase = before
                self.log.error("not started, because its time cannot be kept", schedule=name, due=_text(due))
                return
            output = self.folder / f"{name}.out"
            child = self.start(schedule, due, lock, output)
        except (TapdockError, OSError) as error:
            entry.phase = "ended"
            self._write()
            reason = error.message if isinstance(error, TapdockError) else str(error)
            self.log.error(f"cannot be started: {reason}", schedule=name, due=_text(due))
            return
        finally:
            os.close(lock)
        self._going[name] = _Going(due, child, RunOutput(output), self.may_be_held(schedule))
        self.log.info("started", schedule=name, due=_text(due), pid=child.pid)
        entry.phase = "running"
        self._write()

    def _collect(self) -> None:
        for name, going in list(self._going.items()):
            if going.child is None:
                self._collect_left(name, going)
                continue
            code = going.child.poll()
            assert going.output is not None, "a run of this scheduler has an output"
            for line in going.output.lines(ended=code is not None):
                self.printed(name, line)
            if code is None:
                continue
            del self._going[name]
            self._ended(name, going.due, code, may_be_held=going.may_be_held)
            entry = self._kept.schedules.get(name)
            if entry and entry.due == going.due:
                entry.phase = "stopped" if self._stopping and code in _STOPPED else "ended"
                self._write()

    def _ended(self, name: str, due: float, code: int, *, may_be_held: bool) -> None:
        facts = {"schedule": name, "due": _text(due), "exit_code": code}
        if code == 0:
            self.log.info("succeeded", **facts)
        elif code == _HELD and may_be_held:
            self.log.warning("skipped: another run holds the state", **facts)
        elif code in _STOPPED:
            self.log.warning("stopped", **facts)
        elif code < 0:
            self.log.error(f"killed by signal {-code}", **facts)
        else:
            self.log.error("failed", **facts)

    def _collect_left(self, name: str, going: _Going) -> None:
        """Find out whether a run that an earlier scheduler has started has ended."""
        lock = locked(self.folder, name)
        if lock is None:
            return
        os.close(lock)
        del self._going[name]
        entry = self._kept.schedules.get(name)
        if entry:
            self._left(name, entry, going.due)

    def _left(self, name: str, entry: _Entry, due: float) -> None:
        """Report a run that ended without this scheduler. Unless it succeeded, `catch_up` runs it again."""
        outcome = self.outcome(name, due)
        if outcome == "succeeded":
            self.log.info("succeeded while no scheduler ran", schedule=name, due=_text(due))
        elif outcome is None and entry.phase == "starting":
            self.log.warning(
                "may not have run: the scheduler was killed while it started it", schedule=name, due=_text(due)
            )
        else:
            self.log.warning(
                f"ended while no scheduler ran: {outcome or 'there is no record of it'}", schedule=name, due=_text(due)
            )
        if outcome not in ("succeeded", "failed"):
            self._again[name] = due
        entry.phase = "ended"
        self._write()

    def _write(self) -> bool:
        try:
            write_whole(self._file, msgspec.json.encode(self._kept), alone=True)
        except OSError as error:
            self.log.error(f"{self._file} cannot be written: {error}")
            return False
        return True


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
