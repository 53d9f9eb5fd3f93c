"""Refuse options of a pipeline that have no effect on its route."""

from tapdock.errors import UsageError
from tapdock.project.model import Pipeline

__all__ = ["require_meant"]

_MEANT = {
    "meta_changes": "airbyte-singer",
    "late_schema": "singer-airbyte",
    "validate_records": "singer-airbyte",
}
"""Options of a pipeline that only apply to one route."""


def require_meant(pipeline: Pipeline, route: str) -> None:
    """Raise UsageError for an option that has no effect on this route."""
    plain = Pipeline(name="", source="", target="")
    for option, meant in _MEANT.items():
        if getattr(pipeline, option) != getattr(plain, option) and route != meant:
            source, target = (kind.title() for kind in meant.split("-"))
            raise UsageError(
                f"pipeline `{pipeline.name}`: `{option}` only applies to {source}-to-{target} pipelines",
                hint="remove it",
            )
