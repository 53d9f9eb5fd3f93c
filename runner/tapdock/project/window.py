"""Ranges of time that a run reads (windows), and the settings of a source that take one. All times are in UTC."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import msgspec

from tapdock.errors import UsageError

__all__ = [
    "DATE",
    "EndIs",
    "Window",
    "WindowKeys",
    "formatted",
    "is_time",
    "is_whole",
    "time_of",
    "unit_of",
    "unit_word",
]

EndIs = Literal["exclusive", "inclusive"]
DATE = "%Y-%m-%d"

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ].*)?", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = "%s"
_UNITS = {
    "microsecond": timedelta(microseconds=1),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_SAMPLE = datetime(2001, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
_OTHER_DAYS = (timedelta(days=1), timedelta(days=28), timedelta(days=365), timedelta(days=36525))


class WindowKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a source that take a window, as `config set` names them.

    `format` is for `strftime`; None for the format that the connector's spec asks for. `end_is` says whether the
    connector still reads what is exactly at its end.
    """

    start: str
    end: str
    format: str | None = None
    end_is: EndIs = "exclusive"


class Window(msgspec.Struct, frozen=True):
    """A range of time, with its start and without its end."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, start: str | date, end: str | date) -> "Window":
        """Return the window between two times of a user. Raises UsageError."""
        made = cls(time_of(start), time_of(end))
        if made.end <= made.start:
            raise UsageError(f"the window from {start} to {end} is empty: its end must be after its start")
        return made

    @property
    def ends(self) -> tuple[str, str]:
        """The start and the end as text, as `time_of` reads them."""
        return written(self.start), written(self.end)

    def __str__(self) -> str:
        return " to ".join(self.ends)


def is_time(text: str) -> bool:
    """Return True if a text is meant as a date or a time, and not as the name of a folder.

    >>> is_time("2026-01-01"), is_time("2026-01-01T06:00Z"), is_time("./2026-01-01"), is_time("2026-01")
    (True, True, False, False)
    """
    return bool(_TIME.fullmatch(text))


def time_of(given: str | date) -> datetime:
    """Return an ISO 8601 date or date-time in UTC. Without an offset, it is in UTC already. Raises UsageError.

    >>> time_of("2026-01-01T01:00:00+01:00").isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(given.upper()) if isinstance(given, str) else given
        if not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day, tzinfo=UTC)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(given, str) and not is_time(given):
            raise ValueError
    except (ValueError, OverflowError):
        hint = "write `2026-01-31` or `2026-01-31T06:00:00Z`; a folder of this name is `./NAME`"
        raise UsageError(f"`{given}` is not a date or a time", hint=hint) from None
    if not 1000 <= found.year < 9999:
        raise UsageError(f"`{given}` is outside of the years 1000 to 9998")
    return found


def written(time: datetime) -> str:
    """Return a time as people write it: a date at midnight, else a date-time.

    >>> written(datetime(2026, 1, 1, tzinfo=UTC)), written(datetime(2026, 1, 1, 6, tzinfo=UTC))
    ('2026-01-01', '2026-01-01T06:00:00Z')
    """
    return f"{time:%Y-%m-%d}" if is_whole(time, _UNITS["day"]) else f"{time.replace(tzinfo=None).isoformat()}Z"


def is_whole(time: datetime, unit: timedelta) -> bool:
    """Return True if a time is at the beginning of a unit, for example at midnight."""
    return (time - _EPOCH) % unit == timedelta(0)


def formatted(time: datetime, form: str) -> str:
    """Return a time by a format of `strftime`. `%s` is the number of seconds since 1970.

    >>> formatted(datetime(2026, 1, 1, tzinfo=UTC), "%s"), formatted(datetime(2026, 1, 1, tzinfo=UTC), "%d.%m.%Y")
    ('1767225600', '01.01.2026')
    """
    parts = re.split(r"(%s|%.)", form, flags=re.DOTALL)  # `%%s` is not `%s`
    seconds = str((time - _EPOCH) // _UNITS["second"])
    return "".join(seconds if part == _SECONDS else time.strftime(part) if "%" in part else part for part in parts)


def unit_of(form: str) -> timedelta | None:
    """Return the smallest difference of time that a format shows; None for a format without a whole date.

    >>> [str(unit_of(form)) for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%s", "%d.%m.")]
    ['1 day, 0:00:00', '0:00:01', '0:00:01', 'None']
    """
    try:
        shown = formatted(_SAMPLE, form)
        if any(formatted(_SAMPLE + other, form) == shown for other in _OTHER_DAYS):
            return None
        return next((unit for unit in _UNITS.values() if formatted(_SAMPLE + unit, form) != shown), None)
    except ValueError:
        return None


def unit_word(unit: timedelta) -> str:
    """Return the name of a unit that `unit_of` returns.

    >>> unit_word(timedelta(days=1))
    'day'
    """
    return next(name for name, each in _UNITS.items() if each == unit)
