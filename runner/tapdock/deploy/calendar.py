"""Write cron lines for schedulers that know less than tapdock: for classic cron, in UTC, and for systemd."""

import re
from collections import defaultdict
from collections.abc import Iterable

from tapdock.project.cron import LAST, LAST_WEEKDAY, Cron

__all__ = ["Inexpressible", "in_utc", "offset_text", "on_calendar", "portable"]

_ALL = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_TERM = re.compile(r"(\*|\d+-\d+)(/\d+)?|\d+")
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_HOUR = 60
_DAY = 24 * _HOUR


class Inexpressible(Exception):
    """A cron line that a scheduler has no words for. The text says what it lacks."""


def portable(cron: Cron) -> str:
    """Return the line for a cron that only has numbers, lists, ranges and steps. Raises Inexpressible."""
    if LAST in cron.days or LAST_WEEKDAY in cron.days or cron.nth:
        raise Inexpressible("it has no `L`, `LW` and `#`")
    values = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    return " ".join(_field(field, own, every) for field, own, every in zip(cron.fields, values, _ALL, strict=True))


def _field(field: str, values: frozenset[int], every: range) -> str:
    """Return a field as it is written, or its values if classic cron does not read it. `7` is not a day everywhere."""
    is_plain = all(_TERM.fullmatch(term) for term in field.split(","))
    if is_plain and not (every == _ALL[4] and "7" in field):
        return field
    return _list(values, every)


def _list(values: Iterable[int], every: range) -> str:
    found = sorted(values)
    return "*" if len(found) == len(every) else ",".join(map(str, found))


def in_utc(cron: Cron, offset: int) -> list[str]:
    """Return lines in UTC that fire at the same times as a line in a zone `offset` minutes ahead of UTC.

    Raises Inexpressible if that would move days of the month.
    """
    if not offset:
        return [portable(cron)]
    if LAST in cron.days or LAST_WEEKDAY in cron.days or cron.nth:
        raise Inexpressible("it has no `L`, `LW` and `#`")
    is_free = cron.every_day and len(cron.months) == 12
    minutes: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for hour in cron.hours:
        for minute in cron.minutes:
            day, rest = divmod(hour * _HOUR + minute - offset, _DAY)
            minutes[0 if is_free else day, rest // _HOUR].add(rest % _HOUR)
    hours: defaultdict[tuple[int, frozenset[int]], set[int]] = defaultdict(set)
    for (day, hour), found in minutes.items():
        hours[day, frozenset(found)].add(hour)
    lines = []
    for (day, found_minutes), found_hours in sorted(hours.items(), key=lambda one: (one[0][0], sorted(one[1]))):
        clock = f"{_list(found_minutes, _ALL[0])} {_list(found_hours, _ALL[1])}"
        lines.append(f"{clock} {_moved(cron, day)}")
    return lines


def _moved(cron: Cron, day: int) -> str:
    """Return the last three fields, `day` days later or earlier."""
    if day and (len(cron.days) != len(_ALL[2]) or len(cron.months) != len(_ALL[3]) or not cron.both):
        raise Inexpressible("in UTC it would be on another day of the month")
    days, months = (
        "*" if len(values) == len(every) else _field(field, values, every)
        for field, values, every in zip(cron.fields[2:4], (cron.days, cron.months), _ALL[2:4], strict=True)
    )
    weekdays = _list(((each + day) % 7 for each in cron.weekdays), _ALL[4])
    return f"{days} {months} {weekdays}"


def offset_text(offset: int) -> str:
    """Return minutes as `date +%z` prints them: 120 is `+0200`."""
    sign = "-" if offset < 0 else "+"
    return f"{sign}{abs(offset) // _HOUR:02}{abs(offset) % _HOUR:02}"


def on_calendar(cron: Cron, zone: str) -> list[str]:
    """Return the values of `OnCalendar=` of a systemd timer. Raises Inexpressible."""
    clock = f"{_times(cron.hours, 24)}:{_times(cron.minutes, 60)}:00 {zone}"
    months = "*" if len(cron.months) == 12 else ",".join(f"{each:02}" for each in sorted(cron.months))
    return [f"{weekdays}*-{months}{days} {clock}" for weekdays, days in _dates(cron)]


def _times(values: frozenset[int], most: int) -> str:
    return "*" if len(values) == most else ",".join(f"{each:02}" for each in sorted(values))


def _dates(cron: Cron) -> list[tuple[str, str]]:
    """Return pairs of days of the week and days of the month. A timer fires if one of the pairs matches."""
    if LAST_WEEKDAY in cron.days:
        raise Inexpressible("it has no `LW`")
    all_days, all_weekdays = len(cron.days) == 31, len(cron.weekdays) == 7
    days = _month_days(cron.days)
    names = _names(cron.weekdays)
    if all_days and all_weekdays:
        return [("", "-*")]
    if not cron.both:  # one of the two fields has to match
        return [*(("", each) for each in days), *([(names, "-*")] if cron.weekdays else []), *_nth(cron)]
    if cron.nth and not all_days:
        raise Inexpressible("it cannot combine `#` or `L` with days of the month")
    plain = [("" if all_weekdays else names, each) for each in days] if cron.weekdays else []
    return [*plain, *_nth(cron)]


def _month_days(days: frozenset[int]) -> list[str]:
    plain = sorted(days - {LAST})
    listed = ["-*"] if len(plain) == 31 else ["-" + ",".join(f"{each:02}" for each in plain)] if plain else []
    return [*listed, *(["~01"] if LAST in days else [])]


def _names(weekdays: Iterable[int]) -> str:
    return ",".join(_DAYS[day] for day in sorted(weekdays, key=lambda day: (day + 6) % 7)) + " "


def _nth(cron: Cron) -> list[tuple[str, str]]:
    found = []
    for day, number in sorted(cron.nth):
        first, last = 7 * number - 6, min(7 * number, 31)
        dates = "~07/1" if number == LAST else f"-{first:02}..{last:02}"
        found.append((_names([day]), dates))
    return found
