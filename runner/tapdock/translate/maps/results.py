"""The value of an expression as a value of JSON."""

import datetime
import math
from decimal import Decimal
from typing import Any

from tapdock.translate.maps.limits import Fault, check_integer, check_weight
from tapdock.translate.maps.texts import items_of

__all__ = ["result"]

_CONTAINERS = (list, tuple, set, dict)


def result(value: Any) -> Any:
    """Return a value that JSON can have. Raises Fault for all others.

    Dates become ISO 8601, as the SDK writes them. Tuples and sets become lists, the items of a set in order.
    """
    kind = type(value)
    if (kind is str and value.isascii()) or (kind is Decimal and value.is_finite()) or value is None:
        return value
    if isinstance(value, _CONTAINERS):
        check_weight(value)
    return _converted(value)


def _converted(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            if not value.isascii():
                value.encode()  # raises for half of a surrogate pair
            return str(value)
        case int():
            check_integer(value.bit_length())
            return value
        case float():
            return value if math.isfinite(value) else _not_finite()
        case Decimal():
            return value if value.is_finite() else _not_finite()
        case dict():
            return {_key(key): _converted(inner) for key, inner in value.items()}
        case list() | tuple() | set():
            return [_converted(inner) for inner in items_of(value)]
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return str(value)
    raise Fault("the result is not a value of JSON")


def _not_finite() -> Any:
    raise Fault("the result is not a finite number")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise Fault("a key of an object in the result is not a string. Use `str(...)`")
    return str(_converted(key))
