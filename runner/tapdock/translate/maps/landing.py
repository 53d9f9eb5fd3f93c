"""The streams of a run as the target gets them: one for each map of a source's stream."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from tapdock.project.model import Schemaless, UndeclaredFields
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.maps.plan import maps_of, read_schema
from tapdock.translate.maps.settings import MapSettings
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import Rule, chain
from tapdock.translate.write.schemaless import with_data
from tapdock.translate.write.undeclared import with_extra

__all__ = ["Landed", "as_mapped", "before_maps", "landed_streams", "only_read", "protections"]


class Landed(NamedTuple):
    """A stream in the target. `map` is None if its records are those of the `source`.

    `data_rule` writes whole records into one column, because the stream declares no fields: see `with_data`.
    """

    source: ConfiguredStream
    target: ConfiguredStream
    map: StreamMap | None
    data_rule: Rule | None = None

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
    schemaless: Schemaless | None = None,
) -> tuple[Landed, ...]:
    """Return what the target gets of each stream, in order.

    For an Airbyte source, `undeclared` and `schemaless` may add columns; for a tap, they do so by its SCHEMA messages.
    Raises UsageError: see `maps_of`, `with_data` and `with_extra`.
    """
    maps = maps_of(streams, settings, all_known=False) if settings else {}
    pairs: list[tuple[ConfiguredStream, StreamMap | None]] = [
        (one, each) for one in streams for each in maps.get(one.stream.key, (None,))
    ]
    plain = tuple(as_mapped(one, each) if each else one for one, each in pairs)
    wrapped, rules = with_data(plain, schemaless)
    targets = with_extra(wrapped, undeclared)
    return tuple(
        Landed(one, target, each, rules.get(target.stream.key))
        for (one, each), target in zip(pairs, targets, strict=True)
    )


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


def protections(landed: Iterable[Landed], settings: MapSettings | None) -> dict[StreamKey, list[Rule]] | None:
    """Return the rules that remove what maps protect from the text of a record that cannot be translated.

    None if the run has no maps.
    """
    if settings is None:
        return None
    found: dict[StreamKey, list[Rule]] = {}
    for one in landed:
        if one.map:
            found.setdefault(one.source.stream.key, []).append(one.map.kept)
    return found


def before_maps(one: ConfiguredStream, say: Callable[[str], None]) -> Rule | None:
    """Return the rule for the bodies of a stream before its maps: without excluded fields, with converted values."""
    rules = [removal(one.exclusion), conversion(read_schema(one), one.fragments, say)]
    return chain([rule for rule in rules if rule])
