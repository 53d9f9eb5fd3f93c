"""Return a canonical form of JSON, to compare values: keys in order, numbers by value."""

import json
from decimal import Decimal
from typing import Any

__all__ = ["canonical"]

_MOST_DIGITS = 1000
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def canonical(text: bytes | str) -> str:
    """Return the same text for the same value. Raises ValueError for invalid JSON, also if it is nested too deeply.

    >>> canonical('{"b": 1.50, "a": [1e2]}')
    '{"a":[100],"b":1.5}'
    """
    try:
        return _text(json.loads(text, parse_int=Decimal, parse_float=Decimal))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _text(value: Any) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{_ENCODE(name)}:{_text(value[name])}" for name in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(_text, value)) + "]"
        case Decimal():
            return _number(value)
    return _ENCODE(value)


def _number(number: Decimal) -> str:
    if not number:
        return "0"
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MOST_DIGITS:
        return str(number)
    digits = format(number, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
