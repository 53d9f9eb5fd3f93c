"""Check that a connector's spec can be used. It is JSON of a stranger, and tapdock follows it recursively."""

from collections.abc import Iterator, Mapping
from typing import Any

from tapdock.protocol.json_pointer import referred

__all__ = ["flaw"]

_DEEPEST = 64
_MOST_CHOICES = 8  # levels of `oneOf`, `anyOf` and `allOf` inside each other
_MOST_PARTS = 50_000
_NAMED = ("properties", "patternProperties", "definitions", "$defs")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_CHOICES = ("oneOf", "anyOf", "allOf")


def flaw(schema: Any) -> str | None:
    """Return why a JSON schema cannot be used; None if it can.

    Each use of a reference counts as the part that it names, except inside that part itself.
    """
    left: list[tuple[Any, int, int, frozenset[str]]] = [(schema, 0, 0, frozenset())]
    parts = 0
    while left:
        part, depth, choices, seen = left.pop()
        parts += 1
        if parts > _MOST_PARTS:
            return f"it expands to more than {_MOST_PARTS:,} parts"
        if depth > _DEEPEST or choices > _MOST_CHOICES:
            return "it is nested too deeply"
        if not isinstance(part, Mapping):
            continue  # `true`, or a harmless mistake: specs of Meltano's SDK have a plain "null" under `anyOf`
        if wrong := _wrong(part):
            return f"its `{wrong}` has a value of the wrong type"
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            found = referred(schema, reference)
            if isinstance(found, Mapping):
                left.append((found, depth + 1, choices, seen | {reference}))
        for inner, is_choice in _inner(part):
            left.append((inner, depth + 1, choices + is_choice, seen))
    return None


def _wrong(part: Mapping[str, Any]) -> str | None:
    """Return a keyword whose value has the wrong type; None if there is none."""
    for name in _NAMED:
        if not isinstance(part.get(name) or {}, Mapping):
            return name
    for name in _CHOICES:
        if not isinstance(part.get(name) or [], list):
            return name
    return "allOf" if any(not isinstance(inner, Mapping) for inner in part.get("allOf") or []) else None


def _inner(part: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Yield the schemas inside a part, each with True if it is one of several choices."""
    for name in _NAMED:
        yield from ((inner, False) for inner in (part.get(name) or {}).values())
    for name in _SINGLE:
        single = part.get(name)
        yield from ((inner, False) for inner in (single if isinstance(single, list) else [single]))
    for name in _CHOICES:
        yield from ((inner, True) for inner in part.get(name) or [])
