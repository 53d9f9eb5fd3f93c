"""Airbyte's messages, typed as far as tapdock reads them; the rest stays raw JSON (protocol.md 1.1)."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Raw

from tapdock.events import Level
from tapdock.protocol import lines

__all__ = [
    "MESSAGES",
    "AirbyteLine",
    "ConnectionStatus",
    "ControlMessage",
    "GlobalState",
    "Log",
    "LogMessage",
    "Message",
    "Record",
    "RecordMessage",
    "Spec",
    "State",
    "StateMessage",
    "StreamDescriptor",
    "StreamState",
    "TraceMessage",
    "control_config",
    "is_config",
    "level_of",
    "may_be_config",
    "parse_line",
]


class Meta(msgspec.Struct, gc=False):
    """The source's own changes to a record: `changes` is an array."""

    changes: Raw = Raw(b"[]")


class Record(msgspec.Struct, gc=False):
    """A RECORD's body; `emitted_at` is epoch milliseconds."""

    stream: str | None = None
    data: Raw = Raw(b"null")
    namespace: str | None = None
    emitted_at: int | float | None = None
    meta: Meta | None = None


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
"""The decoder for whole batches, with `decode_lines`. It raises msgspec.MsgspecError or RecursionError."""


class StreamDescriptor(msgspec.Struct, frozen=True):
    name: str
    namespace: str | None = None


class StreamState(msgspec.Struct):
    stream_descriptor: StreamDescriptor
    stream_state: Raw = Raw()


class GlobalState(msgspec.Struct):
    """The content of a GLOBAL state. Some connectors write null for an empty list."""

    shared_state: Raw = Raw(b"null")
    stream_states: list[StreamState] | None = None


class Stats(msgspec.Struct, rename="camel"):
    record_count: int | float | None = None
    rejected_record_count: int | float | None = None


_RENAMED = {"global_": "global", "source_stats": "sourceStats", "destination_stats": "destinationStats"}


class State(msgspec.Struct, rename=_RENAMED):
    """A STATE's body; without a type it is LEGACY."""

    type: str | None = None
    stream: StreamState | None = None
    global_: Raw = Raw()
    data: Raw = Raw()
    source_stats: Stats | None = None
    destination_stats: Stats | None = None


class Log(msgspec.Struct):
    level: str = "INFO"
    message: str = ""
    stack_trace: str | None = None


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
    """Return tapdock's level for one of Airbyte's levels; `info` for an unknown one."""
    return _LEVELS.get(level.upper(), "info")


class AirbyteLine(NamedTuple):
    """The content of one line: messages, each with its text. `notes` describe repairs.

    `refused` is the reason if the line is clearly a RECORD or a STATE (`is_state`) but cannot be read; `stream` is the
    name in it. Without messages and `refused`, the line is not a message, and belongs in the log.
    """

    messages: list[Message]
    texts: list[bytes]
    notes: tuple[str, ...] = ()
    refused: str | None = None
    is_state: bool = False
    stream: str | None = None


TRAILING = "text after the first JSON value was ignored"
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]*)"')
_IS_STATE = re.compile(rb'\{[^{]*"type"\s*:\s*"STATE"', re.DOTALL)
_CARRIES_DATA = re.compile(rb'\{.*"type"\s*:\s*"(?:RECORD|STATE)"', re.DOTALL)
_NOT_TO_BE_LOST = re.compile(rb'\{.*"type"\s*:\s*"(?:RECORD|STATE|CONTROL)"', re.DOTALL)
_CONFIG = re.compile(rb"CONNECTOR_CONFIG|connectorConfig")


def parse_line(line: bytes) -> AirbyteLine:
    """Read a single line as tolerantly as the protocol requires; never raises (protocol.md 1.3).

    Text after the first message is ignored, unless it is a message as well: two writers may have used one line.
    """
    try:
        if lines.is_clean_text(line):
            found = MESSAGES.decode_lines(line)
            if len(found) < 2:
                return AirbyteLine(found, [line.strip()] * len(found))
    except _NOT_READ:
        pass
    messages: list[Message] = []
    texts: list[bytes] = []
    notes: dict[str, None] = {}
    rest = line.strip()
    while rest and not (messages and not _NOT_TO_BE_LOST.match(rest)):
        mended = lines.mend(rest)
        if mended is None:
            broken = _CARRIES_DATA.match(rest) is not None
            return _refused(messages, texts, notes, rest, "it is not complete JSON" if broken else None)
        try:
            messages.append(MESSAGES.decode(mended.text))
        except _NOT_READ as error:
            broken = _type_of(mended.text) in ("RECORD", "STATE")
            return _refused(messages, texts, notes, rest, str(error) if broken else None)
        texts.append(mended.text)
        notes |= dict.fromkeys(mended.notes)
        rest = mended.rest
    return AirbyteLine(messages, texts, (*notes, TRAILING) if rest else tuple(notes))


def _refused(
    messages: list[Message], texts: list[bytes], notes: Iterable[str], line: bytes, reason: str | None
) -> AirbyteLine:
    if reason is None:
        return AirbyteLine(messages, texts, (*notes, TRAILING) if messages else tuple(notes))
    found = _STREAM.search(line)
    stream = found[1].decode(errors="replace") if found else None
    named = f" of stream `{stream}`" if stream else ""
    said = f"a message{named} cannot be read: {reason}"
    return AirbyteLine(messages, texts, tuple(notes), said, is_state=_IS_STATE.match(line) is not None, stream=stream)


def _type_of(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=_Envelope).type
    except _NOT_READ:
        # The parser fails for an odd key in the body, but the type can still be found.
        return "RECORD" if _CARRIES_DATA.match(text) else None


def control_config(control: Raw) -> str | None:
    """Return the whole new config in a CONTROL, as raw JSON text; None for another kind of CONTROL."""
    try:
        config = msgspec.json.decode(control, type=_Control).connector_config
    except msgspec.MsgspecError:
        return None
    return bytes(config.config).decode() or None if config else None


def is_config(control: Raw) -> bool:
    """Return True if a CONTROL has a config, or should have one."""
    return may_be_config(bytes(control))


def may_be_config(lines: bytes) -> bool:
    """Return False if no line can contain a CONTROL with a config."""
    return _CONFIG.search(lines) is not None
