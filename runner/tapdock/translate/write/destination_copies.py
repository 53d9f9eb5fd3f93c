"""Write the streams of a tap for an Airbyte destination: each as itself, or as one stream for each of its maps."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.singer import SchemaMessage
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.destination import Declared
from tapdock.translate.maps.landing import as_mapped
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.maps.tap_maps import TapMaps
from tapdock.translate.notices import Notices
from tapdock.translate.read.declared import declared_fields, require_known
from tapdock.translate.read.schema_scan import schema_of
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_stream import AirbyteStream, destination_stream, without_fields
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.mapped_airbyte_stream import MappedAirbyteStream
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import chain

__all__ = ["DestinationCopies"]


class _Copy(NamedTuple):
    """A stream of the destination that is made of one of the tap. Without a map, `tally` counts both."""

    map: StreamMap | None
    landed: ConfiguredStream
    tally: Tally


class DestinationCopies:
    """The streams of the destination, by the tap's stream of which they are made."""

    def __init__(self, source: SingerSource, notices: Notices, translation: TranslateOptions) -> None:
        self.streams: dict[StreamKey, list[StreamKey]] = {}
        self._source = source
        self._notices = notices
        self._translation = translation
        self._maps = TapMaps(translation.maps)
        self._copies: dict[StreamKey, list[_Copy]] = {}
        self._schemas: dict[StreamKey, dict[str, Any]] = {}

    def fix(self, declared: list[Declared]) -> dict[StreamKey, ConfiguredStream]:
        """Return the destination's streams. Raises UsageError if names collide, and TranslationError for a bad map."""
        self._copies = {one.stream.key: list(self._made(one, schema)) for one, schema in declared}
        copies = [each for found in self._copies.values() for each in found]
        landed = {each.landed.stream.key: each.landed for each in copies}
        if len(landed) < len(copies):
            raise UsageError("two streams have the same name after `maps`", hint="give one of them another `__alias__`")
        self.streams = {key: [each.landed.stream.key for each in found] for key, found in self._copies.items()}
        return landed

    def _made(self, one: ConfiguredStream, schema: dict[str, Any]) -> Iterator[_Copy]:
        key = one.stream.key
        tally = self._source.tallies.get(key) or Tally(key)
        maps = self._maps.learn(key, schema, one.primary_key, tally)
        if maps is None:
            yield _Copy(None, destination_stream(one, schema, self._translation), tally)
        for each in maps or ():
            landed = destination_stream(as_mapped(one, each), each.json_schema, self._translation)
            yield _Copy(each, landed, Tally(landed.stream.key))

    def overwrites(self, key: StreamKey) -> bool:
        return any(each.landed.destination_sync_mode == "overwrite" for each in self._copies[key])

    def is_incremental(self, key: StreamKey) -> bool:
        return any(each.landed.sync_mode == "incremental" for each in self._copies[key])

    def fields(self, message: SchemaMessage, key: StreamKey, number: int, *, expects_key: bool) -> set[str]:
        """Return the fields of a SCHEMA, which fits the catalog. Raises TranslationError: see `declared_fields`."""
        found: set[str] = set()
        for each in self._copies[key]:
            found = declared_fields(message, each.landed, number, expects_key=expects_key and each.map is None)
        return found

    def require_known(self, message: SchemaMessage, key: StreamKey, number: int, *, fields: set[str]) -> None:
        """Raise TranslationError if the destination's catalog lacks one of the `fields` of a SCHEMA, after the maps.

        The maps follow the SCHEMA.
        """
        stream, copies = message.stream or "", self._copies[key]
        if copies[0].map is None:
            require_known(fields, copies[0].landed, self._source.exclusion(stream), number)
            return
        expected = self._source.expected.get(key)
        schema = schema_of(message.schema, key, number, expected.fragments if expected else ())
        schema = self._schemas[key] = without_fields(schema, self._source.exclusion(stream))
        keys = expected.primary_key if expected else tuple((name,) for name in message.key_properties or ())
        for place, each in enumerate(self._maps.learn(key, schema, keys, self._source.tally(stream)) or ()):
            require_known(set(each.json_schema["properties"]), copies[place].landed, Exclusion(()), number)
            copies[place] = copies[place]._replace(map=each)

    def landing(
        self,
        stream: str,
        names: Mapping[StreamKey, StreamKey],
        numbers: Callable[[], int],
        *,
        declared: Collection[str],
    ) -> AirbyteStream | MappedAirbyteStream:
        """Return how the records of a stream are written; `declared` are the fields of its SCHEMA."""
        key, tally, fragments = self._source.key(stream), self._source.tally(stream), self._source.fragments(stream)
        exclusion = self._source.exclusion(stream)
        copies = self._copies[key]
        if copies[0].map is None:
            return AirbyteStream(
                copies[0].landed,
                names[key],
                tally,
                numbers,
                declared=declared,
                exclusion=exclusion,
                notices=self._notices,
                translation=self._translation,
                fragments=fragments,
            )
        outputs = [
            (
                each.map,
                AirbyteStream(
                    each.landed,
                    names[each.landed.stream.key],
                    each.tally,
                    numbers,
                    declared=each.map.json_schema.get("properties", {}),
                    notices=self._notices,
                    translation=self._translation,
                    watched=tally if place == 0 else None,
                ),
            )
            for place, each in enumerate(copies)
            if each.map
        ]
        convert = conversion(self._schemas.get(key, {}), fragments, self._notices.converter(tally))
        before = chain([rule for rule in (removal(exclusion), convert) if rule])
        return MappedAirbyteStream(tally, before, outputs)

    def counts(self) -> dict[StreamKey, int]:
        """Return how many records were sent so far, by the streams of the destination."""
        counts = {key: tally.records for key, tally in self._source.tallies.items()}
        copies = [each for found in self._copies.values() for each in found if each.map]
        return counts | {each.tally.key: each.tally.records for each in copies}

    def tally_of(self, key: StreamKey) -> Tally | None:
        """Return the counts of the tap's stream that is written as a stream of the destination."""
        owner = next((source for source, found in self.streams.items() if key in found), key)
        return self._source.tallies.get(owner)
