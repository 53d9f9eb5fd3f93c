"""Flattening: nested objects become columns, as the Singer SDK does it (`singer_sdk.helpers._flattening`)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol.json_pointer import referred
from tapdock.translate.maps.settings import Flattening
from tapdock.translate.write.rules import Unwritable

__all__ = ["Flat", "column"]

_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_MOST_KNOWN = 10_000
_QUOTE, _BRACE, _NULL = b'"{n'
_NESTED = b"{["
_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_LOWER = re.compile(r"[a-z]")
_WORD = re.compile(r"(?:^|_)(.)")
_Schema = Mapping[str, Any]


def column(path: tuple[str, ...], flattening: Flattening) -> str:
    """Return the name of the column for a nested field.

    Names of parents are shortened, from the left, until the name is shorter than the longest one allowed.

    >>> column(("shipping_address", "city"), Flattening(depth=1, longest=20))
    'sa__city'
    """
    parts = list(path)
    for place, part in enumerate(path):
        if len(flattening.separator.join(parts)) < flattening.longest:
            break
        capitals = _LOWER.sub("", _WORD.sub(lambda found: found[1].upper(), part))
        parts[place] = (capitals if len(capitals) > 1 else part[:3]).lower()
    return flattening.separator.join(parts)


class Flat:
    """The flat form of one stream: its `schema`, and its records. `texts` are columns whose values become text.

    Raises ValueError, which names the column, if two fields would have one column.
    """

    def __init__(self, schema: _Schema, flattening: Flattening) -> None:
        self._flattening = flattening
        self._root = schema
        self.texts: set[str] = set()
        self._opened: set[str] = set()
        self._levels: dict[tuple[str, ...], dict[str, tuple[str, bool, bool]]] = {}
        self.columns: dict[str, tuple[str, ...]] = {}
        properties: dict[str, Any] = {}
        for path, field in self._fields(schema, ()):
            name = column(path, flattening)
            if name in properties:
                raise ValueError(f"two fields have the column `{name}` when they are flattened")
            properties[name] = self._of(field, name)
            self.columns[name] = path
        self.schema: dict[str, Any] = {**schema, "properties": properties}
        if isinstance(required := schema.get("required"), list):
            self.schema["required"] = [name for name in required if name in properties]

    def _fields(self, schema: _Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], _Schema]]:
        properties = schema.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) else ():
            within = (*path, name)
            field = self._followed(one)
            inner = field.get("properties")
            if "object" in _types(field) and isinstance(inner, Mapping) and len(path) < self._flattening.depth:
                self._opened.add(column(within, self._flattening))
                yield from self._fields(field, within)
            else:
                yield within, field

    def _followed(self, schema: Any) -> _Schema:
        seen = set()
        while isinstance(schema, Mapping) and isinstance(name := schema.get("$ref"), str) and name not in seen:
            seen.add(name)
            schema = referred(self._root, name)
        return schema if isinstance(schema, Mapping) else {}

    def _of(self, field: _Schema, name: str) -> dict[str, Any]:
        """Return the schema of a column. Values of objects, of lists, and of fields without a type become text."""
        kinds = self._kinds(field)
        if kinds and not kinds & {"object", "array"}:
            return dict(field)
        self.texts.add(name)
        if "type" in field and "null" not in kinds:
            return {"type": "string"}
        return {"type": ["string", "null"] if "type" in field else ["null", "string"]}

    def _kinds(self, field: _Schema) -> set[str]:
        """Return the types that a field may have; none if one of them is not declared."""
        if "type" in field:
            return set(_types(field))
        options = [self._followed(one) for key in _COMBINATIONS for one in field.get(key) or ()]
        found = [set(_types(one)) for one in options]
        return set().union(*found) if found and all(found) else set()

    def record(self, members: Mapping[str, Raw]) -> dict[str, Raw]:
        """Return the flat record. Raises Unwritable if two of its fields have one column."""
        found: dict[str, Raw] = {}
        self._into(found, members, ())
        return found

    def _into(self, found: dict[str, Raw], members: Mapping[str, Raw], path: tuple[str, ...]) -> None:
        if (level := self._levels.get(path)) is None:
            if len(self._levels) >= _MOST_KNOWN:
                self._levels.clear()
            level = self._levels[path] = {}
        for key, value in members.items():
            name, opens, is_text = level.get(key) or self._learn(level, path, key)
            raw = bytes(value)
            first = raw[0]
            if first in _NESTED or (is_text and first != _QUOTE and first != _NULL):
                if opens and first == _BRACE:
                    self._into(found, _OBJECT.decode(raw), (*path, key))
                    continue
                value = Raw(_ENCODE(msgspec.json.format(raw, indent=-1).decode()))
            elif first == _NULL and name in self._opened:
                continue  # an object that is null: its columns are null
            if name in found:
                raise Unwritable(f"has two fields that become the column `{name}` when it is flattened")
            found[name] = value

    def _learn(
        self, level: dict[str, tuple[str, bool, bool]], path: tuple[str, ...], key: str
    ) -> tuple[str, bool, bool]:
        """Return the column of a field, whether objects in it become columns, and whether its values become text."""
        name = column((*path, key), self._flattening)
        opens = name not in self.columns and len(path) < self._flattening.depth
        known = (name, opens, name in self.texts)
        if len(level) < _MOST_KNOWN:
            level[key] = known
        return known


def _types(field: _Schema) -> tuple[str, ...]:
    kind = field.get("type", ())
    return (kind,) if isinstance(kind, str) else tuple(kind)
