"""Write text with a date or a time in the form that JSON Schema's `format` requires, where that changes no meaning."""

import datetime
import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["FORMATS", "WITHOUT_ZONE", "WITH_ZONE", "Timed", "timed"]

WITH_ZONE = frozenset({"timestamp_with_timezone", "time_with_timezone"})
WITHOUT_ZONE = frozenset({"timestamp_without_timezone", "time_without_timezone"})
"""What Airbyte's `airbyte_type` says about the values of a field."""
_DATE = r"(?P<date>\d{4}-\d\d-\d\d)"
_TIME = r"(?P<time>(?:[01]\d|2[0-3]):[0-5]\d)(?P<seconds>:(?:[0-5]\d|60))?(?:[.,](?P<fraction>\d+))?"
_ZONE = r"(?: ?(?P<zone>Z|z|UTC|GMT|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?"
_DATE_TIME = re.compile(rf"{_DATE}(?:[Tt ]{_TIME}{_ZONE})?", re.ASCII)
_ONLY_TIME = re.compile(_TIME + _ZONE, re.ASCII)
_MIDNIGHT = re.compile(r"00:00:00(\.0+)?Z?")


class Timed(NamedTuple):
    """Text in the form of a format. `has_zone` is None if the format has none."""

    text: str
    has_zone: bool | None


def _date_time(text: str) -> Timed | None:
    found = _DATE_TIME.fullmatch(text)
    if found is None or not _exists(found["date"]):
        return None
    time = _time_of(found) if found["time"] else "00:00:00"
    return Timed(f"{found['date']}T{time}", found["zone"] is not None)


def _date(text: str) -> Timed | None:
    """Return a date, also that of a date-time at midnight, unless its time zone gives it another date elsewhere."""
    whole = _date_time(text)
    if whole is None or not _MIDNIGHT.fullmatch(whole.text[11:]):
        return None
    return Timed(whole.text[:10], None)


def _time(text: str) -> Timed | None:
    found = _ONLY_TIME.fullmatch(text)
    return Timed(_time_of(found), found["zone"] is not None) if found else None


def _time_of(found: re.Match[str]) -> str:
    fraction = f".{found['fraction']}" if found["fraction"] else ""
    return f"{found['time']}{found['seconds'] or ':00'}{fraction}{_zone(found['zone'])}"


def _zone(zone: str | None) -> str:
    """Return an offset with hours and minutes.

    >>> _zone("UTC"), _zone("+0530"), _zone("-08"), _zone(None)
    ('Z', '+05:30', '-08:00', '')
    """
    if zone is None or zone[0] not in "+-":
        return "Z" if zone else ""
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"


def _exists(date: str) -> bool:
    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        return False
    return True


FORMATS: dict[str, Callable[[str], Timed | None]] = {"date-time": _date_time, "date": _date, "time": _time}
"""The formats, each with a function that returns text in this form; None if the text has no exact one."""


def timed(name: str, text: str) -> Timed | None:
    """Return text in the form of the format of this name; None if it has no exact one.

    >>> timed("date-time", "2024-01-02 03:04:05,250+0200").text
    '2024-01-02T03:04:05.250+02:00'
    """
    return FORMATS[name](text)
