"""The maps of a run: those of its pipeline, or those of its source."""

from tapdock.errors import UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.translate.maps.settings import MapSettings, checked

__all__ = ["map_settings"]


def map_settings(pipeline: Pipeline, source: Connector) -> MapSettings | None:
    """Return the checked maps of a run; None if it has none.

    Raises UsageError if both have some: what a source protects must not depend on which of two maps wins.
    """
    own, common = f"pipelines.{pipeline.name}.maps", f"sources.{source.name}.maps"
    if pipeline.has_maps and source.has_maps:
        hint = f"move `{own}` into `{common}`, or `{common}` into each pipeline of the source"
        raise UsageError(f"`{own}` and `{common}` both map the streams of this run", hint=hint)
    if pipeline.has_maps:
        return checked(pipeline, place=own)
    return checked(source, place=common) if source.has_maps else None
