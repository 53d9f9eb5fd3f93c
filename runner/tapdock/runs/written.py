"""How a run writes its streams: what is kept of it for the next run, and what is likely to be a mistake."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from tapdock.connectors.context import Context
from tapdock.project.model import Pipeline
from tapdock.project.row import split_name
from tapdock.protocol.catalog import StreamKey
from tapdock.runs.schema_policy import SchemaFacts
from tapdock.state.catalogs import Written
from tapdock.translate.maps.comparisons import mismatches
from tapdock.translate.maps.effects import Effect, effects, left_plain
from tapdock.translate.maps.landing import Landed
from tapdock.translate.maps.plan import read_schema
from tapdock.translate.maps.settings import MapSettings

__all__ = ["effects_of", "say_doubtful", "with_written", "written"]


def with_written(facts: SchemaFacts, landed: Sequence[Landed], maps: MapSettings | None) -> SchemaFacts:
    """Return the facts with how the run writes each stream. What is known of a stream that it leaves out is kept."""
    before = {each.key: each.written for each in facts.found.catalog.streams} if facts.found.catalog else {}
    now: dict[StreamKey, dict[str, Written]] = {}
    for one in landed:
        now.setdefault(one.source.stream.key, {})[one.label] = written(one, maps)
    streams = facts.streams and tuple(
        msgspec.structs.replace(each, written=now.get(each.key, before.get(each.key, {}))) for each in facts.streams
    )
    return msgspec.structs.replace(facts, streams=streams)


def effects_of(one: Landed, maps: MapSettings | None) -> dict[str, Effect]:
    return effects(one.map, read_schema(one.source), maps.flattening if maps else None) if one.map else {}


def written(one: Landed, maps: MapSettings | None) -> Written:
    """Return how a stream is written, with a digest of each effect of its map: a map may have names of people in it."""
    found = effects_of(one, maps)
    digests = {name: blake2b(f"{name}={each.text}".encode(), digest_size=8) for name, each in found.items()}
    return Written(key=one.target.primary_key, maps={name: each.hexdigest() for name, each in digests.items()})


def say_doubtful(context: Context, pipeline: Pipeline, landed: Sequence[Landed]) -> None:
    """Warn about what is allowed in maps and columns, and is likely to be a mistake."""
    _say_left(context, landed)
    _say_columns(context, pipeline, landed)


def _say_columns(context: Context, pipeline: Pipeline, landed: Sequence[Landed]) -> None:
    """Warn if values of a row that may change are part of a key, because no column is the row's name."""
    keyed = any((name,) in one.target.primary_key for one in landed for name in pipeline.key_columns)
    if keyed and pipeline.matrix and not pipeline.matrix.naming:
        context.once(
            f"warning: none of `pipelines.{split_name(pipeline.name)[0]}.matrix.columns` is `${{matrix.name}}`, so all"
            " are part of the key: if a value of a row changes, its rows will be in the table twice"
        )
        context.once("hint: add a column such as `tenant: ${matrix.name}`: then only this one is part of the key")


def _say_left(context: Context, landed: Sequence[Landed]) -> None:
    """Warn about values that a map protects in one field and passes on in another, and comparisons that fail."""
    for each in (one.map for one in landed if one.map):
        where = f"warning: in the map of stream `{each.source}`"
        for found in mismatches(each):
            context.once(
                f"{where}, `{found.text}` (in `{found.place}`) compares `{found.field}`, which the source declares as"
                f" {found.declared}, with {found.given}: this fails for each record"
            )
            context.once(
                "hint: write both in one type: a number without quotes, or `float(...)` or `str(...)` of the field"
            )
        for left in left_plain(each):
            context.once(
                f"{where}, `{left.field}` is {left.what} of `{left.plain}`, but `{left.plain}` itself is passed on as"
                " it is"
            )
            context.once(
                f"hint: map `{left.plain}` too, or remove it with `{left.plain}: null`;"
                f" `{left.plain}: {left.plain}` says that this is meant"
            )
