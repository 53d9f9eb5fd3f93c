"""The records in the output of a source, with their values in types of Python."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tapdock.errors import TranslationError
from tapdock.project.model import Kind
from tapdock.protocol import airbyte as airbyte_messages
from tapdock.protocol import lines
from tapdock.protocol import singer as singer_messages
from tapdock.protocol.catalog import StreamKey

__all__ = ["Found", "SourceRecord", "found_in"]

_BODY = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a source. Numbers in `data` keep every digit: they are `int` or `Decimal`.

    `emitted_at` is in UTC; None if the source reports no time.
    """

    stream: str
    namespace: str | None = None
    data: dict[str, Any]
    emitted_at: datetime | None = None


class Found(NamedTuple):
    """A record whose body is not decoded yet. The time is in milliseconds since 1970."""

    key: StreamKey
    body: msgspec.Raw
    milliseconds: float | None

    def decoded(self) -> SourceRecord:
        """Return the record with its values. Raises TranslationError."""
        key, milliseconds = self.key, self.milliseconds
        try:
            data = _BODY.decode(self.body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise TranslationError(f"a record of stream `{key}` cannot be read: {error}") from error
        try:
            at = None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
        except (ValueError, OverflowError, OSError) as error:
            what = (
                f"a record of stream `{key}` has the time {milliseconds:.0f}, which is not in milliseconds since 1970"
            )
            raise TranslationError(what) from error
        return SourceRecord(stream=key.name, namespace=key.namespace, data=data, emitted_at=at)


def found_in(batch: bytes, kind: Kind, names: Mapping[str, StreamKey]) -> Iterator[Found]:
    """Yield the records of whole, readable lines. `names` are the streams by their names in the messages of a tap."""
    return _of_airbyte(batch) if kind == "airbyte" else _of_singer(batch, names)


def _of_airbyte(batch: bytes) -> Iterator[Found]:
    for message in airbyte_messages.MESSAGES.decode_lines(batch):
        if isinstance(message, airbyte_messages.RecordMessage) and (record := message.record):
            yield Found(StreamKey.of(record.namespace, record.stream or ""), record.data, record.emitted_at)


def _of_singer(batch: bytes, names: Mapping[str, StreamKey]) -> Iterator[Found]:
    for line in lines.split(batch):
        for part in singer_messages.DIALECT.parts(line):
            if isinstance(part.message, singer_messages.RecordMessage):
                stream, time_extracted = part.message.stream or "", part.message.time_extracted
                at = singer_messages.milliseconds(time_extracted) if time_extracted else None
                yield Found(names.get(stream, StreamKey(None, stream)), part.message.record, at)
