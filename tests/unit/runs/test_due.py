"""Which times of a schedule are due: with a clock that is only a number."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tapdock.project.steps import Schedule
from tapdock.runs.due import GRACE, decide
from tapdock.runs.scheduled import jitter_of

HOURLY = Schedule(name="s", run=("demo",), cron="@hourly")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def turn(schedule: Schedule, handled: str, now: str):
    return decide(schedule, at(handled), at(now), place="here")


def test_nothing_is_due():
    found = turn(HOURLY, "2026-11-29 12:00", "2026-11-29 12:59:59")
    assert (found.start, found.missed, found.handled) == (None, (), at("2026-11-29 12:00"))
    assert found.next == at("2026-11-29 13:00")


@pytest.mark.parametrize("now", ["13:00:00", "13:00:59"])
def test_a_time_is_due_until_it_counts_as_missed(now):
    found = turn(HOURLY, "2026-11-29 12:00", f"2026-11-29 {now}")
    assert (found.start, found.handled) == (at("2026-11-29 13:00"), at("2026-11-29 13:00"))


def test_what_was_missed_while_nothing_ran():
    """The last one is not late, so it starts."""
    found = turn(HOURLY, "2026-11-29 09:00", "2026-11-29 13:00:30")
    assert found.missed == tuple(at(f"2026-11-29 {hour}:00") for hour in (10, 11, 12))
    assert found.start == at("2026-11-29 13:00")
    late = turn(HOURLY, "2026-11-29 09:00", "2026-11-29 13:30")
    assert (len(late.missed), late.start, late.handled) == (4, None, at("2026-11-29 13:00"))


def test_a_clock_that_jumps_back_starts_nothing_twice():
    found = turn(HOURLY, "2026-11-29 13:00", "2026-11-29 12:59:30")
    assert (found.start, found.missed) == (None, ())
    assert turn(HOURLY, "2026-11-29 13:00", "2026-11-29 13:00:30").start is None


def test_a_long_time_is_counted_in_parts():
    minutes = Schedule(name="s", run=("demo",), cron="* * * * *")
    found = turn(minutes, "2020-01-01 00:00", "2026-11-29 12:00:30")
    assert (found.more, len(found.missed), found.start) == (True, 1000, None)
    assert decide(minutes, found.handled, at("2026-11-29 12:00:30"), place="here").start == at("2026-11-29 12:00")


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", "2026-03-29", ["03:00+0200"]),
        ("30 2 * * *", "2026-10-25", ["02:30+0200"]),
        ("0 * * * *", "2026-03-29", ["00:00+0100", "01:00+0100", "03:00+0200"]),
        ("0 * * * *", "2026-10-25", ["00:00+0200", "01:00+0200", "02:00+0200", "02:00+0100", "03:00+0100"]),
    ],
)
def test_when_clocks_change_each_time_starts_once(cron, day, expected):
    """A scheduler that looks every ten seconds of such a night."""
    berlin = ZoneInfo("Europe/Berlin")
    schedule = Schedule(name="s", run=("demo",), cron=cron, timezone="Europe/Berlin")
    now = at(f"{day} 00:00", "Europe/Berlin") - 1
    end = at(f"{day} 03:30", "Europe/Berlin")
    handled, started = now, []
    while now < end:
        found = decide(schedule, handled, now, place="here")
        handled = found.handled
        assert found.missed == ()
        if found.start is not None:
            started.append(datetime.fromtimestamp(found.start, berlin).strftime("%H:%M%z"))
        now += 10
    assert started == expected


def test_a_run_starts_later_by_its_jitter():
    """Also after a restart at the same moment, and a restart in between does not lose it."""
    schedule = Schedule(name="s", run=("demo",), cron="@daily", jitter=1800)
    due = at("2026-11-30 00:00")
    later = jitter_of(schedule, due, place="here")
    assert 0 <= later < 1800
    assert later != jitter_of(schedule, due, place="there")
    early = decide(schedule, at("2026-11-29 12:00"), due + later - 1, place="here")
    assert (early.start, early.handled, early.next) == (None, at("2026-11-29 12:00"), due + later)
    assert decide(schedule, early.handled, due + later + 1, place="here").start == due
    assert decide(schedule, early.handled, due + later + GRACE + 1, place="here").missed == (due,)


def test_by_hand():
    found = turn(Schedule(name="s", run=("demo",), cron="@manual"), "2020-01-01 00:00", "2026-01-01 00:00")
    assert (found.start, found.missed, found.next) == (None, (), None)
