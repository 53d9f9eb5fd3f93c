"""Write the streams of a tap that maps change for a Singer target: one stream for each map."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.schema_edits import merged
from tapdock.protocol.singer import SchemaMessage
from tapdock.translate.base import TranslateOptions
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.maps.tap_maps import TapMaps
from tapdock.translate.notices import Notices
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.write.rules import EMPTY, Unwritable
from tapdock.translate.write.undeclared import Undeclared, declared_names, extra, watching

__all__ = ["SingerCopies"]

_Members = dict[str, Raw]


class SingerCopies:
    """The maps of a tap's streams, by their names in messages, and what the target gets because of them."""

    def __init__(self, source: SingerSource, notices: Notices, translation: TranslateOptions) -> None:
        self._source = source
        self._notices = notices
        self._maps = TapMaps(translation.maps)
        self._policy = translation.undeclared
        self._has_maps = translation.maps is not None
        self._watched: dict[str, Undeclared] = {}

    def of(self, stream: str) -> tuple[StreamMap, ...] | None:
        """Return the maps of a stream; None if it has none. Raises TranslationError."""
        if not self._has_maps:
            return None
        key = self._source.key(stream)
        return self._maps.of(key, self._source.expected.get(key), self._source.tally(stream))

    def learn(self, message: SchemaMessage, stream: str, schema: bytes) -> tuple[StreamMap, ...] | None:
        """Return the maps of a stream for its new schema, without excluded fields. Raises TranslationError."""
        if not self._has_maps:
            return None
        tally = self._source.tally(stream)
        keys = tuple((name,) for name in message.key_properties or ())
        declared = msgspec.json.decode(schema, type=dict[str, Any])
        maps = self._maps.learn(tally.key, declared, keys, tally)
        for each in maps or ():
            names = declared_names(self._declared(each))
            self._watched.pop(each.alias, None)
            if watch := watching(names, tally, self._notices, self._policy):
                self._watched[each.alias] = watch
        return maps

    def _declared(self, each: StreamMap) -> dict[str, Any]:
        text = merged(msgspec.json.encode(each.json_schema), extra(self._policy))
        return msgspec.json.decode(text, type=dict[str, Any])

    def schema(self, text: bytes, each: StreamMap, readable: Callable[[bytes, str], bytes]) -> bytes:
        """Return the SCHEMA of a stream under the name that a map gives it."""
        members = msgspec.json.decode(text, type=_Members)
        schema = readable(msgspec.json.encode(self._declared(each)), each.alias)
        found = {**members, "stream": _raw(each.alias), "schema": Raw(schema)}
        found["key_properties"] = _raw([path[0] for path in each.primary_key])
        if "bookmark_properties" in members:
            cursors = msgspec.json.decode(members["bookmark_properties"], type=list[str] | None) or []
            paths = [each.cursor((name,)) for name in cursors]
            found["bookmark_properties"] = _raw([path[0] for path in paths if path])
        return msgspec.json.encode(found) + b"\n"

    def bodies(
        self, body: bytes, stream: str, maps: tuple[StreamMap, ...], text: bytes
    ) -> list[tuple[StreamMap, bytes]]:
        """Return the bodies of a record for the target, and count them: all that its maps make of it, or none.

        A record that cannot be computed is refused, or set aside as `text`.
        """
        tally = self._source.tally(stream)
        try:
            found = [(each, new) for each in maps if (new := each.apply(body)) is not None]
            known = [(each, self._known(each, new)) for each, new in found]
        except Unwritable as error:
            what = f"line {self._source.line}: a record of stream `{tally.key}` {error}"
            self._source.refuse(TranslationError(what), text, stream=stream)
            return []
        kept = [(each, new) for each, new in known if new != EMPTY]
        tally.filtered += not found
        tally.empty += bool(found) and not kept  # it has only undeclared fields, which are dropped
        tally.records += bool(kept)
        written = tally.written or {}
        for each, new in kept:
            written[each.alias] += 1
            tally.bytes += len(new)
        return kept

    def _known(self, each: StreamMap, body: bytes) -> bytes:
        watch = self._watched.get(each.alias)
        return watch.handled(body) if watch and not watch.fits(body) else body

    def records(self, body: bytes, stream: str, maps: tuple[StreamMap, ...], text: bytes) -> bytes:
        """Return a record under each name that its maps give it; nothing if none of them takes it."""
        bodies = self.bodies(body, stream, maps, text)
        if not bodies:
            return b""
        members = msgspec.json.decode(text, type=_Members)
        lines = [{**members, "stream": _raw(each.alias), "record": Raw(new)} for each, new in bodies]
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

    def renamed(self, text: bytes, stream: str) -> bytes:
        """Return a message of a stream, under each name that its maps give the stream."""
        maps = self.of(stream)
        if maps is None:
            return text + b"\n"
        members = msgspec.json.decode(text, type=_Members)
        lines = [{**members, "stream": _raw(each.alias)} for each in maps]
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
