"""Write whole records of streams that declare no fields into one column, because targets create columns from fields."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UsageError
from tapdock.project.model import Schemaless
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.exclusion import DELETE_MARKS, Exclusion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Rule, as_text, chain
from tapdock.translate.write.undeclared import declared_names

__all__ = ["DATA", "REASON", "data_columns", "data_rule", "data_schema", "is_data", "no_fields", "refused", "with_data"]

DATA = "data"
"""The column with the whole record."""
REASON = f"it declares no fields, so each record is written into `{DATA}`"
_COLUMN = {"type": ["null", "object"], "description": "The whole record. Its stream declares no fields."}
_TEXT = {"type": ["null", "string"]}
_MARKS = frozenset(name for (name,) in DELETE_MARKS)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode


def with_data(
    streams: tuple[ConfiguredStream, ...], mode: Schemaless | None
) -> tuple[tuple[ConfiguredStream, ...], dict[StreamKey, Rule]]:
    """Return streams of an Airbyte source as the target gets them, and the rules of those that declare no fields.

    A rule removes the excluded fields as well. `mode` is that of streams without one of their own; None
    changes nothing. Raises UsageError for a stream
    that is refused, or for a key that cannot be a column.
    """
    rules: dict[StreamKey, Rule] = {}
    found = []
    for one in streams:
        way = one.schemaless or mode
        if way and not declared_names(one.landed().stream.json_schema):
            if way == "refuse":
                raise refused(one.stream.key)
            columns = data_columns(one)
            rules[one.stream.key] = data_rule(one.exclusion, columns)
            one = _as_data(one, columns)
        found.append(one)
    return tuple(found), rules


def data_columns(configured: ConfiguredStream) -> tuple[str, ...]:
    """Return the fields of the key and the cursor, which are copied into columns of their own.

    Raises UsageError for a field that cannot be one.
    """
    key, cursor = configured.primary_key, configured.cursor_field
    paths = [*(key if configured.destination_sync_mode != "append" else ()), *([cursor] if len(cursor) == 1 else [])]
    if bad := next((path for path in paths if len(path) > 1 or path[0] == DATA), None):
        raise UsageError(
            f"stream `{configured.stream.key}` declares no fields, so `{'.'.join(bad)}` cannot be a column",
            hint=f"write `{configured.stream.key}: {{destination_sync_mode: append}}` under `streams`, or declare its"
            " fields there with `schema`",
        )
    return tuple(dict.fromkeys(name for path in (*paths, *key) if len(path) == 1 for name in path if name != DATA))


def data_rule(exclusion: Exclusion, columns: Sequence[str]) -> Rule:
    """Return the rule that puts a body without its excluded fields into the column, and copies of fields beside it.

    The copies are text, because no type is declared. The mark of a deletion stays beside it as well.
    """
    beside = [*columns, *(name for name in _MARKS if name not in columns)]

    def rewrite(body: bytes) -> bytes:
        if body == EMPTY:  # it had only excluded fields
            return body
        members = _OBJECT.decode(body)
        found = {name: as_text(bytes(members[name])) for name in beside if name in members}
        return _ENCODE({**{name: Raw(value) for name, value in found.items()}, DATA: Raw(body)})

    exclude = removal(exclusion)
    return chain([exclude, rewrite]) or rewrite if exclude else rewrite


def data_schema(columns: Sequence[str]) -> dict[str, Any]:
    """Return the schema of such a stream."""
    return {"type": "object", "properties": {**dict.fromkeys(columns, _TEXT), DATA: _COLUMN}}


def is_data(schema: Any) -> bool:
    """Return True for a schema that `data_schema` made, also if a route has added columns to it."""
    properties = schema.get("properties")
    return isinstance(properties, dict) and properties.get(DATA) == _COLUMN


def no_fields(key: StreamKey) -> str:
    """Return the warning about such a stream whose records are passed on as they are."""
    return (
        f"stream `{key}` declares no fields: its records are passed on as they are, but a target that creates columns"
        " from fields stores nothing of them; `schemaless: json` in the pipeline writes them into one column"
    )


def refused(key: StreamKey) -> UsageError:
    return UsageError(
        f"the source declares no fields for stream `{key}`",
        hint=f"exclude it with `!{key}` under `select`, declare its fields with `{key}: {{schema: …}}` under `streams`,"
        " or set `schemaless: json` there or in the pipeline",
    )


def _as_data(configured: ConfiguredStream, columns: Sequence[str]) -> ConfiguredStream:
    """Return the stream with the schema of the column. Its rule excludes fields from its records."""
    stream, schema = configured.stream, data_schema(columns)
    members = msgspec.json.decode(stream.raw, type=dict[str, Raw]) if stream.raw else {}
    raw = _ENCODE({**members, "json_schema": Raw(_ENCODE(schema))}).decode() if stream.raw else ""
    stream = msgspec.structs.replace(stream, json_schema=schema, raw=raw)
    # The column of the cursor is text, by which a destination would order numbers wrongly.
    plain = msgspec.structs.replace(configured, excluded=(), denied=(), nested=(), hidden=())
    return msgspec.structs.replace(plain, stream=stream, cursor_field=())
