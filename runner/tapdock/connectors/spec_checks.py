"""Check that a connector's spec can be used. It is JSON of a stranger, and tapdock follows it recursively."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapdock.protocol.json_pointer import referred

__all__ = ["cleaned", "flaw"]

_DEEPEST = 64
_MOST_CHOICES = 8  # levels of `oneOf`, `anyOf` and `allOf` inside each other
_MOST_PARTS = 50_000
_NAMED = ("properties", "patternProperties", "definitions", "$defs")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_CHOICES = ("oneOf", "anyOf", "allOf")
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


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


def cleaned(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that has no `flaw`, without keywords whose values have the wrong type.

    A part that is not a schema becomes one that accepts every value. Otherwise each reader would have to expect, for
    example, `required: true` (draft 3), `properties: null`, and the plain "null" under `anyOf` of Meltano's SDK.
    """
    return {name: value for name, value in map(_cleaned_keyword, schema.items()) if value is not None}


def _cleaned_keyword(keyword: tuple[str, Any]) -> tuple[str, Any]:
    """Return a keyword with its value; with None if the value has the wrong type."""
    name, value = keyword
    if name in _NAMED:
        return name, {key: _cleaned_part(part) for key, part in value.items()} if value else None
    if name in _CHOICES:
        return name, [_cleaned_part(part) for part in value] if value else None
    if name in _SINGLE and isinstance(value, list):
        return name, [_cleaned_part(part) for part in value] if name == "items" else None
    if name in _SINGLE:
        return name, _cleaned_part(value) if isinstance(value, Mapping | bool) else None
    return name, value if name not in _VALUES or _VALUES[name](value) else None


def _cleaned_part(part: Any) -> Any:
    if isinstance(part, Mapping):
        return cleaned(part)
    return part if isinstance(part, bool) else {"type": part} if part in _TYPES else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_types(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(item in _TYPES for item in listed)


_VALUES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("$ref", "$id", "$schema", "pattern", "format", "title", "description"), _is_text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    "dependencies": lambda value: isinstance(value, Mapping),
    "enum": lambda value: isinstance(value, list),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "required": _are_texts,
    "type": _are_types,
}
"""Keywords with the test for their values; keywords that are not here may have any value."""
