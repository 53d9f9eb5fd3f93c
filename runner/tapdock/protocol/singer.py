"""Singer's messages, typed as far as tapdock reads them, and the lines that tapdock writes (protocol.md 2.1, 2.3)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol import lines
from tapdock.protocol.parts import Dialect, Part

__all__ = [
    "DIALECT",
    "MESSAGES",
    "ActivateMessage",
    "BatchMessage",
    "Message",
    "RecordMessage",
    "SchemaMessage",
    "StateMessage",
    "activate_line",
    "body_problem",
    "is_nothing",
    "milliseconds",
    "nulled_fields",
    "parse_state",
    "record_end",
    "record_start",
    "rfc3339",
    "schema_line",
    "state_line",
]


class SchemaMessage(msgspec.Struct, tag="SCHEMA", gc=False):
    stream: str | None = None
    schema: Raw = Raw()
    key_properties: list[str] | None = None


class RecordMessage(msgspec.Struct, tag="RECORD", gc=False):
    """A RECORD; `time_extracted` is RFC 3339."""

    stream: str | None = None
    record: Raw = Raw(b"null")
    time_extracted: str | None = None
    version: int | float | None = None


class StateMessage(msgspec.Struct, tag="STATE", gc=False):
    value: Raw = Raw()


class ActivateMessage(msgspec.Struct, tag="ACTIVATE_VERSION", gc=False):
    stream: str | None = None
    version: int | float | None = None


class Encoding(msgspec.Struct, gc=False):
    format: str = "jsonl"
    compression: str | None = None


class BatchMessage(msgspec.Struct, tag="BATCH", gc=False):
    """A BATCH; `manifest` are URLs of files whose lines are record bodies (an extension of Meltano's SDK)."""

    stream: str | None = None
    encoding: Encoding = msgspec.field(default_factory=Encoding)
    manifest: list[str] = []


Message = SchemaMessage | RecordMessage | StateMessage | ActivateMessage | BatchMessage

MESSAGES = msgspec.json.Decoder(Message)
"""The decoder for whole batches, with `decode_lines`. It raises msgspec.MsgspecError or RecursionError."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_BODIES = {
    "SCHEMA": "schema",
    "RECORD": "record",
    "STATE": "value",
    "ACTIVATE_VERSION": "version",
    "BATCH": "manifest",
}


_RECORD_MEMBERS = {"type", "stream", "record", "time_extracted", "version"}


def _is_record(members: Mapping[str, Raw]) -> bool:
    return {"stream", "record"} <= members.keys() <= _RECORD_MEMBERS


DIALECT: Dialect[Message] = Dialect(MESSAGES, bodies=_BODIES, kept=_BODIES, is_record=_is_record)
"""How a line that is not one clean message is read."""


def nulled_fields(part: Part[Message]) -> tuple[str, ...]:
    """Return the fields of a RECORD that had a NaN or an infinity, which was replaced by null (protocol.md 3.0)."""
    if not part.notes or not isinstance(part.message, RecordMessage):
        return ()
    return lines.nulled_fields(part.as_it_came, within="record")


def schema_line(
    stream: str,
    schema: Mapping[str, Any],
    *,
    key_properties: Sequence[str],
    bookmark_properties: Sequence[str] = (),
) -> bytes:
    """Return a SCHEMA line. It always has `key_properties`, because old targets require it."""
    message: dict[str, Any] = {"type": "SCHEMA", "stream": stream, "schema": schema}
    message["key_properties"] = key_properties
    if bookmark_properties:
        message["bookmark_properties"] = bookmark_properties
    return _ENCODE(message) + b"\n"


def record_start(stream: str) -> bytes:
    """Return the beginning of a RECORD line, before the body."""
    return b'{"type":"RECORD","stream":' + _ENCODE(stream) + b',"record":'


def record_end(emitted_at: int | float | None, *, version: int | None = None) -> bytes:
    """Return the end of a RECORD line, after the body, with time of extraction and version if there are any."""
    text = None if emitted_at is None else rfc3339(emitted_at)
    time = b"" if text is None else b',"time_extracted":"%s"' % text.encode()
    return time + (b"}\n" if version is None else b',"version":%d}\n' % version)


def is_nothing(value: Raw) -> bool:
    """Return True for an empty STATE: null, or an object without members. Raises ValueError for another type."""
    try:
        return not _OBJECT.decode(value) if bytes(value) != b"null" else True
    except _NOT_READ as error:
        raise ValueError("it is not a JSON object") from error


def body_problem(body: bytes) -> str | None:
    """Return why the JSON in `record` is not a record; None if it is one."""
    if body.startswith(b"{"):
        return None
    return "has no `record`" if body == b"null" else "has a `record` that is not an object"


def activate_line(stream: str, version: int) -> bytes:
    """Return an ACTIVATE_VERSION line: the target deletes rows of the stream with other versions."""
    return b'{"type":"ACTIVATE_VERSION","stream":%s,"version":%d}\n' % (_ENCODE(stream), version)


def rfc3339(milliseconds: int | float) -> str | None:
    """Return `2026-11-22T09:34:07.230+00:00` for epoch milliseconds; None outside the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        return None
    return moment.isoformat(timespec="milliseconds")


def milliseconds(text: str) -> int | None:
    """Return epoch milliseconds of an RFC 3339 time, UTC without an offset; None if the text is not a time.

    >>> milliseconds("2026-11-22T09:34:07.230Z")
    1795340047230
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def state_line(value: Any) -> bytes:
    return b'{"type":"STATE","value":' + _ENCODE(value) + b"}\n"


def parse_state(line: bytes) -> msgspec.Raw | None:
    """Return the state that a target printed; None for a blank line, `{}`, null, and other values."""
    try:
        fields = _OBJECT.decode(line)
    except _NOT_READ:
        return None
    return Raw(line.strip()) if fields else None
