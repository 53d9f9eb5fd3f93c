"""The streams of a source that are read: selected, and not removed by a map."""

from collections.abc import Sequence

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.selection import select_streams
from tapdock.connectors.stream_modes import Modes
from tapdock.connectors.stream_options import require_singer_options
from tapdock.errors import UsageError
from tapdock.project.model import Connector
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.runs.mapped_names import name_hint
from tapdock.translate.maps.landing import only_read
from tapdock.translate.maps.settings import MapSettings

__all__ = ["added_fields", "chosen_streams", "partly_chosen"]


def chosen_streams(
    context: Context,
    source: PreparedConnector,
    offered: tuple[Stream, ...],
    cannot: Modes | None,
    *,
    only: Sequence[str],
    maps: MapSettings | None,
) -> tuple[ConfiguredStream, ...]:
    """Return the streams that are read; none if the tap reports them only during the run. Raises UsageError.

    `cannot` are the modes that the target does not support; None without a target. `only` is the choice for this run.
    """
    connector = source.connector
    require_singer_options(source)
    if not connector.reports_streams:
        _require_all(connector, only)
        return ()  # the tap reports its streams during the run
    try:
        streams = select_streams(
            offered,
            connector.select,
            connector.streams,
            only=only,
            modes=cannot,
            warn=lambda said: context.once(context.redacted(said)),
        )
    except UsageError as error:
        if maps and (hint := name_hint((*only, *connector.select), offered, maps, error=error.message)):
            raise UsageError(error.message, hint=hint) from None
        raise
    left_out = {str(one.key) for one in offered} - {str(one.stream.key) for one in streams}
    found = only_read(streams, maps, left_out=left_out)
    if streams and not found:
        raise UsageError("`maps` removes every stream that is selected", hint="map one to something else than `null`")
    return found


def _require_all(source: Connector, only: Sequence[str]) -> None:
    """Raise UsageError for a choice of streams or fields if they are known only during the run: it would be ignored."""
    given = {"`--select` or `--exclude`": only, "`select`": source.select, "`streams`": source.streams}
    if found := next((name for name, value in given.items() if value), None):
        raise UsageError(
            f"{found} has no effect for source `{source.name}`: with `discovery: false`, its streams are not known"
            " before the run",
            hint=f"write a catalog with the streams and fields, and name it with `catalog: FILE`, or remove {found}",
        )


def added_fields(streams: tuple[ConfiguredStream, ...]) -> str:
    """Return the fields of keys and cursors that are read although `select` does not list them; empty without any."""
    return ", ".join(f"{one.stream.key}.{name}" for one in streams for name in one.added)


def partly_chosen(source: Connector, offered: Sequence[Stream], only: Sequence[str]) -> list[StreamKey]:
    """Return the streams of which the choice for this run, `only`, leaves out fields that the project selects."""
    if not only:
        return []
    every, chosen = (
        {one.stream.key: (one.excluded, one.nested) for one in found}
        for found in (select_streams(offered, source.select, source.streams, only=each) for each in ((), only))
    )
    return [key for key, left_out in chosen.items() if left_out != every.get(key)]
