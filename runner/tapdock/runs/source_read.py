"""What is read of a source without a target: its streams, its config, its maps, and the launch that reads it."""

import msgspec

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.resolved import Resolved
from tapdock.launch import Launch
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured_catalog
from tapdock.translate.catalogs.singer import selected_catalog
from tapdock.translate.maps.landing import Landed, landed_streams
from tapdock.translate.maps.settings import MapSettings

__all__ = ["ToRead", "as_sent", "launch_of"]


class ToRead(msgspec.Struct, frozen=True, kw_only=True):
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


def as_sent(streams: tuple[ConfiguredStream, ...]) -> tuple[ConfiguredStream, ...]:
    """Return streams whose records a reader gets with the fields that the source sends: the options are for targets."""
    return tuple(msgspec.structs.replace(one, undeclared=None, schemaless=None) for one in streams)


def launch_of(ready: PreparedConnector, what: ToRead, *, state: str | None = None) -> Launch:
    """Return the launch that reads the source, from its beginning or from a state."""
    connector, config = ready.connector, what.config.given
    if ready.kind == "airbyte":
        catalog = configured_catalog(what.streams)
        return airbyte.read(connector, ready.facts, config=config, catalog=catalog, state=state)
    legacy, log_key = connector.catalog_option == "--properties", ready.quirks.log_key
    selected = selected_catalog(what.offered, what.streams, legacy=legacy, log_key=log_key) if what.offered else None
    return singer.read(connector, ready.facts, config=config, catalog=selected, state=state)
