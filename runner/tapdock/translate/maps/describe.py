"""What leaves the source, and what happens to it: for `run --dry-run`."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tapdock.protocol.catalog import ConfiguredStream
from tapdock.protocol.fields import declared_fields
from tapdock.protocol.patterns import Path
from tapdock.translate.maps.field import Field
from tapdock.translate.maps.plan import read_schema
from tapdock.translate.maps.stream_map import StreamMap

__all__ = ["FieldUse", "StreamUse", "describe"]

_FUNCTION = re.compile(r"(hash|mask|encrypt)\(")
_DONE = {"hash": "hashed", "mask": "masked", "encrypt": "encrypted"}
UNDECLARED = "(fields that the schema does not declare)"


class FieldUse(NamedTuple):
    """A field, and what happens to it: `passed on`, `removed`, ``hashed: `hash(email)` ``."""

    field: str
    what: str


class StreamUse(NamedTuple):
    """A stream of the source, its name in the target, and its fields. `alias` is None if the stream is removed."""

    stream: str
    alias: str | None
    filter: str | None
    fields: tuple[FieldUse, ...]


def describe(one: ConfiguredStream, maps: Sequence[StreamMap] | None) -> tuple[StreamUse, ...]:
    """Return what happens to each field of a stream; `maps` are those of `maps_of`, None if the stream has none."""
    stream = str(one.stream.key)
    schema = read_schema(one)
    top = [path for path in declared_fields(schema) if len(path) == 1]
    if maps is None:
        uses = (*(FieldUse(name, "passed on") for (name,) in top), FieldUse(UNDECLARED, "passed on"))
        return (StreamUse(stream, one.stream.name, None, uses),)
    if not maps:
        return (StreamUse(stream, None, None, tuple(FieldUse(name, "removed with its stream") for (name,) in top)),)
    paths = tuple(declared_fields(schema))
    return tuple(StreamUse(stream, each.alias, each.entry.filter, tuple(_uses(each, paths))) for each in maps)


def _uses(each: StreamMap, paths: Sequence[Path]) -> Iterator[FieldUse]:
    own = {field.name: field for field in each.fields}
    declared = {path[0] for path in paths}
    for path in paths:
        if path[0] in own:
            if len(path) == 1:
                yield FieldUse(path[0], _by_entry(own[path[0]]))
        elif each.removes(path[0]):
            if len(path) == 1:
                yield FieldUse(path[0], "removed: it is not listed")
        elif (guard := each.guards.of(path)) and not any(each.guards.of(path[:end]) for end in range(1, len(path))):
            yield FieldUse(".".join(path), f"{_by_rule(guard.rule.expression)} by the rule `{guard.rule.pattern}`")
        elif len(path) == 1:
            yield FieldUse(path[0], _passed(each, path))
    for name, field in own.items():
        if name not in declared and field.expression is not None:
            yield FieldUse(name, f"new: {_by_entry(field)}")
    yield FieldUse(UNDECLARED, "removed" if each.entry.only_listed else "passed on")


def _by_entry(field: Field) -> str:
    if field.expression is None:
        return "removed"
    text = field.expression.text
    if field.copies is not None:
        return "passed on" if field.copies == field.name else f"the value of `{field.copies}`"
    function = _FUNCTION.match(text.strip())
    return f"{_DONE[function[1]] if function else 'computed'}: `{text}`"


def _by_rule(expression: str | None) -> str:
    function = _FUNCTION.match(expression or "")
    return _DONE[function[1]] if function else "removed"


def _passed(each: StreamMap, path: Path) -> str:
    if each.flat is None:
        return "passed on"
    columns = [name for name, one in each.flat.columns.items() if one[:1] == path]
    if columns == [path[0]]:
        return "written as JSON text" if path[0] in each.flat.texts else "passed on"
    return "flattened into " + (", ".join(f"`{name}`" for name in columns) or "no column")
