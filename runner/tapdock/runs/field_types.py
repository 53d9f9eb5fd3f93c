"""The JSON types of values, and the one type of a field whose values have several."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

__all__ = ["type_of", "types_in"]


def types_in(values: Iterable[Any]) -> set[str]:
    """Return the JSON types of values, without that of null."""
    return {_kind(value) for value in values if value is not None}


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case Decimal() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def type_of(kinds: Iterable[str]) -> str:
    """Return the JSON type for values of these types; text, if they have no other one in common.

    >>> type_of({"integer", "number"}), type_of({"object", "integer"}), type_of(())
    ('number', 'string', 'string')
    """
    found = set(kinds)
    if found == {"integer", "number"}:
        return "number"
    return found.pop() if len(found) == 1 else "string"
