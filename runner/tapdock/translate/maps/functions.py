"""Functions of expressions: those of the Singer SDK, and those of its modules `datetime` and `json`."""

import datetime
import hashlib
import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from tapdock.translate.maps import texts
from tapdock.translate.maps.limits import MAX_BITS, Fault, check_integer
from tapdock.translate.maps.numbers import described

__all__ = ["CONSTANTS", "FUNCTIONS", "MODULES", "Function"]


class Function(NamedTuple):
    """A function, how many arguments it takes without their names, and the names that it accepts (None: any)."""

    call: Callable[..., Any]
    least: int = 0
    most: int = 1
    keywords: frozenset[str] | None = frozenset()


_NUMERIC = (str, int, float, Decimal)


def _digest(name: str) -> Callable[[Any], str]:
    algorithm = getattr(hashlib, name)
    try:
        algorithm(b"")
    except ValueError:  # the system allows MD5 only for other purposes than security
        algorithm = partial(algorithm, usedforsecurity=False)

    def digest(value: Any) -> str:
        if not isinstance(value, str):
            raise Fault(f"{name} takes a string, not {described(value)}. Use `{name}(str(...))`")
        return str(algorithm(value.encode()).hexdigest())

    return digest


def _integer(value: Any = 0, base: Any = None) -> int:
    if isinstance(value, Decimal):
        check_integer(min(4 * max(value.adjusted(), 0), MAX_BITS + 1) if value.is_finite() else 0)
    if isinstance(value, str) and base is not None:
        return int(value, base)
    if base is None and isinstance(value, _NUMERIC):
        return int(value)
    raise Fault(f"int takes a number or a string, not {described(value)}")


def _float(value: Any = 0.0) -> float:
    if isinstance(value, _NUMERIC):
        return float(value)
    raise Fault(f"float takes a number or a string, not {described(value)}")


def _randint(top: Any) -> int:
    return int(random.random() * float(top))  # noqa: S311 the SDK's function, not for secrets


def _dict(value: Any = (), **named: Any) -> dict[Any, Any]:
    return dict(value if isinstance(value, dict) else texts.items_of(value), **named)


FUNCTIONS: dict[str, Function] = {
    "md5": Function(_digest("md5"), 1),
    "sha256": Function(_digest("sha256"), 1),
    "bool": Function(lambda value=False: bool(value)),
    "int": Function(_integer, 0, 2, frozenset({"base"})),
    "float": Function(_float),
    "str": Function(lambda value="": texts.text(value)),
    "rand": Function(lambda: random.random(), 0, 0),  # noqa: S311 the SDK's function, not for secrets
    "randint": Function(_randint, 1),
    "list": Function(lambda value=(): list(texts.items_of(value))),
    "tuple": Function(lambda value=(): tuple(texts.items_of(value))),
    "dict": Function(_dict, 0, 1, None),
    "set": Function(lambda value=(): set(texts.items_of(value))),
}


def _with_floats(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function for arguments that are Decimals: the module `datetime` takes only floats and integers."""

    def called(*values: Any, **named: Any) -> Any:
        if not named and Decimal not in map(type, values):
            return call(*values)
        return call(*map(_float_of, values), **{name: _float_of(value) for name, value in named.items()})

    return called


def _float_of(value: Any) -> Any:
    return float(value) if type(value) is Decimal else value


def _strptime(value: Any, pattern: Any) -> datetime.datetime:
    if not isinstance(value, str) or len(value) > 1000:
        raise Fault(f"strptime takes a string of up to 1,000 characters, not {described(value)}")
    return datetime.datetime.strptime(value, texts.strptime_format(pattern))  # noqa: DTZ007 as in Python


_DATE = frozenset({"year", "month", "day"})
_TIME = frozenset({"hour", "minute", "second", "microsecond", "tzinfo", "fold"})
_SPAN = frozenset({"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"})
_TZ = frozenset({"tz"})
_CALENDAR = frozenset({"year", "week", "day"})


def _dated(call: Callable[..., Any], least: int, most: int, keywords: frozenset[str] = frozenset()) -> Function:
    return Function(_with_floats(call), least, most, keywords)


MODULES: dict[str, Function] = {
    "json.dumps": Function(texts.dumps, 1, 1, frozenset({"sort_keys", "ensure_ascii", "separators"})),
    "json.loads": Function(texts.loads, 1),
    "datetime.datetime": _dated(datetime.datetime, 0, 8, _DATE | _TIME),
    "datetime.datetime.now": _dated(datetime.datetime.now, 0, 1, _TZ),
    "datetime.datetime.utcnow": _dated(lambda: datetime.datetime.now(datetime.UTC).replace(tzinfo=None), 0, 0),
    "datetime.datetime.today": _dated(datetime.datetime.today, 0, 0),
    "datetime.datetime.fromisoformat": Function(datetime.datetime.fromisoformat, 1),
    "datetime.datetime.fromtimestamp": _dated(datetime.datetime.fromtimestamp, 1, 2, _TZ),
    "datetime.datetime.utcfromtimestamp": _dated(
        lambda value: datetime.datetime.fromtimestamp(value, datetime.UTC).replace(tzinfo=None), 1, 1
    ),
    "datetime.datetime.fromordinal": _dated(datetime.datetime.fromordinal, 1, 1),
    "datetime.datetime.fromisocalendar": _dated(datetime.datetime.fromisocalendar, 0, 3, _CALENDAR),
    "datetime.datetime.combine": _dated(datetime.datetime.combine, 2, 3, frozenset({"tzinfo"})),
    "datetime.datetime.strptime": Function(_strptime, 2, 2),
    "datetime.date": _dated(datetime.date, 0, 3, _DATE),
    "datetime.date.today": _dated(datetime.date.today, 0, 0),
    "datetime.date.fromisoformat": Function(datetime.date.fromisoformat, 1),
    "datetime.date.fromtimestamp": _dated(datetime.date.fromtimestamp, 1, 1),
    "datetime.date.fromordinal": _dated(datetime.date.fromordinal, 1, 1),
    "datetime.date.fromisocalendar": _dated(datetime.date.fromisocalendar, 0, 3, _CALENDAR),
    "datetime.time": _dated(datetime.time, 0, 5, _TIME),
    "datetime.time.fromisoformat": Function(datetime.time.fromisoformat, 1),
    "datetime.timedelta": _dated(datetime.timedelta, 0, 7, _SPAN),
    "datetime.timezone": _dated(datetime.timezone, 1, 2, frozenset({"offset", "name"})),
}
"""The functions of modules, by the text with which an expression calls them."""

CONSTANTS: dict[str, Any] = {
    "datetime.timezone.utc": datetime.UTC,
    "datetime.UTC": datetime.UTC,
    **{
        f"datetime.{kind}.{name}": getattr(getattr(datetime, kind), name)
        for kind in ("datetime", "date", "time", "timedelta")
        for name in ("min", "max")
    },
}
