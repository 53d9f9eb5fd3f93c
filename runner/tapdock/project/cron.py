"""Read cron lines, and compute the times at which they fire. Times are seconds since the epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

__all__ = [
    "BY_HAND",
    "FIELDS",
    "LAST",
    "LAST_WEEKDAY",
    "WORDS",
    "BadCron",
    "Cron",
    "fields_of",
    "offsets",
    "parsed",
    "require_cron",
    "require_zone",
    "times",
]

WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
BY_HAND = ("@manual", "@once", "@none")
"""Words for a schedule that only `tapdock schedule run` starts. All three are Meltano's."""

FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_EXAMPLE = 'for example `cron: "0 3 * * *"`, every day at 03:00, or `cron: "@daily"`'


@dataclass(frozen=True)
class BadCron(Exception):
    """What is wrong with a cron line or a time zone, and a hint."""

    problem: str
    hint: str


def fields_of(cron: str) -> str | None:
    """Return the five fields of a cron line, in which `@daily` is written out. None means: only by hand."""
    return None if cron in BY_HAND else WORDS.get(cron, cron)


def times(cron: str, zone: str, after: float) -> Iterator[float]:
    """Yield the times at which a cron line fires, all later than `after`, in order and without repetitions.

    A time that does not exist because the clocks go forward fires when they have gone forward, and a time that exists
    twice fires the first time, as Debian's cron does it. Lines with `*` in minute or hour go by elapsed time.
    """
    fields = fields_of(cron)
    if fields is None:
        return
    from cronsim import CronSim

    last = after
    for found in CronSim(fields, datetime.fromtimestamp(after, _zone(zone))):
        at = found.timestamp()
        if at > last:  # of two times in an hour that does not exist, both become the end of that hour
            last = at
            yield at


def require_cron(cron: str) -> None:
    """Raise BadCron for a line that is not valid, or that never fires."""
    fields = fields_of(cron)
    if fields is None:
        return
    if fields.startswith("@"):
        from tapdock.text.nearest import did_you_mean

        words = (*WORDS, *BY_HAND)
        raise BadCron("is not one of its words", did_you_mean(fields, words) or f"known: {', '.join(words)}")
    if len(fields.split()) != len(FIELDS):
        raise BadCron(f"has {len(fields.split())} fields, not five", f"the fields are {', '.join(FIELDS)}; {_EXAMPLE}")
    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise BadCron(*_problem(fields, str(error))) from None
    except StopIteration:
        raise BadCron("never fires", "no month has such a day") from None


def _problem(fields: str, said: str) -> tuple[str, str]:
    """Return what is wrong with a field. The library only reports which field it is."""
    from cronsim import CronSim, CronSimError

    names = ("minute", "hour", "day-of-month", "month", "day-of-week")
    place = next((at for at, name in enumerate(names) if said.endswith(f" {name}")), None)
    if place is None:
        return "is not a cron line", _EXAMPLE
    alone = ["*"] * len(FIELDS)
    alone[place] = fields.split()[place]
    try:
        CronSim(" ".join(alone), datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError:
        return f"has `{alone[place]}` as its {FIELDS[place]}", f"the fields are {', '.join(FIELDS)}; {_EXAMPLE}"
    return "never fires", "no month has such a day"


def require_zone(zone: str) -> None:
    """Raise BadCron for a time zone that this machine does not know."""
    try:
        _zone(zone)
    except (KeyError, ValueError, OSError):
        from zoneinfo import available_timezones

        from tapdock.text.nearest import did_you_mean

        known = available_timezones()
        near = did_you_mean(zone, sorted(known))
        none = "this machine has no time zones: install the package `tzdata`"
        raise BadCron("is not a time zone", near or ("for example `Europe/Berlin`" if known else none)) from None


def _zone(zone: str) -> tzinfo:
    if zone == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(zone)


class Cron(msgspec.Struct, frozen=True):
    """The values of the five fields. Days of the month may contain `LAST`, and `LAST_WEEKDAY`; days of the week are
    from 0 (Sunday) to 6, and `nth` are pairs of such a day and its number in the month, or `LAST`.

    If `both`, a day must match both fields of days, otherwise one of them.
    """

    fields: tuple[str, ...]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]]
    both: bool

    @property
    def every_day(self) -> bool:
        """True if neither field of days leaves out a day."""
        return not self.nth and len(self.days) == 31 and len(self.weekdays) == 7 and self.both


LAST = -1000
LAST_WEEKDAY = -1001


def parsed(cron: str) -> Cron | None:
    """Return the values of a valid cron line; None for a schedule that only runs by hand."""
    fields = fields_of(cron)
    if fields is None:
        return None
    from cronsim import CronSim

    found = CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC))
    days = [each for each in found.weekdays if isinstance(each, int)]
    return Cron(
        fields=tuple(fields.split()),
        minutes=frozenset(found.minutes),
        hours=frozenset(found.hours),
        days=frozenset(found.days),
        months=frozenset(found.months),
        weekdays=frozenset(day % 7 for day in days),
        nth=frozenset((each[0] % 7, each[1]) for each in found.weekdays if not isinstance(each, int)),
        both=found.day_and,
    )


def offsets(zone: str, now: float) -> tuple[int, ...]:
    """Return the differences of a zone to UTC in the next two years, in minutes, the smallest first."""
    days = (datetime.fromtimestamp(now + day * 86400.0, _zone(zone)) for day in range(731))
    return tuple(sorted({int((day.utcoffset() or timedelta()).total_seconds() // 60) for day in days}))
