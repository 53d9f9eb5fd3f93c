"""The value of an expression as a value of JSON."""

import datetime
import math
from decimal import Decimal
from typing import Any

from tapdock.translate.maps.limits import ITEM_COST, MAX_WEIGHT, Fault, check_integer
from tapdock.translate.maps.texts import items_of

__all__ = ["result"]


def result(value: Any) -> Any:
    """Return a value that JSON can have. Raises Fault for all others, and for those that are too large as text.

    Dates become ISO 8601, as the SDK writes them. Tuples and sets become lists, the items of a set in order.
    """
    kind = type(value)
    if kind is Decimal and value.is_finite():
        return value
    if kind is str:
        return _unicode(value)
    if value is None or kind is bool or (kind is float and math.isfinite(value)):
        return value
    return _converted(value, [MAX_WEIGHT])


def _unicode(value: str) -> str:
    if not value.isascii():
        value.encode()  # raises for half of a surrogate pair
    return value


def _converted(value: Any, left: list[int]) -> Any:
    """Return the value. `left` is what remains of the weight: one list may be many times in another one."""
    kind = type(value)
    if kind is str:
        _use(left, len(value))
        return _unicode(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        check_integer(value.bit_length())
        return value
    if kind is dict:
        _use(left, ITEM_COST * len(value))
        return {_key(key, left): _converted(inner, left) for key, inner in value.items()}
    if kind is list or kind is tuple or kind is set:
        _use(left, ITEM_COST * len(value))
        return [_converted(inner, left) for inner in items_of(value)]
    return _scalar(value)


def _use(left: list[int], weight: int) -> None:
    left[0] -= weight
    if left[0] < 0:
        raise Fault("the result is too large")


def _scalar(value: Any) -> Any:
    match value:
        case Decimal():
            return value if value.is_finite() else _not_finite()
        case float():
            return value if math.isfinite(value) else _not_finite()
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return str(value)
        case str():  # a value of Faker may be of a class that is derived from these
            return str(value)
        case int():
            return int(value)
    raise Fault("the result is not a value of JSON")


def _not_finite() -> Any:
    raise Fault("the result is not a finite number")


def _key(key: Any, left: list[int]) -> str:
    if not isinstance(key, str):
        raise Fault("a key of an object in the result is not a string. Use `str(...)`")
    return str(_converted(key, left))
