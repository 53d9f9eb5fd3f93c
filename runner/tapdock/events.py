"""What a relay reports while it works: the same values in one process and as JSON lines between containers."""

from typing import Literal

import msgspec

from tapdock.errors import Side

__all__ = [
    "Committed",
    "Event",
    "Failed",
    "Finished",
    "Hello",
    "Killed",
    "Level",
    "Logged",
    "Output",
    "Progress",
    "RelayReady",
    "Renewed",
    "Rotated",
    "SetAside",
    "StreamReport",
    "Verdict",
]

Level = Literal["debug", "info", "warning", "error"]


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one stream so far; `bytes` are those of the record bodies that were sent.

    `empty` records have no field and were left out, those `set_aside` could not be translated and are in a file of the
    run's, `rejected` ones are those that the target says it refused, those `excluded` of a
    stream that was not selected and came all the same. `reason` tells why bodies are rewritten.
    """

    namespace: str | None
    stream: str
    records: int
    bytes: int
    status: Literal["pending", "running", "complete", "incomplete", "failed"]
    path: Literal["splice", "rewrite"]
    reason: str | None = None
    empty: int = 0
    set_aside: int = 0
    rejected: int = 0
    excluded: int = 0


class Logged(msgspec.Struct, frozen=True, tag="log"):
    """A line for the log, from a connector or from us."""

    side: Side
    level: Level
    message: str


class Failed(msgspec.Struct, frozen=True, tag="failed", kw_only=True):
    """A connector told of an error (TRACE ERROR), for one stream or for the whole.

    `reason` is its internal message on one line, `internal` all that it has beside the message.
    """

    side: Side
    message: str
    stream: str | None = None
    failure_type: str | None = None
    reason: str | None = None
    internal: str | None = None


class Rotated(msgspec.Struct, frozen=True, tag="rotated"):
    """A connector changed its config (CONTROL): the whole new one, as raw JSON text."""

    side: Side
    config: str


class SetAside(msgspec.Struct, frozen=True, tag="set_aside", kw_only=True):
    """A record that could not be translated and was left out, as the run's user wants it: its line, and why."""

    stream: str | None
    reason: str
    record: str


class Renewed(msgspec.Struct, frozen=True, tag="renewed"):
    """The source began a new snapshot of a stream by itself: the number of the one that replaces it."""

    stream: str
    generation: int


class Committed(msgspec.Struct, frozen=True, tag="committed"):
    """The target acknowledged this state: raw JSON text, ready for the source's next start."""

    state: str


class RelayReady(msgspec.Struct, frozen=True, tag="ready"):
    """The relay has made its pipes: connectors may start."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A side's container is up and holds its pipes."""

    side: Side


class Killed(msgspec.Struct, frozen=True, tag="killed"):
    """A side's lifeline was cut: the engine is to kill its container, in case that nothing in it obeys."""

    side: Side


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """A side's connector ended with this code."""

    side: Side
    code: int


class Output(msgspec.Struct, frozen=True, tag="output"):
    """Lines that a connector printed, when nothing translates them (spec, check, discover)."""

    text: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Counts so far."""

    streams: tuple[StreamReport, ...]
    records: int
    bytes: int


class Verdict(msgspec.Struct, frozen=True, tag="verdict", kw_only=True):
    """How it ended: exit code (0 is success), whose fault, in words, with the next step."""

    exit_code: int
    side: Side | None = None
    message: str | None = None
    hint: str | None = None
    retryable: bool = False
    streams: tuple[StreamReport, ...] = ()
    first_record_seconds: float | None = None
    source_code: int | None = None
    target_code: int | None = None


Event = (
    Logged
    | Failed
    | Rotated
    | SetAside
    | Renewed
    | Committed
    | RelayReady
    | Hello
    | Killed
    | Finished
    | Output
    | Progress
    | Verdict
)
