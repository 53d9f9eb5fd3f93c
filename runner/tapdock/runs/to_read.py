"""What is read of a source without a target: its streams, its config, and its maps."""

from dataclasses import dataclass

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.operations import Resolved
from tapdock.errors import UsageError
from tapdock.launch import Launch
from tapdock.project.model import Pipeline
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured_catalog
from tapdock.runs.chosen import chosen_streams
from tapdock.runs.prepare import Options
from tapdock.runs.schema_policy import asks_again
from tapdock.translate.catalogs.singer import selected_catalog
from tapdock.translate.maps.landing import Landed, landed_streams
from tapdock.translate.maps.settings import MapSettings, settings_of

__all__ = ["ToRead", "launch_of", "to_read"]


@dataclass(frozen=True, kw_only=True)
class ToRead:
    """What is read of a source: the `streams` of those that it has `offered`. `select` is the choice for this call.

    `maps` change the records before the reader gets them.
    """

    offered: tuple[Stream, ...]
    streams: tuple[ConfiguredStream, ...]
    config: Resolved
    select: tuple[str, ...] = ()
    maps: MapSettings | None = None

    @property
    def landed(self) -> tuple[Landed, ...]:
        """The streams as the reader gets them."""
        return landed_streams(self.streams, self.maps)


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
    only, anew = options.select, options.full_refresh
    streams = chosen_streams(context, ready, offered, None, only=only, full_refresh=anew, maps=maps)
    return ToRead(offered=offered, streams=streams, config=config, select=options.select, maps=maps)


def launch_of(ready: PreparedConnector, what: ToRead, *, state: str | None = None) -> Launch:
    """Return the launch that reads the source, from its beginning or from a state."""
    connector, config = ready.connector, what.config.given
    if ready.kind == "airbyte":
        catalog = configured_catalog(what.streams)
        return airbyte.read(connector, ready.facts, config=config, catalog=catalog, state=state)
    legacy, log_key = connector.catalog_option == "--properties", ready.quirks.log_key
    selected = selected_catalog(what.offered, what.streams, legacy=legacy, log_key=log_key) if what.offered else None
    return singer.read(connector, ready.facts, config=config, catalog=selected, state=state)
