"""Rows of a matrix that write into one table: the fields that are inferred for one row have the types of the others."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from tapdock.connectors.context import Context
from tapdock.errors import StateError, UsageError
from tapdock.project.model import Namespacing, Pipeline
from tapdock.project.named import sides
from tapdock.project.row import row_name, split_name
from tapdock.project.state_keys import key_of
from tapdock.protocol.catalog import StreamKey
from tapdock.runs.field_types import type_of
from tapdock.runs.target_place import moved
from tapdock.state import catalogs
from tapdock.state.catalogs import SeenStream
from tapdock.state.store import keys, read
from tapdock.translate.names import singer_names, target_keys

__all__ = ["Known", "TypesBeside", "agreed", "say_differences", "types_beside"]

_MOST_ROWS = 20  # whose states are read: each row agrees with those before it


class Known(NamedTuple):
    """The type of a field in the table, and the row of which it was inferred."""

    type: str
    row: str


TypesBeside = Mapping[StreamKey, Mapping[str, Known]]


def types_beside(context: Context, pipeline: Pipeline) -> TypesBeside:
    """Return the types that were inferred for other rows, of the streams that they write into the tables of this row.

    Rows whose states have names of the user (`state_id`) are not found. Raises StateError.
    """
    if not pipeline.row or pipeline.state_id:
        return {}
    target = sides(context.project, pipeline, now=context.now())[1]
    own = key_of(pipeline, context.project.environment)
    begin = own.rpartition(":")[0]
    others = [key for key in keys(context.backend) if key.rpartition(":")[0] == begin and key != own]
    found: dict[StreamKey, dict[str, Known]] = {}
    for key in sorted(others)[:_MOST_ROWS]:
        envelope, catalog = None, catalogs.find(context.backend, key).catalog
        with suppress(StateError):  # its own run reports it
            envelope = read(context.backend, key)
        if envelope is None or catalog is None or moved(target, context.project, envelope.places):
            continue
        row = row_name(split_name(pipeline.name)[0], key.rpartition(":")[2])
        for each in catalog.streams:
            name = envelope.names.get(str(each.key))
            if name is None or pipeline.has_maps or name in _names(each.key, pipeline.namespacing):
                known = found.setdefault(each.key, {})
                for field, kind in each.inferred.items():
                    known.setdefault(field, Known(kind, row))
    return found


def _names(key: StreamKey, namespacing: Namespacing) -> Collection[str]:
    """Return the names that a stream may have in the target."""
    own = target_keys([key], namespacing)[key]
    return {str(own), own.name, *singer_names([key], namespacing).values()}


def agreed(key: StreamKey, kinds: Mapping[str, Iterable[str]], beside: TypesBeside) -> dict[str, str]:
    """Return the type of each field, by the JSON types of its values: that of the table, if they all fit it.

    Raises UsageError for values that do not: the rows of both would be wrong in one column.
    """
    known, found = beside.get(key, {}), {}
    for field, values in kinds.items():
        own, other = type_of(values), known.get(field)
        if other and type_of({*values, other.type}) != other.type:
            raise UsageError(
                f"field `{field}` of stream `{key}` is `{own}` here and `{other.type}` in `{other.row}`, which writes"
                " into the same table",
                hint=f"declare the fields of `{key}` with `schema` under `streams`, or give each row tables of its own",
            )
        found[field] = other.type if other else own
    return found


def say_differences(context: Context, pipeline: Pipeline, streams: Iterable[SeenStream]) -> None:
    """Warn if rows in one table have other types: those that ran at the same time did not know of each other."""
    inferred = [each for each in streams if each.inferred]
    try:
        beside = types_beside(context, pipeline) if inferred else {}
    except StateError:  # saving the state reports it
        return
    for each in inferred:
        for field, kind in each.inferred.items():
            other = beside.get(each.key, {}).get(field)
            if other and other.type != kind:
                context.progress(
                    f"warning: field `{field}` of stream `{each.key}` is `{kind}` in `{pipeline.name}` and"
                    f" `{other.type}` in `{other.row}`, and both write into one table"
                )
                context.progress(f"hint: declare the fields of `{each.key}` with `schema` under `streams`")
