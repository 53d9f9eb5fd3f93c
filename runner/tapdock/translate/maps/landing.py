"""The streams of a run as the target gets them: one for each map of a source's stream."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from tapdock.project.model import UndeclaredFields
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import MapSettings
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.write.rules import Rule
from tapdock.translate.write.undeclared import with_extra

__all__ = ["Landed", "as_mapped", "landed_streams", "only_read", "protections", "without_maps"]


class Landed(NamedTuple):
    """A stream in the target. `map` is None if its records are those of the `source`."""

    source: ConfiguredStream
    target: ConfiguredStream
    map: StreamMap | None

    @property
    def label(self) -> str:
        """The name of the source's stream; for a copy under another name, also that name."""
        source = str(self.source.stream.key)
        return f"{source} as {self.target.stream.name}" if self.map and self.map.entry.is_copy else source


def landed_streams(
    streams: Sequence[ConfiguredStream],
    settings: MapSettings | None,
    *,
    undeclared: UndeclaredFields | None = None,
) -> tuple[Landed, ...]:
    """Return what the target gets of each stream, in order, with the column that `undeclared` adds.

    Raises UsageError: see `maps_of` and `with_extra`.
    """
    maps = maps_of(streams, settings, all_known=False) if settings else {}
    pairs: list[tuple[ConfiguredStream, StreamMap | None]] = [
        (one, each) for one in streams for each in maps.get(one.stream.key, (None,))
    ]
    targets = with_extra(tuple(as_mapped(one, each) if each else one for one, each in pairs), undeclared)
    return tuple(Landed(one, target, each) for (one, each), target in zip(pairs, targets, strict=True))


def only_read(
    streams: tuple[ConfiguredStream, ...], settings: MapSettings | None, *, left_out: Collection[str]
) -> tuple[ConfiguredStream, ...]:
    """Return the streams without those that a map removes: they are not read. Checks all maps. Raises UsageError."""
    if settings is None:
        return streams
    maps = maps_of(streams, settings, left_out=left_out)
    return tuple(one for one in streams if maps.get(one.stream.key) != ())


def as_mapped(one: ConfiguredStream, each: StreamMap) -> ConfiguredStream:
    """Return a stream with the name, the schema and the key that its map gives it. No field of it is excluded.

    Without a key, its rows cannot be merged, so they are appended. A stream that gets its first key by the map is
    merged by it.
    """
    key = each.primary_key
    mode = one.destination_sync_mode
    if not key and mode == "append_dedup":
        mode = "append"
    elif key and not one.primary_key and mode == "append":
        mode = "append_dedup"
    cursor = each.cursor(one.cursor_field)
    stream = msgspec.structs.replace(
        one.stream,
        name=each.alias,
        json_schema=each.json_schema,
        default_cursor_field=each.cursor(one.stream.default_cursor_field),
        source_defined_primary_key=key,
        raw="",
    )
    return msgspec.structs.replace(
        one,
        stream=stream,
        destination_sync_mode=mode,
        cursor_field=cursor,
        primary_key=key,
        excluded=(),
        denied=(),
        added=(),
        nested=(),
        hidden=(),
        fragments=(),
        metadata=(),
    )


def protections(landed: Iterable[Landed]) -> dict[StreamKey, list[Rule]]:
    """Return the rules that remove what maps protect from the text of a record that cannot be translated."""
    found: dict[StreamKey, list[Rule]] = {}
    for one in landed:
        if one.map:
            found.setdefault(one.source.stream.key, []).append(one.map.kept)
    return found


def without_maps(streams: tuple[ConfiguredStream, ...], landed: Iterable[Landed]) -> tuple[ConfiguredStream, ...]:
    """Return the streams of a tap. Those without maps have what is added to their schema in the target."""
    plain = {one.source.stream.key: one.target for one in landed if one.map is None}
    return tuple(plain.get(one.stream.key, one) for one in streams)
