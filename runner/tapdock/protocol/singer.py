"""Singer's messages: SCHEMA, RECORD and STATE as lines, and what a target prints (protocol.md 2.1, 2.3)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

__all__ = ["parse_state", "record_end", "record_start", "rfc3339", "schema_line", "state_line"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODE = msgspec.json.Encoder().encode


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


def record_end(emitted_at: int | float | None) -> bytes:
    """What stands after a RECORD's body: its time of extraction, if there is one, and the end of the line."""
    text = None if emitted_at is None else rfc3339(emitted_at)
    return b"}\n" if text is None else b',"time_extracted":"%s"}\n' % text.encode()


def rfc3339(milliseconds: int | float) -> str | None:
    """`2026-11-22T09:34:07.230+00:00` for epoch milliseconds; None outside the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        return None
    return moment.isoformat(timespec="milliseconds")


def state_line(value: Any) -> bytes:
    return b'{"type":"STATE","value":' + _ENCODE(value) + b"}\n"


def parse_state(line: bytes) -> msgspec.Raw | None:
    """The state that a target printed; None for a blank line, `{}`, null, and what is no object."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return msgspec.Raw(line.strip()) if fields else None
