"""What a map does to each field, in a form that two runs can compare, and fields that a map protects only in part."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tapdock.protocol.fields import declared_fields
from tapdock.translate.maps.field import Field
from tapdock.translate.maps.settings import Flattening
from tapdock.translate.maps.stream_map import FILTER, StreamMap

__all__ = ["ELSE", "FLATTENING", "Effect", "LeftPlain", "effects", "left_plain"]

ELSE, FLATTENING = "__else__", "flattening"
_HIDES = re.compile(r"\b(hash|mask|encrypt)\s*\(")
_NOUNS = {"hash": "the hash", "mask": "a masked form", "encrypt": "an encrypted form"}


class Effect(NamedTuple):
    """What happens to a field, as it is written in the project file. `protects`: its own value does not stay."""

    text: str
    protects: bool


def effects(each: StreamMap, schema: Mapping[str, Any], flattening: Flattening | None) -> dict[str, Effect]:
    """Return the effects by field; those on whole records are under `__filter__`, `__else__` and `flattening`.

    Fields that are passed on as they are have none. `schema` is what is read of the source's stream.
    """
    own = {field.name: field for field in each.fields}
    found = {name: _of_field(field) for name, field in own.items() if field.copies != name}
    for path in declared_fields(schema):
        guard = None if path[0] in own or each.removes(path[0]) else each.guards.of(path)
        if guard:
            found[".".join(path)] = Effect(guard.rule.expression or "null", True)
    if each.entry.filter:
        found[FILTER] = Effect(each.entry.filter.strip(), True)
    if each.entry.only_listed:
        found[ELSE] = Effect("null", True)
    if flattening:
        found[FLATTENING] = Effect(repr(flattening), False)
    return found


def _of_field(field: Field) -> Effect:
    if field.expression is None:
        return Effect("null", True)
    return Effect(field.expression.text.strip(), field.protects)


class LeftPlain(NamedTuple):
    """A field with a protected form of another field, which itself is passed on."""

    field: str
    what: str
    plain: str


def left_plain(each: StreamMap) -> Iterator[LeftPlain]:
    """Yield the fields that protect the value of another field, although the map passes that field on.

    A mistake in the name of a field makes a new one beside it. `email: email` says that this is meant.
    """
    own = {field.name for field in each.fields}
    for field in each.fields:
        called = _HIDES.search(field.expression.text) if field.expression else None
        for name in sorted(field.expression.reads or ()) if called and field.expression else ():
            if name != field.name and name not in own and not each.removes(name) and not each.guards.of((name,)):
                yield LeftPlain(field.name, _NOUNS[called[1]] if called else "", name)
