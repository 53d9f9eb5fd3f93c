"""Check that values of a user can be written as JSON and are read from it as the same values."""

import json
import math
import re
from typing import Any

__all__ = ["flaw", "number", "parse_json"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 4300  # the longest integer that Python writes as text
_MOST_BITS = int(_MOST_DIGITS * math.log2(10))


def flaw(value: object) -> str | None:
    """Return why a plain value cannot be written as JSON, as a predicate; None if it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is larger than any number that JSON readers accept"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"has more than {_MOST_DIGITS} digits"
    if isinstance(value, str) and _SURROGATE.search(value):
        return "is not Unicode text: it contains half of a surrogate pair, or a byte that is not UTF-8"
    return None


def number(text: str) -> int | float:
    """Return the number in the text. Raises ValueError if there is none, also for `nan` and `1e999`."""
    value = int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text)
    if problem := flaw(value):
        raise ValueError(f"it {problem}")
    return value


def parse_json(text: str | bytes) -> Any:
    """Return the value of JSON text. Raises ValueError for invalid JSON, also where only Python can read it."""
    try:
        value = json.loads(text, parse_float=number, parse_constant=_refused)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _refused(name: str) -> None:
    raise ValueError(f"`{name}` is not JSON")
