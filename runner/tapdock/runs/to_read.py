"""Choose what is read of a source without a target."""

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.errors import UsageError
from tapdock.project.model import Pipeline
from tapdock.runs.chosen import chosen_streams
from tapdock.runs.options import Options
from tapdock.runs.schema_policy import asks_again
from tapdock.runs.source_read import ToRead, as_sent
from tapdock.translate.maps.settings import settings_of

__all__ = ["to_read"]


def to_read(
    context: Context, ready: PreparedConnector, options: Options, *, pipeline: Pipeline | None = None
) -> ToRead:
    """Choose the streams that are read. Raises TapdockError if the source cannot be read like this.

    Without a `pipeline`, the maps are those of the source.
    """
    refresh = asks_again(ready.connector, "evolve", wanted=options.refresh_catalog)
    offered = operations.discover(context, ready, refresh=refresh)
    config = operations.resolved_config(context, ready)
    if ready.kind == "singer" and "batch_config" in config.user:
        raise UsageError(
            f"source `{ready.connector.name}` has a `batch_config`, whose files only a run has",
            hint="remove `batch_config`, or run a pipeline",
        )
    maps = settings_of(pipeline or Pipeline(name="", source=ready.connector.name, target=""), ready.connector)
    streams = chosen_streams(context, ready, offered, None, only=options.select, maps=maps)
    return ToRead(offered=offered, streams=as_sent(streams), config=config, select=options.select, maps=maps)
