"""The scheduler with real processes as runs, and a clock that is only a number."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tapdock.log import Log
from tapdock.project.steps import Schedule
from tapdock.runs.run_output import RunOutput
from tapdock.runs.scheduled import locked
from tapdock.runs.scheduler import Scheduler

NOON = 1_796_040_000.0  # a whole hour
HOURLY = Schedule(name="s", run=("demo",), cron="@hourly")
SLOW = "import time; print('begun', flush=True); time.sleep(600)"


class World:
    """A folder in which schedulers run, one after the other. `said` are the events, `lines` what runs printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = "print('hello')"
        self.said: list[str] = []
        self.lines: list[tuple[str, str]] = []
        self.started: list[tuple[str, float]] = []
        self.outcomes: dict[float, str] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.fails: Exception | None = None

    def scheduler(self, now: float) -> Scheduler:
        made = Scheduler(
            folder=self.folder,
            place="here",
            log=Log(None, write=self.said.append),
            start=self._start,
            outcome=lambda _, due: self.outcomes.get(due),
            printed=lambda name, line: self.lines.append((name, line)),
            may_be_held=lambda schedule: schedule.run == ("demo",),
        )
        made.begin(now)
        return made

    def _start(self, schedule: Schedule, due: float, lock: int, output: Path) -> "subprocess.Popen[bytes]":
        if self.fails:
            raise self.fails
        self.started.append((schedule.name, due))
        with output.open("wb") as file:
            words = [sys.executable, "-c", self.code]
            process = subprocess.Popen(words, stdout=file, pass_fds=[lock], start_new_session=True)
        self.processes.append(process)
        return process

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(tmp_path / "schedules")
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


def turn(scheduler: Scheduler, now: float, *schedules: Schedule) -> float | None:
    known: Mapping[str, Schedule] = {each.name: each for each in schedules or (HOURLY,)}
    return scheduler.turn(known, now)


def ended(world: World, scheduler: Scheduler) -> None:
    world.processes[-1].wait()
    scheduler.collect()


def test_a_run_starts_once_at_its_time(world):
    scheduler = world.scheduler(NOON - 10)
    assert turn(scheduler, NOON - 10) == NOON
    for second in range(-9, 30):
        turn(scheduler, NOON + second)
    ended(world, scheduler)
    assert world.started == [("s", NOON)]
    assert world.lines == [("s", "hello")]
    assert world.heard("succeeded")


def test_a_restart_starts_nothing_again(world):
    scheduler = world.scheduler(NOON - 10)
    turn(scheduler, NOON - 10)
    turn(scheduler, NOON)
    ended(world, scheduler)
    again = world.scheduler(NOON + 5)
    turn(again, NOON + 5)
    turn(again, NOON + 20)
    assert world.started == [("s", NOON)]
    assert not world.heard("missed")


def test_what_was_missed_is_reported_and_not_started(world):
    turn(world.scheduler(NOON - 10), NOON - 10)
    again = world.scheduler(NOON + 7210)
    turn(again, NOON + 7210)
    turn(again, NOON + 7211)
    assert world.started == [("s", NOON + 7200)]
    assert [line for line in world.said if "missed=2" in line] == [line for line in world.said if "were missed" in line]


def test_one_run_catches_up(world):
    schedule = replace(HOURLY, catch_up=True)
    turn(world.scheduler(NOON - 10), NOON - 10, schedule)
    again = world.scheduler(NOON + 9000)
    turn(again, NOON + 9000, schedule)
    turn(again, NOON + 9001, schedule)
    assert world.started == [("s", NOON + 7200)]
    assert world.heard("catches up")


def test_a_run_that_still_goes_on_is_not_overlapped(world):
    world.code = SLOW
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    turn(scheduler, NOON)
    turn(scheduler, NOON + 3600)
    assert world.started == [("s", NOON)]
    assert world.heard("skipped: the run before it goes on")
    turn(scheduler, NOON + 3601)
    assert len([line for line in world.said if "skipped" in line]) == 1


@pytest.mark.parametrize("catch_up", [False, True])
def test_a_killed_scheduler_leaves_its_run_and_the_next_one_waits_for_it(world, catch_up):
    """The run that goes on has its lock. Nothing starts beside it, and its end is reported."""
    schedule = replace(HOURLY, catch_up=catch_up)
    world.code = SLOW
    first = world.scheduler(NOON - 1)
    turn(first, NOON - 1, schedule)
    turn(first, NOON, schedule)
    again = world.scheduler(NOON + 10)
    assert world.heard("a run of an earlier scheduler goes on")
    turn(again, NOON + 3600, schedule)
    assert world.heard("skipped")
    world.outcomes[NOON] = "succeeded"
    world.processes[0].kill()
    world.processes[0].wait()
    turn(again, NOON + 3610, schedule)
    assert world.heard("succeeded while no scheduler ran")
    assert world.started == [("s", NOON)]


@pytest.mark.parametrize(
    ("outcome", "catch_up", "count"), [(None, False, 1), ("killed", False, 1), ("killed", True, 2)]
)
def test_a_run_that_died_with_its_scheduler_is_reported(world, outcome, catch_up, count):
    """As in a container that is killed. It runs again only if the schedule catches up, and then once."""
    schedule = replace(HOURLY, catch_up=catch_up)
    world.code = SLOW
    first = world.scheduler(NOON - 1)
    turn(first, NOON - 1, schedule)
    turn(first, NOON, schedule)
    world.processes[0].kill()
    world.processes[0].wait()
    if outcome:
        world.outcomes[NOON] = outcome
    again = world.scheduler(NOON + 10)
    turn(again, NOON + 10, schedule)
    turn(again, NOON + 11, schedule)
    assert world.heard("ended while no scheduler ran")
    assert world.started == [("s", NOON)] * count


def test_a_scheduler_that_was_killed_before_its_run_began(world, monkeypatch):
    """The time was kept before. It is reported, and does not run twice."""

    class Killed(BaseException):
        pass

    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    world.fails = Killed()  # nothing after this line of the scheduler is executed, as after SIGKILL
    with pytest.raises(Killed):
        turn(scheduler, NOON)
    world.fails = None
    again = world.scheduler(NOON + 10)
    turn(again, NOON + 10)
    assert world.started == []
    assert world.heard("may not have run")


def test_a_stop_ends_the_runs_in_order(world):
    world.code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('in order', flush=True), sys.exit(143)))\n"
        "print('begun', flush=True)\ntime.sleep(600)"
    )
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    turn(scheduler, NOON)
    while ("s", "begun") not in world.lines:
        assert scheduler.collect()
    scheduler.stop(signal.SIGTERM)
    ended(world, scheduler)
    assert world.lines == [("s", "begun"), ("s", "in order")]
    assert world.heard("stopped")


def test_a_stopped_run_catches_up_after_the_restart(world):
    schedule = replace(HOURLY, catch_up=True)
    world.code = "import sys; sys.exit(143)"
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1, schedule)
    turn(scheduler, NOON, schedule)
    scheduler.stop(signal.SIGTERM)
    ended(world, scheduler)
    world.code = "pass"
    world.outcomes[NOON] = "stopped"
    turn(world.scheduler(NOON + 30), NOON + 30, schedule)
    assert world.started == [("s", NOON)] * 2


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "succeeded"), (7, "skipped: another run holds the state"), (3, "failed"), (-9, "killed by signal 9")],
)
def test_how_a_run_ended_is_said(world, code, said):
    world.code = f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    turn(scheduler, NOON)
    ended(world, scheduler)
    assert world.heard(said)


def test_code_7_of_a_job_or_a_task_is_a_failure(world):
    """A part of the job has run, or the code is that of a program, such as `curl`."""
    world.code = "raise SystemExit(7)"
    job = replace(HOURLY, run=("nightly",))
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1, job)
    turn(scheduler, NOON, job)
    ended(world, scheduler)
    assert world.heard("failed")
    assert not world.heard("skipped")


def test_all_that_a_run_has_printed_is_read_when_it_has_ended(tmp_path):
    """Also what is longer than the part that is read at a time."""
    (tmp_path / "out").write_text("x" * (3 << 20) + "\nsecond\n" + "line\n" * (1 << 19) + "last")
    output = RunOutput(tmp_path / "out")
    list(output.lines())
    found = list(output.lines(ended=True))
    assert (len(found), found[0] == "x" * (3 << 20), found[-1]) == (3 + (1 << 19), True, "last")
    assert list(output.lines(ended=True)) == []


def test_a_changed_schedule_counts_from_the_change(world):
    """Times of the new line before the change are not missed, and a schedule that is enabled again has missed none."""
    turn(world.scheduler(NOON - 10), NOON - 10, replace(HOURLY, cron="@yearly"))
    scheduler = world.scheduler(NOON + 1800)
    turn(scheduler, NOON + 1800)
    turn(scheduler, NOON + 1810, replace(HOURLY, enabled=False))
    turn(scheduler, NOON + 36000, replace(HOURLY, enabled=False))
    turn(scheduler, NOON + 36010)
    assert not world.heard("missed")
    assert world.started == []


def test_a_clock_that_was_wrong_is_reported(world):
    """A time in the far future must not keep the schedule from running for years."""
    turn(world.scheduler(NOON + 10**8), NOON + 10**8)
    scheduler = world.scheduler(NOON - 10)
    turn(scheduler, NOON - 10)
    assert world.heard("the clock went back")
    turn(scheduler, NOON)
    assert world.started == [("s", NOON)]


def test_a_run_that_cannot_start_is_reported(world):
    world.fails = OSError("no more processes")
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    turn(scheduler, NOON)
    assert world.heard("cannot be started: no more processes")
    lock = locked(world.folder, "s")
    assert lock is not None
    os.close(lock)


def test_a_time_that_cannot_be_kept_is_not_started(world):
    """Otherwise a restart would start it again."""
    scheduler = world.scheduler(NOON - 1)
    turn(scheduler, NOON - 1)
    (world.folder / ".scheduler.json").unlink()
    (world.folder / ".scheduler.json").mkdir()
    turn(scheduler, NOON)
    assert world.started == []
    assert world.heard("not started, because its time cannot be kept")


def test_a_damaged_file_is_reported(world):
    world.folder.mkdir(exist_ok=True)
    (world.folder / ".scheduler.json").write_text("{")
    turn(world.scheduler(NOON - 1), NOON - 1)
    assert world.heard("cannot be read, so missed runs are not known")
