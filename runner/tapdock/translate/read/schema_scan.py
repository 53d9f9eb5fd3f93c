"""Scan the output of a tap for its streams and their schemas, before it is translated."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.schema_edits import Fragment
from tapdock.protocol.schema_edits import merged as merged_fragments
from tapdock.protocol.singer import ActivateMessage, Message, RecordMessage, SchemaMessage
from tapdock.translate.read.known_prefixes import KnownPrefixes
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.schemas.to_airbyte import airbyte_schema, merged
from tapdock.translate.tally import Tally

__all__ = ["Scan", "schema_of"]


class Scan:
    """The result of a scan. `schemas` are for the destination, by stream, merged from every SCHEMA.

    `keys` are those of the latest SCHEMA that has any, `versions` those of the snapshots that records belong to.
    """

    def __init__(self, source: SingerSource) -> None:
        self.schemas: dict[StreamKey, dict[str, Any]] = {}
        self.keys: dict[StreamKey, list[str]] = {}
        self.versions: dict[StreamKey, int] = {}
        self._source = source
        self._glance = KnownPrefixes()

    def see(self, lines: bytes) -> None:
        """Scan whole lines. Records are counted; bad lines are not refused yet."""
        for part, number in self._glance.parts(lines):
            if number:
                for tally, records, _ in self._glance.counts(part, number):
                    self._source.line += records
                    tally.spooled += records
            else:
                self._source.line += 1
                self._source.counts.signs += 1
                self._look(part)

    def _look(self, text: bytes) -> None:
        for message, _ in self._source.read(text, quiet=True):
            self._look_at(message, text)

    def _look_at(self, message: Message, text: bytes) -> None:
        if isinstance(message, RecordMessage | SchemaMessage) and self._source.is_left_out(
            message.stream or "", record=False
        ):
            return
        match message:
            case SchemaMessage(stream=str() as stream, schema=raw, key_properties=keys):
                self._see(stream, raw, keys or [])
            case RecordMessage(stream=str() as stream, record=body, version=version):
                if version is not None:
                    self.versions[self._source.key(stream)] = int(version)
                tally = self._source.tally(stream)
                tally.spooled += 1
                self._glance.learn(text, bytes(body), tally)
            case ActivateMessage(stream=str() as stream, version=int() | float() as version):
                self.versions[self._source.key(stream)] = int(version)
            case _:
                pass

    def _see(self, stream: str, raw: Raw, keys: list[str]) -> None:
        key = self._source.key(stream)
        if keys or key not in self.keys:
            self.keys[key] = keys
        self._source.tallies.setdefault(key, Tally(key))
        try:
            schema = schema_of(raw, key, self._source.line, self._source.fragments(stream))
        except TranslationError:
            return  # it is refused when it is translated
        if schema["properties"]:  # else it declares no fields
            self.schemas[key] = merged(self.schemas[key], schema) if key in self.schemas else schema


def schema_of(raw: Raw, key: StreamKey, number: int, fragments: Sequence[Fragment] = ()) -> dict[str, Any]:
    """Return a SCHEMA's schema for a destination, with a user's fragments. Raises TranslationError for bad ones."""
    try:
        return airbyte_schema(msgspec.json.decode(merged_fragments(raw, fragments), type=dict))
    except msgspec.MsgspecError as error:
        raise TranslationError(f"line {number}: the schema of stream `{key}` cannot be read: {error}") from error
