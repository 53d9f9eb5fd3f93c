"""Read the first records of a source, to check that its config works. No state is saved."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.ask import Asked, ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.mistaken import kind_hint
from tapdock.connectors.selection import select_streams
from tapdock.connectors.stream_options import require_singer_options
from tapdock.launch import Launch
from tapdock.protocol import airbyte as airbyte_messages
from tapdock.protocol import lines
from tapdock.protocol import singer as singer_messages
from tapdock.protocol.catalog import StreamKey, configured_catalog
from tapdock.translate.catalogs.singer import emitted_names, selected_catalog

__all__ = ["Sample", "sample"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The number of records of each stream. `is_whole`: the source ended before it had printed as many as wanted."""

    streams: dict[str, int]
    is_whole: bool

    @property
    def records(self) -> int:
        return sum(self.streams.values())


def sample(context: Context, ready: PreparedConnector, *, records: int) -> Sample:
    """Read up to `records` records of the selected streams, from their beginning, and end the source.

    Raises SourceError if the source fails before that, UsageError for a `select` that does not fit its streams.
    """
    connector = ready.connector
    offered = operations.discover(context, ready)
    config = operations.resolved_config(context, ready)

    def warn(said: str) -> None:
        context.once(context.redacted(said))

    require_singer_options(ready)
    reports_streams = connector.reports_streams
    chosen = select_streams(offered, connector.select, connector.streams, warn=warn) if reports_streams else ()
    launch: Launch
    if ready.kind == "airbyte":
        catalog = configured_catalog(chosen)
        launch = airbyte.read(connector, ready.facts, config=config.given, catalog=catalog, state=None)
    else:
        legacy, log_key = connector.catalog_option == "--properties", ready.quirks.log_key
        selected = selected_catalog(offered, chosen, legacy=legacy, log_key=log_key) if offered else None
        launch = singer.read(connector, ready.facts, config=config.given, catalog=selected, state=None)
    keep = operations.keeper(context, connector, config)
    asked = ask(context, ready, launch, keep=keep, records=records)
    names = {name: str(one.stream.key) for one in chosen for name in emitted_names(one.stream)}
    found = _counted(ready, asked, names)
    is_whole = sum(found.values()) < records
    if is_whole and (asked.code or asked.answer.error):
        raise asked.failure("reading failed for", f"after {sum(found.values())} records", hint=kind_hint(ready, asked))
    return Sample(streams={str(one.stream.key): 0 for one in chosen} | found, is_whole=is_whole)


def _counted(ready: PreparedConnector, asked: Asked, names: Mapping[str, str]) -> dict[str, int]:
    """Return the number of records of each stream. `names` maps the names in a tap's messages to those of streams."""
    found: Counter[str] = Counter()
    for line in lines.split(asked.text.encode()):
        if ready.kind == "airbyte":
            for part in airbyte_messages.DIALECT.parts(line):
                if isinstance(part.message, airbyte_messages.RecordMessage) and (record := part.message.record):
                    found[str(StreamKey.of(record.namespace, record.stream or ""))] += 1
        else:
            for each in singer_messages.DIALECT.parts(line):
                if isinstance(each.message, singer_messages.RecordMessage):
                    stream = str(each.message.stream)
                    found[names.get(stream, stream)] += 1
    return dict(found)
