"""Schemas of mapped fields: each of them may be null, as the Singer SDK declares it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["nullable"]


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema whose values may also be null.

    >>> nullable({"type": "integer"})
    {'type': ['integer', 'null']}
    """
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            has_null = any(isinstance(one, Mapping) and "null" in _types(one) for one in options)
            return {**schema} if has_null else {**schema, key: [*options, {"type": "null"}]}
    if "type" not in schema or "null" in _types(schema):
        return {**schema}
    found = {**schema, "type": [*_types(schema), "null"]}
    if isinstance(words := found.get("enum"), list) and None not in words:
        found["enum"] = [*words, None]
    return found


def _types(schema: Mapping[str, Any]) -> list[Any]:
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]
