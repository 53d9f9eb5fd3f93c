"""Translate JSON schemas of Airbyte sources into the subset that is safe for Singer targets (protocol.md 2.4, 3.3)."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from tapdock.protocol.catalog import Stream
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.json_pointer import referred
from tapdock.protocol.schema_edits import pruned
from tapdock.translate.schemas.expansion import Root
from tapdock.translate.write.rules import Rule, as_number, as_text, fields, items
from tapdock.translate.write.schemaless import refused

__all__ = ["Translated", "field_schema", "singer_schema", "without_fields"]


class Translated(NamedTuple):
    """A schema for the target, and the rule that changes its values, with a `reason`; None if they are unchanged."""

    schema: dict[str, Any]
    rule: Rule | None = None
    reason: str | None = None


def without_fields(stream: Stream, exclusion: Exclusion) -> Stream:
    """Return a stream whose schema lacks the excluded fields."""
    text, removed = pruned(msgspec.json.encode(stream.json_schema), exclusion)
    return msgspec.structs.replace(stream, json_schema=msgspec.json.decode(text)) if removed else stream


def singer_schema(stream: Stream) -> Translated:
    """Return a stream's schema; the rule is for a whole record body.

    Raises UsageError if the source declares no fields, because targets create their columns from them.
    """
    root = Root(stream.json_schema)
    properties = _declared(root, root, ())
    if not properties:
        raise refused(stream.key)
    schemas, rules = _properties(properties, root, ("#",))
    reason = f"{_listed(rules)} must be converted" if rules else None
    return Translated({"type": "object", "properties": schemas}, fields(rules) if rules else None, reason)


def field_schema(schema: Mapping[str, Any], name: str) -> Translated:
    """Return the schema of one field that the schema of a record has among its own `properties`."""
    return _translate(schema["properties"][name], Root(schema), ("#",))


def _listed(names: Collection[str]) -> str:
    some = list(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"`{name}`" for name in some) + more


def _nullable(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": ["null", kind], **more}


_COMBINATIONS = ("oneOf", "anyOf", "allOf")
_FORMATS = ("date", "date-time", "time")
_AS_TEXT = Translated(_nullable("string"), as_text)
_ARRAY = Translated(_nullable("array"))
_INTEGER = Translated(_nullable("integer"))
_NUMBER = Translated(_nullable("number"))
_WELL_KNOWN_FILE = "WellKnownTypes.json#/definitions/"
_WELL_KNOWN = {
    "String": Translated(_nullable("string")),
    "BinaryData": Translated(_nullable("string", contentEncoding="base64")),
    "Date": Translated(_nullable("string", format="date")),
    "TimestampWithTimezone": Translated(_nullable("string", format="date-time")),
    "TimestampWithoutTimezone": Translated(_nullable("string", format="date-time")),
    "TimeWithTimezone": Translated(_nullable("string", format="time")),
    "TimeWithoutTimezone": Translated(_nullable("string", format="time")),
    "Number": Translated(_nullable("number"), as_number),
    "Integer": Translated(_nullable("integer"), as_number),
    "Boolean": Translated(_nullable("boolean")),
}


def _properties(
    properties: Mapping[str, Any], root: Root, seen: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Rule]]:
    translated = {name: _translate(schema, root, seen) for name, schema in properties.items()}
    schemas = {name: one.schema for name, one in translated.items()}
    return schemas, {name: one.rule for name, one in translated.items() if one.rule is not None}


def _translate(schema: Any, root: Root, seen: tuple[str, ...]) -> Translated:
    """Translate any schema; `seen` are the references around it. Values without a single type become JSON text."""
    root.spend()
    if not isinstance(schema, dict):
        return _AS_TEXT
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _referred(reference, root, seen)
    kinds = _kinds(schema)
    if len(kinds) > 1:
        return _union([{**schema, "type": kind} for kind in kinds], root, seen)
    if kinds:
        return _single(kinds[0], schema, root, seen)
    for combination in _COMBINATIONS:
        if isinstance(schema.get(combination), list):
            return _union(schema[combination], root, seen)
    return _AS_TEXT


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    """Return the types that a schema names, or implies by `properties` or `items`, without null."""
    kind = schema.get("type")
    if kind is None:
        return ["object"] if "properties" in schema else ["array"] if "items" in schema else []
    kinds = kind if isinstance(kind, list) else [kind]
    return [kind for kind in dict.fromkeys(map(str, kinds)) if kind != "null"]


def _single(kind: str, schema: Mapping[str, Any], root: Root, seen: tuple[str, ...]) -> Translated:
    match kind, schema.get("airbyte_type"):
        case "string", "big_integer":
            return Translated(_nullable("integer"), as_number)
        case "string", _:
            return Translated(_string(schema))
        case ("integer", _) | ("number", "integer" | "big_integer"):
            return _INTEGER
        case "number", _:
            return _NUMBER
        case "boolean", _:
            return Translated(_nullable("boolean"))
        case "object", _:
            properties = schema.get("properties")
            schemas, rules = _properties(properties if isinstance(properties, dict) else {}, root, seen)
            return Translated(_nullable("object", properties=schemas), fields(rules) if rules else None)
        case "array", _:
            within = schema.get("items")
            if not _declares(within):
                return _ARRAY  # of any elements, which are left as they are
            item = _union(within, root, seen) if isinstance(within, list) else _translate(within, root, seen)
            return Translated(_nullable("array", items=item.schema), items(item.rule) if item.rule else None)
    return _AS_TEXT


def _declares(items: Any) -> bool:
    """Return True if the `items` of an array declare any type of its elements."""
    if not isinstance(items, dict):
        return isinstance(items, list) and bool(items)
    return bool(_kinds(items)) or any(name in items for name in ("$ref", *_COMBINATIONS))


def _string(schema: Mapping[str, Any]) -> dict[str, Any]:
    more = {}
    if schema.get("format") in _FORMATS:
        more["format"] = schema["format"]
    if schema.get("contentEncoding") == "base64":
        more["contentEncoding"] = "base64"
    return _nullable("string", **more)


def _union(branches: list[Any], root: Root, seen: tuple[str, ...]) -> Translated:
    """Return the schema on which all branches except null agree; number for integer or number; else JSON text."""
    distinct: list[Translated] = []
    for branch in branches:
        if isinstance(branch, dict) and branch.get("type") in ("null", ["null"]):
            continue
        translated = _translate(branch, root, seen)
        if translated not in distinct:
            distinct.append(translated)
    if len(distinct) == 1:
        return distinct[0]
    if len(distinct) == 2 and _INTEGER in distinct and _NUMBER in distinct:
        return _NUMBER
    if distinct and all(one.rule is None and one.schema["type"] == ["null", "string"] for one in distinct):
        return Translated(_nullable("string"))
    return _AS_TEXT


def _referred(reference: str, root: Root, seen: tuple[str, ...]) -> Translated:
    if _WELL_KNOWN_FILE in reference:
        return _WELL_KNOWN.get(reference.rpartition("/")[2], _AS_TEXT)
    target = referred(root, reference)
    if target is None or reference in seen:
        return _AS_TEXT
    return _translate(target, root, (*seen, reference))


def _declared(schema: Any, root: Root, seen: tuple[str, ...]) -> dict[str, Any]:
    """Return the schemas of the fields of a record, also of those that only a definition or an alternative declares.

    The schema's own declaration of a field is used. Without it, all alternatives count that declare the field.
    """
    root.spend()
    if not isinstance(schema, dict):
        return {}
    own = schema.get("properties")
    parts = []
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        parts.append(_declared(referred(root, reference), root, (*seen, reference)))
    for combination in _COMBINATIONS:
        branches = schema.get(combination)
        parts += [_declared(one, root, seen) for one in (branches if isinstance(branches, list) else ())]
    found: dict[str, list[Any]] = {}
    for part in parts:
        for name, one in part.items():
            found.setdefault(name, []).append(one)
    inner = {name: some[0] if len(some) == 1 else {"anyOf": some} for name, some in found.items()}
    return {**inner, **(own if isinstance(own, dict) else {})}
