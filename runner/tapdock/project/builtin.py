"""Built-in variables of a connector's `config` and `env`: names of the run, and times relative to its start.

`${SOURCE}`, `${NOW-30d}` and `${TODAY-1mo:%Y%m}` are examples.
"""

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from tapdock.errors import UsageError

__all__ = ["BUILTIN", "DATES", "ENVIRONMENT", "NAMES", "Builtin", "Filled", "filled", "read_builtin"]

ENVIRONMENT = "ENVIRONMENT"
"""The only built-in variable that has its value before a run, so it may be used in every value of the file."""
DATES = ("NOW", "TODAY")
NAMES = ("SOURCE", "TARGET", "PIPELINE", ENVIRONMENT, "RUN_ID", "LOAD_SCHEMA", *DATES)
"""The names of the built-in variables, which nothing else may define."""
_MOVING = ("RUN_ID", *DATES)
_FORMATS = {"NOW": "%Y-%m-%dT%H:%M:%SZ", "TODAY": "%Y-%m-%d"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_CODES = "YmdHMSfjyGVus%"
BUILTIN = rf"(?:{'|'.join(NAMES)})(?![A-Za-z0-9_])"
_DATE = re.compile(r"(?P<name>NOW|TODAY)(?P<shift>[+-][0-9]{1,9}(?P<unit>mo|[smhdw]))?(?::(?!-)(?P<format>.+))?")
_NAME = re.compile(r"(?P<name>[A-Z_]+)(?::-(?P<default>.*))?", re.DOTALL)


class Filled(str):
    """Text in which built-in variables are replaced. `steady` has references to times and run ids in their place."""

    steady: str


def filled(text: str, steady: str) -> Filled:
    """Return text that is compared as `steady`: a date that moves every day is no change of a config."""
    made = Filled(text)
    made.steady = steady
    return made


class Builtin(msgspec.Struct, frozen=True, kw_only=True):
    """A reference to a built-in variable; `written` is its text in the file. A `shift` is like `-30d`."""

    name: str
    written: str
    default: str | None = None
    shift: str = ""
    format: str = ""

    def value(self, names: Mapping[str, str], now: float) -> Filled | None:
        """Return the text at the time `now` (seconds since the epoch); None if the name has no value here."""
        text = self._time(now) if self.name in DATES else names.get(self.name, self.default)
        return None if text is None else filled(text, self.written if self.name in _MOVING else text)

    def _time(self, now: float) -> str:
        time = datetime.fromtimestamp(int(now), UTC)
        if self.name == "TODAY":
            time = time.replace(hour=0, minute=0, second=0)
        return _written(_shifted(time, self.shift), self.format or _FORMATS[self.name])


def read_builtin(text: str, *, place: str) -> Builtin:
    """Return the reference in `${text}`, whose name is that of a built-in variable. Raises UsageError at `place`."""
    written = f"${{{text}}}"
    date = _DATE.fullmatch(text)
    if date:
        found = Builtin(name=date["name"], written=written, shift=date["shift"] or "", format=date["format"] or "")
        _require_sound(found, date["unit"], place)
        return found
    plain = _NAME.fullmatch(text)
    if plain is None or plain["name"] in DATES:
        hint = "for example `${NOW-30d}`, `${TODAY-1d:%Y-%m-%d}` or `${NOW-12h}`; units are s, m, h, d, w and mo"
        if not text.startswith(DATES):
            hint = "write `${NAME}` or `${NAME:-text}`"
        raise UsageError(f"{place} has `{written}`, which is not a reference to a built-in variable", hint=hint)
    return Builtin(name=plain["name"], written=written, default=plain["default"])


def _require_sound(found: Builtin, unit: str | None, place: str) -> None:
    if found.name == "TODAY" and unit in ("s", "m", "h"):
        hint = f"write `${{NOW{found.shift}}}`, or a number of days"
        raise UsageError(f"{place} has `{found.written}`, but TODAY is a day without a time", hint=hint)
    wrong = [code for code in re.findall(r"%(.?)", found.format) if code not in _CODES or not code]
    if wrong:
        known = ", ".join(f"%{code}" for code in _CODES)
        raise UsageError(
            f"{place} has `{found.written}`, whose format has the unknown code `%{wrong[0]}`", hint=f"known: {known}"
        )
    try:
        found.value({}, 4e9)
        found.value({}, 1e9)
    except (ValueError, OverflowError):
        raise UsageError(f"{place} has `{found.written}`, which is not in the years 1 to 9999") from None


def _shifted(time: datetime, shift: str) -> datetime:
    """Return the time moved by `-30d`. A month before or after a day that the month does not have is its last day."""
    if not shift:
        return time
    if not shift.endswith("mo"):
        return time + timedelta(seconds=int(shift[:-1]) * _SECONDS[shift[-1]])
    months = time.year * 12 + time.month - 1 + int(shift[:-2])
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return time.replace(year=year, month=month + 1, day=min(time.day, monthrange(year, month + 1)[1]))


def _written(time: datetime, form: str) -> str:
    """Return the time in a format. Years have four digits and `%s` is in UTC, both on every machine."""
    seconds, year = str(int(time.timestamp())), f"{time.year:04}"
    own = {"%s": seconds, "%Y": year, "%%": "%%"}
    return time.strftime(re.sub(r"%.", lambda code: own.get(code[0], code[0]), form))
