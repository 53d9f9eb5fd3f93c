"""The maps of a tap's streams, which are known from their catalog, and anew from each SCHEMA."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import TranslationError, UsageError
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.maps.plan import maps_for, read_schema
from tapdock.translate.maps.settings import MapSettings
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.tally import Tally

__all__ = ["TapMaps"]

Maps = tuple[StreamMap, ...] | None


class TapMaps:
    """The maps by stream; None for a stream without a map."""

    def __init__(self, settings: MapSettings | None) -> None:
        self._settings = settings
        self._known: dict[StreamKey, Maps] = {}

    def of(self, key: StreamKey, expected: ConfiguredStream | None, tally: Tally) -> Maps:
        """Return the maps of a stream. Before its SCHEMA, they follow from its catalog. Raises TranslationError."""
        if self._settings is None:
            return None
        if key not in self._known:
            schema = read_schema(expected) if expected else {}
            self.learn(key, schema, expected.primary_key if expected else (), tally)
        return self._known[key]

    def learn(
        self, key: StreamKey, schema: Mapping[str, Any], fields: tuple[tuple[str, ...], ...], tally: Tally
    ) -> Maps:
        """Return the maps for a new schema and key of a stream. Raises TranslationError if a map does not fit them."""
        if self._settings is None:
            return None
        try:
            maps = self._known[key] = maps_for(key, schema, fields, self._settings)
        except UsageError as error:
            raise TranslationError(f"the SCHEMA of stream `{key}`: {error.message}", hint=error.hint) from error
        if maps is not None:
            tally.written = {**{each.alias: 0 for each in maps}, **(tally.written or {})}
            tally.reason = tally.reason or "maps change it"
        return maps
