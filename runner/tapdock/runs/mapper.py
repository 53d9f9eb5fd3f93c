"""Prepare the mapper of a run, which gets the messages of a Singer tap and prints those for a Singer target."""

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.base import kind_line
from tapdock.connectors.resolved import Resolved
from tapdock.errors import UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.project.named import mapper

__all__ = ["PreparedMapper", "prepare_mapper", "require_no_maps", "require_singer"]


class PreparedMapper(msgspec.Struct, frozen=True, kw_only=True):
    """A mapper with its config. `name` is that of the mapping, or of the mapper.

    `only` are the streams that the tap may send; None if it may send any.
    """

    name: str
    ready: PreparedConnector
    config: Resolved
    only: frozenset[str] | None = None


def prepare_mapper(context: Context, pipeline: Pipeline, *, now: float, run_id: str | None) -> PreparedMapper | None:
    """Get the image of the mapper, and check its config against its settings. Return None without a mapper.

    Raises a TapdockError if it cannot be used.
    """
    connector = mapper(context.project, pipeline, now=now, run_id=run_id)
    if connector is None:
        return None
    ready = operations.prepare(context, connector)
    if ready.kind != "singer":
        raise UsageError(
            f"mapper `{connector.name}` has the image of an Airbyte connector: mappers use Singer's protocol",
            hint=f"correct its `image`, or {kind_line(connector, 'singer', context.project.origins)}",
        )
    config = operations.resolved_config(context, ready)
    operations.say_laid(context, connector, config)
    return PreparedMapper(name=pipeline.mappers[0], ready=ready, config=config)


def require_singer(
    pipeline: Pipeline, mapper: PreparedMapper | None, source: PreparedConnector, target: PreparedConnector
) -> None:
    """Raise UsageError for a mapper beside a connector of Airbyte, whose messages it cannot read."""
    for side in (source, target) if mapper else ():
        if side.kind != "singer":
            role, name = side.connector.role, side.connector.name
            raise UsageError(
                f"pipeline `{pipeline.name}`: a mapper needs a Singer tap and a Singer target, but {role} `{name}` is "
                "an Airbyte connector",
                hint=f"remove the mapper, or use a Singer connector as the {role}",
            )


def require_no_maps(pipeline: Pipeline, mapper: PreparedMapper | None, source: Connector) -> None:
    """Raise UsageError for stream maps beside a mapper: they name streams of the tap, which the mapper may rename.

    A stream that a map removes would not even be read, although it is meant to be one that the mapper prints.
    """
    if mapper and pipeline.columns:
        raise UsageError(
            f"pipeline `{pipeline.name}`: a mapper and `matrix.columns` cannot be used together",
            hint=f"let the mapper `{mapper.name}` add the column: its config can refer to `${{matrix.name}}`",
        )
    if mapper and (pipeline.has_maps or source.has_maps):
        place = f"`pipelines.{pipeline.name}`" if pipeline.has_maps else f"`sources.{source.name}`"
        raise UsageError(
            f"pipeline `{pipeline.name}`: a mapper and the maps in {place} cannot be used together",
            hint=f"write all maps into the config of the mapper `{mapper.name}`, or into `maps` without the mapper",
        )
