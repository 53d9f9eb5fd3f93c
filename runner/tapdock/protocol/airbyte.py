"""Airbyte's messages, typed as far as tapdock reads them; the rest stays raw JSON (protocol.md 1.1)."""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from tapdock.events import Level
from tapdock.protocol.parts import Dialect

__all__ = [
    "DIALECT",
    "MESSAGES",
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


_CONFIG = re.compile(rb"CONNECTOR_CONFIG|connectorConfig")


def _is_record(members: Mapping[str, Raw]) -> bool:
    body = bytes(members.get("record", b""))
    return members.keys() <= {"type", "record"} and b'"stream"' in body and b'"data"' in body


DIALECT: Dialect[Message] = Dialect(
    MESSAGES,
    bodies={
        **{kind: kind.lower() for kind in ("RECORD", "STATE", "LOG", "TRACE", "CONTROL", "SPEC", "CATALOG")},
        "CONNECTION_STATUS": "connectionStatus",
    },
    kept=["RECORD", "STATE", "TRACE"],
    is_record=_is_record,
)
"""How a line that is not one clean message is read."""


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
