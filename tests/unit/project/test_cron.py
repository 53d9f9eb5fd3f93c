"""Cron lines: when they fire, also when clocks change, and mistakes in them."""

from datetime import datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from tapdock.project.cron import BadCron, require_cron, require_zone, times

BERLIN = "Europe/Berlin"


def local(text: str, zone: str = BERLIN, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def shown(cron: str, after: str, count: int, *, zone: str = BERLIN, fold: int = 0) -> list[str]:
    found = islice(times(cron, zone, local(after, zone, fold=fold)), count)
    return [datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%m-%d %H:%M%z") for at in found]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", ["11-30 03:00+0100", "12-01 03:00+0100"]),
        ("@daily", ["11-30 00:00+0100", "12-01 00:00+0100"]),
        ("*/20 * * * *", ["11-29 12:20+0100", "11-29 12:40+0100"]),
        ("0 0 * * MON#1", ["12-07 00:00+0100", "01-04 00:00+0100"]),
        ("0 0 L * *", ["11-30 00:00+0100", "12-31 00:00+0100"]),
        ("0 0 1 * 5", ["12-01 00:00+0100", "12-04 00:00+0100"]),  # one of the two days is enough
        ("@once", []),
    ],
)
def test_when_a_line_fires(cron, expected):
    assert shown(cron, "2026-11-29 12:00", 2) == expected


def test_a_time_that_is_reached_has_passed():
    assert shown("0 12 * * *", "2026-11-29 12:00", 1) == ["11-30 12:00+0100"]


def test_clocks_go_forward():
    """On 2026-03-29, 02:00 to 03:00 does not exist. What fires in it fires once, at its end."""
    assert shown("30 2 * * *", "2026-03-28 12:00", 2) == ["03-29 03:00+0200", "03-30 02:30+0200"]
    assert shown("0,30 2,3 * * *", "2026-03-29 00:00", 2) == ["03-29 03:00+0200", "03-29 03:30+0200"]
    assert shown("0 * * * *", "2026-03-29 00:30", 3) == ["03-29 01:00+0100", "03-29 03:00+0200", "03-29 04:00+0200"]


def test_clocks_go_back():
    """On 2026-10-25, 02:00 to 03:00 exists twice. A line with an hour fires once, and `*` by elapsed time."""
    assert shown("30 2 * * *", "2026-10-24 12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    assert shown("30 2 * * *", "2026-10-25 02:10", 1, fold=1) == ["10-26 02:30+0100"]
    assert shown("0 * * * *", "2026-10-25 01:30", 3) == ["10-25 02:00+0200", "10-25 02:00+0100", "10-25 03:00+0100"]


def test_no_time_is_left_out_or_doubled_in_a_year():
    found = list(islice(times("15 * * * *", BERLIN, local("2026-01-01 00:00")), 8760))
    assert {later - earlier for earlier, later in pairwise(found)} == {3600.0}


@pytest.mark.parametrize(
    ("cron", "problem", "hint"),
    [
        ("0 0 31 2 *", "never fires", "no month has such a day"),
        ("0 0 30 2 *", "never fires", "no month has such a day"),
        ("0 25 * * *", "`25` as its hour", "minute, hour"),
        ("0 3 * *", "has 4 fields, not five", "minute, hour"),
        ("0 0 3 * * *", "has 6 fields, not five", "minute, hour"),
        ("@dialy", "is not one of its words", "`@daily`"),
        ("0 3 * * FUN", "`FUN` as its day of the week", "@daily"),
        ("*/0 * * * *", "`*/0` as its minute", "@daily"),
    ],
)
def test_a_line_that_is_refused(cron, problem, hint):
    with pytest.raises(BadCron) as raised:
        require_cron(cron)
    assert problem in raised.value.problem
    assert hint in raised.value.hint


def test_a_leap_day_is_a_day():
    require_cron("0 0 29 2 *")


@pytest.mark.parametrize(
    ("zone", "hint"), [("Europe/Berln", "`Europe/Berlin`"), ("../etc/passwd", ""), ("/etc/localtime", "")]
)
def test_a_zone_that_is_refused(zone, hint):
    with pytest.raises(BadCron) as raised:
        require_zone(zone)
    assert hint in raised.value.hint
