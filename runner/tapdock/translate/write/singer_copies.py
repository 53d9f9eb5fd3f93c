"""Write the streams of a tap that maps change for a Singer target: one stream for each map."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.schema_edits import merged
from tapdock.protocol.singer import SchemaMessage
from tapdock.translate.base import TranslateOptions
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.maps.tap_maps import TapMaps
from tapdock.translate.notices import Notices
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Rule, Unwritable, chain
from tapdock.translate.write.schemaless import DATA, data_rule, data_schema, no_fields, refused
from tapdock.translate.write.undeclared import EXTRA_FRAGMENT, Undeclared, declared_names, watching

__all__ = ["SingerCopies"]

_Members = dict[str, Raw]


class SingerCopies:
    """The maps of a tap's streams, by their names in messages, and what the target gets because of them."""

    def __init__(self, source: SingerSource, notices: Notices, translation: TranslateOptions) -> None:
        self._source = source
        self._notices = notices
        self._maps = TapMaps(translation.maps)
        self._has_maps = translation.maps is not None
        self._before: dict[str, Rule | None] = {}
        self._rules: dict[str, Rule] = {}
        self._schemas: dict[str, bytes] = {}
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
        if maps is not None:
            convert = conversion(declared, self._source.fragments(stream), self._notices.converter(tally))
            rules = [removal(self._source.exclusion(stream)), convert]
            self._before[stream] = chain([rule for rule in rules if rule])
        for place, each in enumerate(maps or ()):
            self._declare(each, stream, tally if place == 0 else Tally(tally.key))
        return maps

    def _declare(self, each: StreamMap, stream: str, tally: Tally) -> None:
        """Keep the schema of a copy for the target, and what changes its bodies after the map."""
        names, policy = declared_names(each.json_schema), self._source.undeclared(stream)
        way = self._source.schemaless(stream)
        self._watched.pop(each.alias, None)
        self._rules.pop(each.alias, None)
        schema = msgspec.json.encode(each.json_schema)
        cursor = each.cursor(self._source.cursor(stream))
        keys = [path[0] for path in (*each.primary_key, cursor) if path]
        if watch := watching(names, tally, self._notices, policy, keys=keys):
            self._watched[each.alias] = watch
        if names and policy == "json":
            schema = merged(schema, [EXTRA_FRAGMENT])
        elif not names and way is None:
            self._notices.warn_once(no_fields(tally.key), about=("schemaless", tally.key))
        elif not names:
            columns = list(dict.fromkeys((*(path[0] for path in each.primary_key), *self._source.cursor(stream))))
            if way == "refuse" or DATA in columns:
                error = refused(tally.key)
                raise TranslationError(f"line {self._source.line}: {error.message}", hint=error.hint)
            self._rules[each.alias] = data_rule(Exclusion(()), columns)
            schema = msgspec.json.encode(data_schema(columns))
        self._schemas[each.alias] = schema

    def schema(self, text: bytes, each: StreamMap, readable: Callable[[bytes, str], bytes]) -> bytes:
        """Return the SCHEMA of a stream under the name that a map gives it."""
        members = msgspec.json.decode(text, type=_Members)
        schema = readable(self._schemas[each.alias], each.alias)
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
            before = self._before_maps(stream)
            body = before(body) if before else body
            if body == EMPTY:  # it has only excluded fields
                tally.empty += 1
                return []
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

    def _before_maps(self, stream: str) -> Rule | None:
        """Return the rule for bodies before their maps; before a SCHEMA, it only removes excluded fields."""
        if stream not in self._before:
            self._before[stream] = removal(self._source.exclusion(stream))
        return self._before[stream]

    def _known(self, each: StreamMap, body: bytes) -> bytes:
        rule, watch = self._rules.get(each.alias), self._watched.get(each.alias)
        body = rule(body) if rule else body
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
