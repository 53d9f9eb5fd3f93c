"""Whether a connector's spec can be used at all: it is somebody else's JSON, and is followed recursively."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["flaw"]

_DEEPEST = 64
_MOST_CHOICES = 8  # of `oneOf` and its like inside of each other
_MOST_PARTS = 50_000
_NAMED = ("properties", "patternProperties", "definitions", "$defs")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_CHOICES = ("oneOf", "anyOf", "allOf")


def flaw(schema: Any) -> str | None:
    """Say what makes a JSON schema unusable; None where it can be used.

    A reference counts as the part that it names, as often as it is used, but not inside of itself.
    """
    left: list[tuple[Any, int, int, frozenset[str]]] = [(schema, 0, 0, frozenset())]
    parts = 0
    while left:
        part, depth, choices, seen = left.pop()
        parts += 1
        if parts > _MOST_PARTS:
            return f"it stands for more than {_MOST_PARTS:,} parts"
        if depth > _DEEPEST or choices > _MOST_CHOICES:
            return "it is nested too deep"
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            return "a part of it is not an object"
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            found = _at(schema, reference)
            if isinstance(found, Mapping):
                left.append((found, depth + 1, choices, seen | {reference}))
        for inner, is_choice in _inner(part):
            left.append((inner, depth + 1, choices + is_choice, seen))
    return None


def _inner(part: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """The schemas inside of a part; something that is none for a keyword with a value of a wrong type."""
    for name in _NAMED:
        named = part.get(name) or {}
        yield from ((inner, False) for inner in (named.values() if isinstance(named, Mapping) else [None]))
    for name in _SINGLE:
        if name in part and part[name] is not None:
            single = part[name]
            yield from ((inner, False) for inner in (single if isinstance(single, list) else [single]))
    for name in _CHOICES:
        listed = part.get(name) or []
        yield from ((inner, True) for inner in (listed if isinstance(listed, list) else [None]))


def _at(schema: Any, reference: str) -> Any:
    found = schema if reference.startswith("#") else None
    for name in reference.split("/")[1:]:
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
