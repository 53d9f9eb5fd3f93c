"""Translate JSON schemas of Singer taps for Airbyte destinations (protocol.md 3.3, right to left)."""

from collections.abc import Mapping
from typing import Any

from tapdock.protocol.json_pointer import referred
from tapdock.translate.schemas.expansion import Root

__all__ = ["airbyte_schema", "merged"]

_OURS = frozenset({"selected", "inclusion", "definitions", "$defs", "$ref"})
_ANYTHING = {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
"""The schema for values without a type, which a destination would otherwise treat as objects."""
_FLAGS = ("exclusiveMinimum", "exclusiveMaximum", "required")
_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_Schema = dict[str, Any]


def airbyte_schema(schema: Mapping[str, Any]) -> _Schema:
    """Return a stream's schema with its references resolved, and without keywords that are only for taps.

    Raises TranslationError for a schema that expands to too many parts.
    """
    root = Root(schema)
    whole = _resolved(schema, root, ())
    properties = whole.get("properties")
    translated = {name: value for name, value in whole.items() if name not in _OURS}
    translated["properties"] = {
        name: _translated(inner, root, ())
        for name, inner in (properties if isinstance(properties, dict) else {}).items()
    }
    return {"type": "object", **translated}


def _resolved(schema: Mapping[str, Any], root: Root, seen: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the schema that a `$ref` names, merged with its siblings; without it if it refers to itself."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = referred(root, reference) if reference not in seen else None
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**_resolved(found, root, (*seen, reference)), **beside} if isinstance(found, dict) else beside


def _translated(schema: Any, root: Root, seen: tuple[str, ...]) -> _Schema:
    root.spend()
    if not isinstance(schema, dict):
        return dict(_ANYTHING)
    reference = schema.get("$ref")
    within = (*seen, reference) if isinstance(reference, str) else seen
    schema = {name: value for name, value in _resolved(schema, root, seen).items() if name not in _OURS}
    for flag in _FLAGS:
        if isinstance(schema.get(flag), bool):  # the form of older drafts
            del schema[flag]
    for combination in _COMBINATIONS:
        if isinstance(schema.get(combination), list) and "type" not in schema:
            return _union(combination, [_translated(branch, root, within) for branch in schema[combination]])
    if "type" not in schema:
        kind = _kind(schema)
        if kind is None:
            return {**schema, **_ANYTHING} if "enum" not in schema else dict(_ANYTHING)
        schema["type"] = ["null", kind]
    if isinstance(schema.get("properties"), dict):
        schema["properties"] = {name: _translated(one, root, within) for name, one in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        items = _items(schema["items"], root, within)
        schema.pop("items") if items is None else schema.update(items=items)
    return _typed(schema)


def _items(items: Mapping[str, Any], root: Root, seen: tuple[str, ...]) -> _Schema | None:
    """Return the schema of items; None for items that contain themselves, such as arrays of any depth."""
    if items.get("$ref") in seen or _refers_to_itself(items, root):
        return None
    return _translated(items, root, seen)


def _refers_to_itself(schema: Mapping[str, Any], root: Root) -> bool:
    inner = _resolved(schema, root, ()).get("items")
    return isinstance(inner, dict) and "$ref" in schema and inner.get("$ref") == schema["$ref"]


def _kind(schema: Mapping[str, Any]) -> str | None:
    """Return the type that a schema without `type` implies; None if there is none."""
    return "object" if "properties" in schema else "array" if "items" in schema else None


def _typed(schema: _Schema) -> _Schema:
    match schema.get("format"):
        case "date-time":
            return {**schema, "airbyte_type": schema.get("airbyte_type", "timestamp_with_timezone")}
        case "singer.decimal":
            return {name: value for name, value in schema.items() if name != "format"}
    return schema


def _union(combination: str, branches: list[_Schema]) -> _Schema:
    """Return the only branch beside null; text if all branches are text, in any format; else a union."""
    distinct: list[_Schema] = []
    for branch in branches:
        if branch.get("type") not in ("null", ["null"]) and branch not in distinct:
            distinct.append(branch)
    if len(distinct) == 1:
        return distinct[0]
    if distinct and all(_kinds(branch) == {"string"} for branch in distinct):
        return {"type": ["null", "string"]}
    return {combination: distinct or branches}


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    return {str(one) for one in (kind if isinstance(kind, list) else [kind])} - {"null"}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> _Schema:
    """Return a schema for records of both: with every field of either, and a type that covers both types.

    >>> merged({"properties": {"a": {"type": "integer"}}}, {"properties": {"a": {"type": "number"}}})
    {'properties': {'a': {'type': ['null', 'number']}}}
    """
    properties = dict(one.get("properties", {}))
    for name, schema in other.get("properties", {}).items():
        properties[name] = _covering(properties[name], schema) if name in properties else schema
    return {**one, **other, "properties": properties}


def _covering(one: _Schema, other: _Schema) -> _Schema:
    if one == other:
        return one
    kinds = _kinds(one) | _kinds(other)
    if kinds == {"object"}:
        return merged(one, other)
    if kinds in ({"integer", "number"}, {"number"}):
        return {"type": ["null", "number"]}
    if len(kinds) == 1 and "None" not in kinds:
        return {"type": ["null", *kinds]} if kinds != {"array"} else {"type": ["null", "array"]}
    return {"oneOf": [one, other]}
