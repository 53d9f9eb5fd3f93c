"""Read the output of `spec`, `check` and `discover` of an Airbyte connector (protocol.md 1.2)."""

import msgspec
from msgspec import Raw

from tapdock.events import Level
from tapdock.protocol import airbyte, lines
from tapdock.protocol.junk import Junk
from tapdock.protocol.traces import TraceError, read_trace

__all__ = ["Answer", "is_airbyte", "read_answer"]


_ONLY_AIRBYTE = (
    airbyte.SpecMessage,
    airbyte.CatalogMessage,
    airbyte.StatusMessage,
    airbyte.TraceMessage,
    airbyte.LogMessage,
)


class Answer(msgspec.Struct):
    """The output of a `spec`, `check` or `discover`: the last message of each kind, and log lines (protocol.md 1.2)."""

    spec: airbyte.Spec | None = None
    catalog: Raw | None = None
    status: airbyte.ConnectionStatus | None = None
    error: TraceError | None = None
    config: str | None = None
    logs: tuple[tuple[Level, str], ...] = ()


def read_answer(output: bytes) -> Answer:
    """Read the whole output of a command on stdout. Lines that are not messages are log lines."""
    answer = Answer()
    junk = Junk()
    for number, text in enumerate(lines.split(output), start=1):
        for part in airbyte.DIALECT.parts(text):
            if part.message is None:
                shown = junk.shown(part.text, number)
                answer.logs += (("info", shown),) if shown is not None else ()
                continue
            try:
                _take(answer, part.message)
            except msgspec.MsgspecError as error:
                answer.logs += (("warning", f"line {number}: unreadable {type(part.message).__name__}: {error}"),)
    return answer


def is_airbyte(output: bytes) -> bool:
    """Return True if a line of the output is a message that only Airbyte connectors print."""
    parts = (part for text in lines.split(output) for part in airbyte.DIALECT.parts(text))
    return any(isinstance(part.message, _ONLY_AIRBYTE) for part in parts)


def _take(answer: Answer, message: airbyte.Message) -> None:
    match message:
        case airbyte.SpecMessage(spec=raw):
            answer.spec = msgspec.json.decode(raw, type=airbyte.Spec)
        case airbyte.CatalogMessage(catalog=raw):
            answer.catalog = raw.copy()
        case airbyte.StatusMessage(connection_status=raw):
            answer.status = msgspec.json.decode(raw, type=airbyte.ConnectionStatus)
        case airbyte.ControlMessage(control=raw):
            config = airbyte.control_config(raw)
            if config is None and airbyte.is_config(raw):
                answer.logs += (("warning", f"a CONTROL message of {len(bytes(raw))} bytes has no readable config"),)
            answer.config = config or answer.config
        case airbyte.TraceMessage(trace=raw):
            trace = read_trace(raw)
            if trace.odd:
                answer.logs += (("warning", f"a TRACE cannot be read: {trace.odd}"),)
            answer.error = trace.error or answer.error
        case airbyte.LogMessage(log=raw):
            log = msgspec.json.decode(raw, type=airbyte.Log)
            answer.logs += ((airbyte.level_of(log.level), log.message),)
        case _:
            pass  # a RECORD or a STATE is not an answer
