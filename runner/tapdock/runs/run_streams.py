"""Choose the streams that a run reads, with the schemas that they have in it."""

from functools import partial

import msgspec

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.stream_modes import Modes
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import key_of
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs import schema_policy
from tapdock.runs.chosen import chosen_streams
from tapdock.runs.inferred import Inferred, before_fields, learned, with_inferred, with_kept_types
from tapdock.runs.options import Options
from tapdock.runs.shared_types import types_beside
from tapdock.translate.catalogs.singer import unsupported_fields
from tapdock.translate.maps.settings import MapSettings

__all__ = ["read_streams"]


def read_streams(
    context: Context,
    pipeline: Pipeline,
    options: Options,
    source: PreparedConnector,
    offered: tuple[Stream, ...],
    cannot: Modes,
    maps: MapSettings | None,
    *,
    named: bool,
    is_check: bool,
) -> Inferred:
    """Return the streams that are read, and the changes of their schemas. Raises a TapdockError.

    `cannot` are the modes that the target does not support. `named` is for a source whose
    streams have namespaces in the target. With `is_check`, the streams are tapdock's own.
    """
    only = options.select
    infers, key = _infers(pipeline, source) and not is_check, key_of(pipeline, context.project.environment)
    known = before_fields(maps) if infers else maps
    streams = chosen_streams(context, source, offered, cannot, only=only, maps=known)
    schema = schema_policy.SchemaFacts()
    if not is_check and options.catalog is None and options.spool is None:  # what the source itself offers
        policy = options.policy(pipeline)
        streams, schema = schema_policy.applied(
            context, source.connector, policy, offered, streams, key, namespaced=named, only=only
        )
    streams = tuple(_with_ways(one, pipeline) for one in streams)
    found = Inferred(streams, with_kept_types(schema))
    if infers and options.spool:
        found = Inferred(learned(context, streams, key), found.facts)
    elif infers:
        again, beside = options.refresh_catalog, partial(types_beside, context, pipeline)
        found = with_inferred(context, source, offered, streams, found.facts, again=again, beside=beside)
    # What is still without fields is written as with `json`.
    found = found._replace(streams=tuple(_written(one) for one in found.streams))
    if source.kind == "singer":
        _say_unreadable(context, source.connector.name, found.streams)
    return found


def _infers(pipeline: Pipeline, source: PreparedConnector) -> bool:
    """Return True if the source may be read for the fields of a stream."""
    ways = {options.schemaless for options in source.connector.streams.values()}
    return "infer" in {*ways, pipeline.schemaless}


def _with_ways(one: ConfiguredStream, pipeline: Pipeline) -> ConfiguredStream:
    """Return a stream with what the pipeline says about undeclared fields, unless the stream itself says it."""
    return msgspec.structs.replace(
        one,
        undeclared=one.undeclared or pipeline.undeclared_fields,
        schemaless=one.schemaless or pipeline.schemaless,
    )


def _written(one: ConfiguredStream) -> ConfiguredStream:
    return msgspec.structs.replace(one, schemaless="json") if one.schemaless == "infer" else one


def _say_unreadable(context: Context, source: str, streams: tuple[ConfiguredStream, ...]) -> None:
    """Warn about the fields of each stream that its tap cannot read: they do not reach the target."""
    for one in streams:
        fields = [f"`{name}`" for name in unsupported_fields(one.stream) if name not in one.excluded]
        if fields:
            what = f"source `{source}` cannot read these fields of stream `{one.stream.key}`: {', '.join(fields)}"
            context.once(context.redacted(f"warning: {what}"))
