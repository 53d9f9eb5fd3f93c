"""One form for JSON that somebody may have written anew: keys in order, numbers by value."""

import json
from decimal import Decimal
from typing import Any

__all__ = ["canonical"]

_MOST_DIGITS = 1000


def canonical(text: bytes | str) -> str:
    """The same text for the same value; raises ValueError for what is no JSON.

    >>> canonical('{"b": 1.50, "a": [1e2]}') == canonical('{"a":[100.0],"b":1.5}')
    True
    """
    value = json.loads(text, parse_int=_number, parse_float=_number)
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _number(text: str) -> Any:
    """A list, so that no string is ever the same."""
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MOST_DIGITS:
        return ["number", text]
    return ["number", format(number.normalize(), "f")]
