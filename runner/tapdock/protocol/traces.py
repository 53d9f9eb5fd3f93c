"""Read TRACE messages of Airbyte connectors. An error with parts of odd types is still an error (protocol.md 1.1)."""

import re
from typing import NamedTuple

import msgspec
from msgspec import Raw

from tapdock.protocol.airbyte import StreamDescriptor

__all__ = ["StreamStatus", "Trace", "TraceError", "read_trace"]

_LONGEST = 64 << 10
_LONGEST_LINE = 500
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_IS_ERROR = re.compile(rb'"type"\s*:\s*"error"|"error"\s*:\s*\{', re.IGNORECASE)
_NOT_A_LETTER = re.compile(r"[^A-Z]")
_NOTHING = (b"", b"null", b"{}")

_Members = dict[str, Raw]


class TraceError(NamedTuple):
    """An error of a connector. A part that is not text is shown as JSON.

    `stream` is None if the error names no stream, or one that cannot be read: `about` is what it names instead.
    """

    message: str = ""
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None
    stream: StreamDescriptor | None = None
    about: str | None = None

    @property
    def words(self) -> str:
        """The message; without one, the best line of the details. Empty if the error contains no text at all."""
        lines = [line for line in (self.internal_message or "").splitlines() if line.strip()][:1]
        lines += [line for line in (self.stack_trace or "").splitlines() if line.strip()][-1:]
        return self.message if self.message.strip() else lines[0].strip()[:_LONGEST_LINE] if lines else ""


class StreamStatus(NamedTuple):
    """A status of a stream, in upper case without other characters. `stream` and `about` are as in `TraceError`."""

    status: str
    stream: StreamDescriptor | None = None
    about: str | None = None


class Trace(NamedTuple):
    """The content of a TRACE. Estimates, analytics and unknown kinds have neither an error nor a status.

    `odd` is the reason why a TRACE that is not an error cannot be read.
    """

    error: TraceError | None = None
    status: StreamStatus | None = None
    odd: str | None = None


def read_trace(raw: Raw) -> Trace:
    """Read a TRACE's body tolerantly; never raises.

    >>> read_trace(Raw(b'{"type":"ERROR","error":{"message":null,"internal_message":{"code":7}}}')).error.words
    '{"code":7}'
    """
    members = _members(raw)
    if members is None:
        if _IS_ERROR.search(bytes(raw)):
            return Trace(error=TraceError(message=_text(raw)))
        return Trace(odd="it is not a JSON object that can be read")
    kind = _word(members.get("type", Raw()))
    error, status = members.get("error", Raw()), members.get("stream_status", Raw())
    return Trace(
        error=_error(error) if kind == "ERROR" or bytes(error) not in _NOTHING else None,
        status=_status(status) if bytes(status) not in _NOTHING else None,
        odd="it has no `stream_status`" if kind == "STREAMSTATUS" and bytes(status) in _NOTHING else None,
    )


def _error(raw: Raw) -> TraceError:
    members = _members(raw)
    if members is None:
        return TraceError(message=_text(raw))
    stream, about = _stream(members.get("stream_descriptor", Raw()))
    return TraceError(
        message=_text(members.get("message", Raw())),
        internal_message=_text(members.get("internal_message", Raw())) or None,
        stack_trace=_text(members.get("stack_trace", Raw())) or None,
        failure_type=_text(members.get("failure_type", Raw())).strip().lower() or None,
        stream=stream,
        about=about,
    )


def _status(raw: Raw) -> StreamStatus:
    members = _members(raw)
    if members is None:
        return StreamStatus(_word(raw))
    return StreamStatus(_word(members.get("status", Raw())), *_stream(members.get("stream_descriptor", Raw())))


def _stream(raw: Raw) -> tuple[StreamDescriptor | None, str | None]:
    """Return the stream that a descriptor names; if it cannot be read, its text."""
    if bytes(raw) in _NOTHING:
        return None, None
    members = _members(raw) or {"name": raw}
    try:
        name = msgspec.json.decode(members.get("name", b"null"), type=str)
        namespace = msgspec.json.decode(members.get("namespace", b"null"), type=str | None)
    except _NOT_READ:
        return None, _text(raw)
    return (StreamDescriptor(name, namespace), None) if name else (None, _text(raw))


def _members(raw: Raw) -> _Members | None:
    try:
        return msgspec.json.decode(raw, type=_Members)
    except _NOT_READ:
        return None


def _word(raw: Raw) -> str:
    return _NOT_A_LETTER.sub("", _text(raw).upper())


def _text(raw: Raw) -> str:
    """Return text, the lines of a list of texts, or any other value as JSON; empty for null."""
    text = bytes(raw)
    try:
        value = msgspec.json.decode(text, type=str | list[str] | None) if text else None
    except _NOT_READ:
        return text[:_LONGEST].decode(errors="replace")
    return ("\n".join(value) if isinstance(value, list) else value or "")[:_LONGEST]
