"""Airbyte's messages, typed as far as we read them; the rest stays raw and survives (protocol.md 1.1)."""

import re
from typing import NamedTuple

import msgspec
from msgspec import Raw

from tapdock.events import Level
from tapdock.protocol import lines

__all__ = [
    "MESSAGES",
    "Answer",
    "ConnectionStatus",
    "ControlMessage",
    "Line",
    "Log",
    "LogMessage",
    "Message",
    "Record",
    "RecordMessage",
    "Spec",
    "State",
    "StateMessage",
    "StreamDescriptor",
    "Trace",
    "TraceError",
    "TraceMessage",
    "control_config",
    "level_of",
    "parse_line",
    "read_answer",
]


class Record(msgspec.Struct, gc=False):
    """A RECORD's body; `emitted_at` is epoch milliseconds."""

    stream: str | None = None
    data: Raw = Raw(b"null")
    namespace: str | None = None
    emitted_at: int | float | None = None


class RecordMessage(msgspec.Struct, tag="RECORD", gc=False):
    record: Record | None = None


class StateMessage(msgspec.Struct, tag="STATE", gc=False):
    state: Raw = Raw()


class LogMessage(msgspec.Struct, tag="LOG", gc=False):
    log: Raw = Raw()


class TraceMessage(msgspec.Struct, tag="TRACE", gc=False):
    trace: Raw = Raw()


class ControlMessage(msgspec.Struct, tag="CONTROL", gc=False):
    control: Raw = Raw()


class SpecMessage(msgspec.Struct, tag="SPEC", gc=False):
    spec: Raw = Raw()


class CatalogMessage(msgspec.Struct, tag="CATALOG", gc=False):
    catalog: Raw = Raw()


class StatusMessage(msgspec.Struct, tag="CONNECTION_STATUS", rename="camel", gc=False):
    connection_status: Raw = Raw()


Message = (
    RecordMessage
    | StateMessage
    | LogMessage
    | TraceMessage
    | ControlMessage
    | SpecMessage
    | CatalogMessage
    | StatusMessage
)

MESSAGES = msgspec.json.Decoder(Message)
"""Decodes whole batches with `decode_lines`; raises msgspec.MsgspecError or RecursionError."""


class StreamDescriptor(msgspec.Struct, frozen=True):
    name: str
    namespace: str | None = None


class StreamState(msgspec.Struct):
    stream_descriptor: StreamDescriptor
    stream_state: Raw = Raw()


class Stats(msgspec.Struct, rename="camel"):
    record_count: int | float | None = None


class State(msgspec.Struct, rename={"global_": "global", "source_stats": "sourceStats"}):
    """A STATE's body; without a type it is LEGACY."""

    type: str | None = None
    stream: StreamState | None = None
    global_: Raw = Raw()
    data: Raw = Raw()
    source_stats: Stats | None = None


class Log(msgspec.Struct):
    level: str = "INFO"
    message: str = ""
    stack_trace: str | None = None


class TraceError(msgspec.Struct):
    message: str = ""
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None
    stream_descriptor: StreamDescriptor | None = None


class StreamStatus(msgspec.Struct):
    stream_descriptor: StreamDescriptor
    status: str


class Trace(msgspec.Struct):
    """A TRACE's body; estimates, analytics and kinds of tomorrow have neither field."""

    type: str | None = None
    error: TraceError | None = None
    stream_status: StreamStatus | None = None


class Spec(msgspec.Struct, rename="camel"):
    connection_specification: Raw = Raw(b"{}")
    documentation_url: str | None = None
    protocol_version: str | None = msgspec.field(default=None, name="protocol_version")
    supported_destination_sync_modes: tuple[str, ...] | None = msgspec.field(
        default=None, name="supported_destination_sync_modes"
    )


class ConnectionStatus(msgspec.Struct):
    status: str
    message: str | None = None


class _ConnectorConfig(msgspec.Struct):
    config: Raw = Raw()


class _Control(msgspec.Struct, rename="camel"):
    connector_config: _ConnectorConfig | None = None


class _Envelope(msgspec.Struct):
    type: str


_LEVELS: dict[str, Level] = {
    "FATAL": "error",
    "ERROR": "error",
    "WARN": "warning",
    "WARNING": "warning",
    "INFO": "info",
    "DEBUG": "debug",
    "TRACE": "debug",
}


def level_of(level: str) -> Level:
    """Our level for one of Airbyte's; what is unknown is `info`."""
    return _LEVELS.get(level.upper(), "info")


class Line(NamedTuple):
    """What one line held; `refused` is why, when it is clearly a RECORD or a STATE and cannot be read.

    Neither messages nor `refused`: the line is no message at all, and belongs in the log.
    """

    messages: list[Message]
    notes: tuple[str, ...] = ()
    refused: str | None = None


TRAILING = "what followed the first JSON value was ignored"
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]*)"')
_CARRIES_DATA = re.compile(rb'\{.*"type"\s*:\s*"(?:RECORD|STATE)"', re.DOTALL)


def parse_line(line: bytes) -> Line:
    """Read a single line as tolerantly as the protocol asks; never raises (protocol.md 1.3).

    What follows the first message is ignored, unless it is one too: writers that met on a line lose nothing.
    """
    try:
        if lines.is_clean_text(line):
            return Line(MESSAGES.decode_lines(line))
    except _NOT_READ:
        pass
    messages: list[Message] = []
    notes: dict[str, None] = {}
    rest = line.strip()
    while rest and not (messages and not _CARRIES_DATA.match(rest)):
        mended = lines.mend(rest)
        if mended is None:
            broken = _CARRIES_DATA.match(rest) is not None
            return Line(messages, tuple(notes), _refusal(rest, "it is not whole JSON") if broken else None)
        try:
            messages.append(MESSAGES.decode(mended.text))
        except _NOT_READ as error:
            broken = _type_of(mended.text) in ("RECORD", "STATE")
            return Line(messages, tuple(notes), _refusal(rest, str(error)) if broken else None)
        notes |= dict.fromkeys(mended.notes)
        rest = mended.rest
    return Line(messages, (*notes, TRAILING) if rest else tuple(notes))


def _refusal(line: bytes, reason: str) -> str:
    stream = _STREAM.search(line)
    named = f" of stream `{stream[1].decode(errors='replace')}`" if stream else ""
    return f"a message{named} cannot be read: {reason}"


def _type_of(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=_Envelope).type
    except _NOT_READ:
        # The parser gives up where a key of the body is odd; the words are still there.
        return "RECORD" if _CARRIES_DATA.match(text) else None


def control_config(control: Raw) -> str | None:
    """The whole new config of a CONTROL, as raw JSON text; None for another kind of CONTROL."""
    try:
        config = msgspec.json.decode(control, type=_Control).connector_config
    except msgspec.MsgspecError:
        return None
    return bytes(config.config).decode() or None if config else None


class Answer(msgspec.Struct):
    """What a `spec`, `check` or `discover` printed; of each kind the last counts (protocol.md 1.2)."""

    spec: Spec | None = None
    catalog: Raw | None = None
    status: ConnectionStatus | None = None
    error: TraceError | None = None
    config: str | None = None
    logs: tuple[tuple[Level, str], ...] = ()


def read_answer(output: bytes) -> Answer:
    """Read all that a short command printed on stdout; lines that are no messages are log lines."""
    answer = Answer()
    for text in lines.split(output):
        line = parse_line(text)
        if not line.messages and text.strip():
            answer.logs += (("info", text.decode(errors="replace").strip()),)
        for message in line.messages:
            try:
                _take(answer, message)
            except msgspec.MsgspecError as error:
                answer.logs += (("warning", f"unreadable {type(message).__name__}: {error}"),)
    return answer


def _take(answer: Answer, message: Message) -> None:
    match message:
        case SpecMessage(spec=raw):
            answer.spec = msgspec.json.decode(raw, type=Spec)
        case CatalogMessage(catalog=raw):
            answer.catalog = raw.copy()
        case StatusMessage(connection_status=raw):
            answer.status = msgspec.json.decode(raw, type=ConnectionStatus)
        case ControlMessage(control=raw):
            answer.config = control_config(raw) or answer.config
        case TraceMessage(trace=raw):
            answer.error = msgspec.json.decode(raw, type=Trace).error or answer.error
        case LogMessage(log=raw):
            log = msgspec.json.decode(raw, type=Log)
            answer.logs += ((level_of(log.level), log.message),)
        case _:
            pass  # A RECORD or STATE here answers nothing.
