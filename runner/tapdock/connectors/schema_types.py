"""Compare two JSON schemas of one field: what was added, removed and changed, and whether old values still fit."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from tapdock.protocol.json_pointer import referred

__all__ = ["ARRAY", "Difference", "differences", "properties", "resolved", "shown"]

Kind = Literal["added", "removed", "changed"]
_ANY = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_UNIONS = ("anyOf", "oneOf", "allOf")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
ARRAY = "[]"
"""The elements of an array, in a path."""
_DEEPEST = 30
_LONGEST = 60
_MOST_PARTS = 100_000


class Difference(NamedTuple):
    """One difference at a path below the field. `narrows`: values that the old schema allows do not fit the new one."""

    path: tuple[str, ...]
    kind: Kind
    detail: str
    narrows: bool


def differences(before: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield the differences of two schemas, those of nested fields included. Descriptions and titles do not count."""
    if before == now:
        return
    if len(path) > _DEEPEST:
        yield Difference(path, "changed", "its nested fields", True)
        return
    old, new = _types(before), _types(now)
    if old != new:
        yield Difference(path, "changed", f"{shown(before)} -> {shown(now)}", not (old <= new or new >= _ANY))
    yield from _limits(before, now, path)
    was, has = properties(before), properties(now)
    if was and has:
        for name in dict.fromkeys((*was, *has)):
            here = (*path, name)
            if name not in was:
                yield Difference(here, "added", shown(has[name]), False)
            elif name not in has:
                yield Difference(here, "removed", shown(was[name]), True)
            else:
                yield from differences(was[name], has[name], here)
    if "array" in old and "array" in new:
        yield from differences(_items(before), _items(now), (*path, ARRAY))


def shown(schema: Any) -> str:
    """Return the types of a schema in words.

    >>> shown({"type": ["null", "string"], "format": "date-time"})
    'string (date-time) or null'
    """
    types = _types(schema)
    if types >= _ANY:
        return "any type"
    words = sorted(types - ({"integer"} if "number" in types else set()), key=lambda name: (name == "null", name))
    return " or ".join(f"{name} ({form})" if form else name for name, _, form in (w.partition(":") for w in words))


def _types(schema: Any) -> frozenset[str]:
    """Return the types that values may have, with the format of text. A number may be an integer."""
    if not isinstance(schema, Mapping):
        return _ANY
    if "type" not in schema:
        branches = [each for name in _UNIONS for each in _list(schema.get(name))]
        if branches:
            return frozenset().union(*(_types(each) for each in branches))
        return frozenset({"object"}) if "properties" in schema else _ANY
    form = str(schema.get("airbyte_type") or schema.get("format") or schema.get("contentEncoding") or "")
    found: set[str] = set()
    for name in _list(schema["type"]):
        if name == "string" and form:
            found.add(f"string:{form}")
        elif name == "number" and form == "integer":
            found.add("integer")
        else:
            found |= {"number", "integer"} if name == "number" else {str(name)}
    return frozenset(found)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def properties(schema: Any) -> Mapping[str, Any]:
    """Return the nested fields of a schema, also those in its alternatives."""
    if not isinstance(schema, Mapping):
        return {}
    own = schema.get("properties")
    found: dict[str, Any] = {}
    for name in _UNIONS:
        for branch in _list(schema.get(name)):
            found |= properties(branch)
    return {**found, **(own if isinstance(own, Mapping) else {})}


def _items(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return None
    branches = (each for name in _UNIONS for each in _list(schema.get(name)))
    found = (each["items"] for each in (schema, *branches) if isinstance(each, Mapping) and "items" in each)
    return next(found, None)


def _limits(before: Any, now: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    """Yield differences of the values that are allowed within the same types."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return
    for name in (*_UPPER, *_LOWER, "multipleOf"):
        old, new = _number(before.get(name)), _number(now.get(name))
        if old != new:
            yield Difference(path, "changed", f"{name} {_word(old)} -> {_word(new)}", _narrows(name, old, new))
    old_words, new_words = _words(before), _words(now)
    if old_words != new_words:
        narrows = new_words is not None and (old_words is None or not old_words <= new_words)
        yield Difference(path, "changed", f"enum {_listed(old_words)} -> {_listed(new_words)}", narrows)


def _narrows(name: str, old: float | None, new: float | None) -> bool:
    if new is None or old is None:
        return new is not None
    if name == "multipleOf":
        return not new or Decimal(str(old)) % Decimal(str(new)) != 0
    return new < old if name in _UPPER else new > old


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(schema: Mapping[str, Any]) -> frozenset[str] | None:
    found = schema.get("enum")
    return frozenset(map(str, found)) if isinstance(found, list) else None


def _word(value: float | None) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _listed(words: frozenset[str] | None) -> str:
    text = "none" if words is None else ", ".join(sorted(words))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def resolved(schema: Mapping[str, Any]) -> Any:
    """Return a schema with the definitions to which it refers in place of its references.

    A reference inside of its own definition stays, and so do those of a schema that would expand without limits.

    >>> resolved({"properties": {"a": {"$ref": "#/b"}}, "b": {"type": "object"}})["properties"]
    {'a': {'type': 'object'}}
    """
    left = _MOST_PARTS

    def schema_of(part: Any, seen: tuple[str, ...], depth: int) -> Any:
        nonlocal left
        left -= 1
        if isinstance(part, list):
            return [schema_of(each, seen, depth) for each in part]
        if not isinstance(part, Mapping) or depth > _DEEPEST or left < 0:
            return part
        reference = part.get("$ref")
        found = referred(schema, reference) if reference not in seen else None
        if isinstance(found, Mapping):
            seen = (*seen, str(reference))
            part = {**found, **{name: value for name, value in part.items() if name != "$ref"}}
        inner = {name: schema_of(part[name], seen, depth + 1) for name in ("items", *_UNIONS) if name in part}
        fields = part.get("properties")
        if isinstance(fields, Mapping):
            inner["properties"] = {name: schema_of(each, seen, depth + 1) for name, each in fields.items()}
        return {**part, **inner}

    return schema_of(schema, (), 0)
