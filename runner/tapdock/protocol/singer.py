"""Singer's messages: typed as far as we read them, and the lines that we write (protocol.md 2.1, 2.3)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.protocol import lines

__all__ = [
    "MESSAGES",
    "ActivateMessage",
    "BatchMessage",
    "Message",
    "RecordMessage",
    "SchemaMessage",
    "SingerLine",
    "StateMessage",
    "activate_line",
    "is_nothing",
    "milliseconds",
    "parse_line",
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
    """`time_extracted` is RFC 3339."""

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
    """`manifest` are URLs of files whose lines are record bodies (an extension of Meltano's SDK)."""

    stream: str | None = None
    encoding: Encoding = msgspec.field(default_factory=Encoding)
    manifest: list[str] = []


Message = SchemaMessage | RecordMessage | StateMessage | ActivateMessage | BatchMessage

MESSAGES = msgspec.json.Decoder(Message)
"""Decodes whole batches with `decode_lines`; raises msgspec.MsgspecError or RecursionError."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_TYPES = frozenset({"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"})
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]*)"')
_LOOKS_LIKE_ONE = re.compile(rb'\{.*"type"\s*:\s*"', re.DOTALL)


class SingerLine(NamedTuple):
    """What one line held: a message and its text (mended, where `notes` say so), or why it is `refused`.

    `stream` is what a refused one names.

    None of these: the line is no message at all, and belongs in the log.
    """

    message: Message | None = None
    text: bytes = b""
    notes: tuple[str, ...] = ()
    refused: str | None = None
    nulled: tuple[str, ...] = ()
    stream: str | None = None


def parse_line(line: bytes) -> SingerLine:
    """Read a single line tolerantly; never raises.

    Types are taken in any case (Singer's SPEC). `NaN` and the infinities become null, and `nulled` names the fields of
    a record in which they stood (protocol.md 3.0).
    """
    text = line.strip()
    try:
        if text and lines.is_clean_text(text):
            return SingerLine(MESSAGES.decode(text), text)
    except _NOT_READ:
        pass
    mended = lines.mend(text)
    if mended is None or mended.rest:
        broken = text.startswith(b"{") and _LOOKS_LIKE_ONE.match(text)
        reason = "it is not whole JSON" if mended is None else "something follows its JSON object"
        return _refused(text, reason) if broken else SingerLine()
    try:
        members = _OBJECT.decode(mended.text)
        kind = msgspec.json.decode(members.get("type", b"null"), type=str | None)
    except _NOT_READ as error:
        return _refused(text, str(error))
    if kind is None:
        return SingerLine()
    if kind.upper() not in _TYPES:
        return _refused(text, f"there is no message type `{kind}`")
    clean = mended.text
    if kind not in _TYPES:
        clean = _ENCODE({**members, "type": kind.upper()})
    try:
        message = MESSAGES.decode(clean)
    except _NOT_READ as error:
        return _refused(text, str(error))
    nulled = lines.nulled_fields(text, within="record") if mended.notes and kind.upper() == "RECORD" else ()
    return SingerLine(message, clean, mended.notes, nulled=nulled)


def _refused(line: bytes, reason: str) -> SingerLine:
    found = _STREAM.search(line)
    stream = found[1].decode(errors="replace") if found else None
    named = f" of stream `{stream}`" if stream else ""
    return SingerLine(refused=f"a message{named} cannot be read: {reason}", stream=stream)


def schema_line(
    stream: str,
    schema: Mapping[str, Any],
    *,
    key_properties: Sequence[str],
    bookmark_properties: Sequence[str] = (),
) -> bytes:
    """A SCHEMA; `key_properties` is there even when empty, as old targets want it."""
    message: dict[str, Any] = {"type": "SCHEMA", "stream": stream, "schema": schema}
    message["key_properties"] = key_properties
    if bookmark_properties:
        message["bookmark_properties"] = bookmark_properties
    return _ENCODE(message) + b"\n"


def record_start(stream: str) -> bytes:
    """What stands before the body of each RECORD of a stream."""
    return b'{"type":"RECORD","stream":' + _ENCODE(stream) + b',"record":'


def record_end(emitted_at: int | float | None, *, version: int | None = None) -> bytes:
    """What stands after a RECORD's body: time of extraction and version, if there are any, and the end of the line."""
    text = None if emitted_at is None else rfc3339(emitted_at)
    time = b"" if text is None else b',"time_extracted":"%s"' % text.encode()
    return time + (b"}\n" if version is None else b',"version":%d}\n' % version)


def is_nothing(value: Raw) -> bool:
    """Whether a STATE's value stands for none: null, or an object without members. ValueError for what is no state."""
    try:
        return not _OBJECT.decode(value) if bytes(value) != b"null" else True
    except _NOT_READ as error:
        raise ValueError("it is no JSON object") from error


def activate_line(stream: str, version: int) -> bytes:
    """All rows of the stream that have another version are over."""
    return b'{"type":"ACTIVATE_VERSION","stream":%s,"version":%d}\n' % (_ENCODE(stream), version)


def rfc3339(milliseconds: int | float) -> str | None:
    """`2026-11-22T09:34:07.230+00:00` for epoch milliseconds; None outside the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        return None
    return moment.isoformat(timespec="milliseconds")


def milliseconds(text: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 time, UTC where it names no offset; None for what is no time.

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
    """The state that a target printed; None for a blank line, `{}`, null, and what is no object."""
    try:
        fields = _OBJECT.decode(line)
    except _NOT_READ:
        return None
    return Raw(line.strip()) if fields else None
