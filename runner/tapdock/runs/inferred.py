"""`schemaless: infer`: the fields of streams that declare none, from their first records."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.operations import resolved_config
from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.runs.field_types import types_in
from tapdock.runs.reading import read_records
from tapdock.runs.schema_policy import SchemaFacts
from tapdock.runs.shared_types import TypesBeside, agreed
from tapdock.runs.source_read import ToRead, as_sent
from tapdock.state import catalogs
from tapdock.translate.maps.settings import MapSettings
from tapdock.translate.write.undeclared import declared_names

__all__ = ["RECORDS", "Inferred", "before_fields", "learned", "with_inferred", "with_kept_types"]

RECORDS = 100
"""How many records of a stream are read to learn its fields."""
_MOST_FIELDS = 1_000
Types = Mapping[str, str]


class Inferred(NamedTuple):
    """The streams with their fields, and the facts that keep these. `was_read`: the source ran for them, so that it may
    have changed its config.
    """

    streams: tuple[ConfiguredStream, ...]
    facts: SchemaFacts
    was_read: bool = False


def with_kept_types(facts: SchemaFacts) -> SchemaFacts:
    """Return the facts that keep the fields of earlier runs: a run may leave out a stream, or not need its fields."""
    before = {each.key: each.inferred for each in facts.found.catalog.streams} if facts.found.catalog else {}
    seen = facts.streams and tuple(
        msgspec.structs.replace(each, inferred=before.get(each.key, {})) for each in facts.streams
    )
    return msgspec.structs.replace(facts, streams=seen)


def before_fields(maps: MapSettings | None) -> MapSettings | None:
    """Return the maps without keys, which may name fields that are not known before the source was read for them."""
    if maps is None:
        return None
    entries = tuple(msgspec.structs.replace(each, keys=() if each.keys else each.keys) for each in maps.entries)
    return dataclasses.replace(maps, entries=entries, columns={})


def with_inferred(
    context: Context,
    source: PreparedConnector,
    offered: tuple[Stream, ...],
    streams: tuple[ConfiguredStream, ...],
    facts: SchemaFacts,
    *,
    again: bool,
    beside: Callable[[], TypesBeside] = dict,
) -> Inferred:
    """Return the streams with fields for those that declare none, and the facts that keep these fields.

    The fields of the last successful run are used again, so that columns keep their types; with `again`, or for a
    stream without any, the source is read for them, from its beginning also in a run of a window: each window gets the
    same fields. A stream without records gets none. `beside` returns the types of other rows in the same tables. Raises
    TapdockError.
    """
    without = [one for one in streams if _is_asked(one)]
    if not streams and not source.connector.reports_streams:
        raise UsageError(
            f"`schemaless: infer` has no effect for source `{source.connector.name}`: with `discovery: false`, its"
            " streams are not known before the run",
            hint="write a catalog with the streams, and name it with `catalog: FILE`; or remove `schemaless`",
        )
    if not without:
        return Inferred(streams, facts)
    kept = facts.found.catalog.streams if facts.found.catalog and not again else ()
    known: dict[StreamKey, Types] = {each.key: each.inferred for each in kept if each.inferred}
    asked = tuple(one for one in without if one.stream.key not in known)
    if asked:
        known |= _read(context, source, offered, asked, beside())
    fields = {one.stream.key: known[one.stream.key] for one in without if known.get(one.stream.key)}
    found = tuple(_with_fields(one, fields.get(one.stream.key, {})) for one in streams)
    seen = facts.streams and tuple(
        msgspec.structs.replace(each, inferred=dict(fields.get(each.key, each.inferred))) for each in facts.streams
    )
    return Inferred(found, msgspec.structs.replace(facts, streams=seen), was_read=bool(asked))


def learned(context: Context, streams: tuple[ConfiguredStream, ...], state_id: str) -> tuple[ConfiguredStream, ...]:
    """Return the streams of a spool with the fields of the last successful run: the source is not read.

    Raises UsageError for a stream whose fields no run has learned: its rows would be written in another form.
    """
    without = [one.stream.key for one in streams if _is_asked(one)]
    catalog = catalogs.find(context.backend, state_id).catalog if without else None
    known = {each.key: each.inferred for each in catalog.streams if each.inferred} if catalog else {}
    if unknown := next((key for key in without if key not in known), None):
        raise UsageError(
            f"the fields of `{unknown}` are not known: with `schemaless: infer`, a run learns them from the source",
            hint="run the pipeline once without `--from`, or set `schemaless: json`",
        )
    return tuple(_with_fields(one, known[one.stream.key] if one.stream.key in without else {}) for one in streams)


def _is_asked(one: ConfiguredStream) -> bool:
    return one.schemaless == "infer" and not declared_names(one.landed().stream.json_schema)


def _read(
    context: Context,
    source: PreparedConnector,
    offered: tuple[Stream, ...],
    asked: tuple[ConfiguredStream, ...],
    beside: TypesBeside,
) -> dict[StreamKey, Types]:
    what = ToRead(offered=offered, streams=as_sent(asked), config=resolved_config(context, source))
    names = ", ".join(f"`{one.stream.key}`" for one in what.streams)
    context.say(f"{source.connector.name}: reading up to {RECORDS} records of {names}, to learn their fields")
    kinds: dict[StreamKey, dict[str, set[str]]] = {one.stream.key: {} for one in what.streams}
    for record in read_records(context, source, what, limit=RECORDS):
        known = kinds.get(StreamKey(record.namespace, record.stream))
        for name, value in record.data.items() if known is not None else ():
            if known is not None and (name in known or len(known) < _MOST_FIELDS):
                known.setdefault(name, set()).update(types_in((value,)))
    return {key: agreed(key, fields, beside) for key, fields in kinds.items()}


def _with_fields(one: ConfiguredStream, types: Types) -> ConfiguredStream:
    fragments = tuple(((name,), {"type": ["null", kind]}) for name, kind in types.items())
    return msgspec.structs.replace(one, fragments=(*one.fragments, *fragments)) if fragments else one
