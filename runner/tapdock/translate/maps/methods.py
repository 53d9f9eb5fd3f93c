"""Methods and attributes that an expression may use, by the type of the value. None changes the value."""

import datetime
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from tapdock.translate.maps.limits import MAX_WIDTH, Fault, check_length, check_width
from tapdock.translate.maps.numbers import EXACT, described
from tapdock.translate.maps.texts import items_of, strftime

__all__ = ["ATTRIBUTES", "INSTEAD", "METHODS"]

Method = Callable[..., Any]

_STRING = (
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower "
    "isnumeric isprintable isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind rindex "
    "rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)
_SET = "copy difference intersection isdisjoint issubset issuperset symmetric_difference union"
_DATE = "ctime isoformat isoweekday toordinal weekday"
_DATETIME = f"{_DATE} astimezone date dst time timestamp timetz tzname utcoffset"
_TIME = "dst isoformat tzname utcoffset"


def _padded(method: Method) -> Method:
    def pad(value: str, width: Any, *fill: Any) -> Any:
        check_width(width)
        return method(value, width, *fill)

    return pad


def _expanded(value: str, tabsize: Any = 8) -> str:
    if not isinstance(tabsize, int) or tabsize > MAX_WIDTH:
        raise Fault(f"`tabsize` must be an integer of at most {MAX_WIDTH:,}")
    check_length(len(value) + value.count("\t") * tabsize, value)
    return value.expandtabs(tabsize)


def _replaced(value: str, old: Any, new: Any, count: Any = -1) -> str:
    if isinstance(old, str) and isinstance(new, str) and len(new) > len(old):
        check_length(len(value) + value.count(old) * (len(new) - len(old)), value, new)
    return value.replace(old, new, count)


def _joined(value: str, parts: Any) -> str:
    parts = items_of(parts)
    for one in parts:
        if not isinstance(one, str):
            raise Fault(f"`join` takes a list of strings, but an item is {described(one)}")
    check_length(sum(map(len, parts)) + len(value) * len(parts), *parts)
    return value.join(parts)


def _moved(value: Any, **fields: Any) -> Any:
    return value.replace(**fields)


def _methods(kind: type, names: str) -> dict[str, Method]:
    return {name: getattr(kind, name) for name in names.split()}


_ROUNDS = Context(prec=EXACT.prec, traps=[InvalidOperation])
_BY_TYPE: dict[type, dict[str, Method]] = {
    str: {
        **_methods(str, _STRING),
        **{name: _padded(getattr(str, name)) for name in ("center", "ljust", "rjust", "zfill")},
        "expandtabs": _expanded,
        "join": _joined,
        "replace": _replaced,
    },
    dict: {
        "copy": dict.copy,
        "get": dict.get,
        "items": lambda value: list(value.items()),
        "keys": lambda value: list(value),
        "values": lambda value: list(value.values()),
    },
    list: _methods(list, "copy count index"),
    tuple: _methods(tuple, "count index"),
    set: _methods(set, _SET),
    int: {"bit_length": int.bit_length},
    float: {"is_integer": float.is_integer},
    Decimal: {
        "normalize": lambda value: value.normalize(EXACT),
        "quantize": lambda value, exponent: value.quantize(exponent, context=_ROUNDS),
        "to_integral_value": lambda value: value.to_integral_value(),
    },
    datetime.date: {
        **_methods(datetime.date, _DATE),
        "isocalendar": lambda value: tuple(value.isocalendar()),
        "replace": _moved,
        "strftime": strftime,
    },
    datetime.datetime: {
        **_methods(datetime.datetime, _DATETIME),
        "isocalendar": lambda value: tuple(value.isocalendar()),
        "replace": _moved,
        "strftime": strftime,
    },
    datetime.time: {**_methods(datetime.time, _TIME), "replace": _moved, "strftime": strftime},
    datetime.timedelta: {"total_seconds": datetime.timedelta.total_seconds},
}

METHODS: dict[str, dict[type, Method]] = {
    name: {kind: methods[name] for kind, methods in _BY_TYPE.items() if name in methods}
    for name in sorted({name for methods in _BY_TYPE.values() for name in methods})
}
"""The functions of each method's name, by the type of the value."""

_CLOCK = frozenset({"hour", "minute", "second", "microsecond", "tzinfo"})
_DAY = frozenset({"year", "month", "day"})
ATTRIBUTES: dict[type, frozenset[str]] = {
    datetime.date: _DAY,
    datetime.datetime: _DAY | _CLOCK,
    datetime.time: _CLOCK,
    datetime.timedelta: frozenset({"days", "seconds", "microseconds"}),
}
"""The attributes of each type. The attributes of an object are its keys."""

_F_STRING = "use an f-string such as `f'{first} {last}'`"
_CHANGING = "add append clear discard extend insert pop popitem remove reverse setdefault sort update"
_COPY = "an expression cannot change a value; build a new one, for example by a comprehension"
INSTEAD: dict[str, str] = {
    "format": _F_STRING,
    "format_map": _F_STRING,
    "encode": "md5, sha256 and hash take the string itself",
    "translate": "use `replace`",
    "maketrans": "use `replace`",
    **dict.fromkeys(_CHANGING.split(), _COPY),
}
"""What to use instead of methods that are not allowed."""
