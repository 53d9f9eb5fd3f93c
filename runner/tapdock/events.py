"""The events that a relay reports: values inside of one process, JSON lines between containers."""

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
    "MapperReport",
    "Output",
    "Progress",
    "RelayReady",
    "Renewed",
    "Rotated",
    "SetAside",
    "StreamReport",
    "Verdict",
]

_MOST_NAMED = 5
Level = Literal["debug", "info", "warning", "error"]


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one stream so far. `bytes` is the size of the record bodies that were sent.

    `empty` counts records without any field, which are skipped. `set_aside` counts records that could not be translated
    and are in a file of the run. `rejected` counts records that the target reported as refused. `excluded` counts
    records of a stream that is not selected. `filtered` counts records that a map left out. `written` counts records by
    their stream in the target, if the stream has maps. `undeclared` counts records by each field that their schema does
    not declare; None if not every record was read for that. `reason` states why bodies are rewritten.

    In the verdict, a stream has the `status` `complete` only if its source finished it and the target stored it,
    `limited` if the target stored as many records as the run's limit, `failed` if the error names it, `not reached` if
    the source never started it, otherwise `incomplete`. Before the verdict, `pending` and `running` occur.
    """

    namespace: str | None
    stream: str
    records: int
    bytes: int
    status: Literal["pending", "running", "complete", "incomplete", "failed", "not reached", "limited"]
    path: Literal["splice", "rewrite"]
    reason: str | None = None
    empty: int = 0
    set_aside: int = 0
    rejected: int = 0
    excluded: int = 0
    filtered: int = 0
    written: dict[str, int] | None = None
    undeclared: dict[str, int] | None = None

    @property
    def copies(self) -> str:
        """The streams in the target with their counts, for a message; empty if there is one of the same name."""
        written = self.written or {}
        if len(written) == 1 and self.stream in written:
            return ""
        return ", ".join(f"`{name}` ({count:,})" for name, count in written.items())

    @property
    def undeclared_fields(self) -> str:
        """The first undeclared fields with their counts, for a message; empty if there are none."""
        counts = list((self.undeclared or {}).items())
        named = [f"`{name}` in {count:,} record{'s' * (count != 1)}" for name, count in counts[:_MOST_NAMED]]
        return ", ".join([*named, *([f"{len(counts) - _MOST_NAMED} more"] if len(counts) > _MOST_NAMED else [])])


class MapperReport(msgspec.Struct, frozen=True, kw_only=True):
    """What went into a mapper and what it printed: RECORD messages by stream, and the number of STATE messages.

    `name` is that under which the run used it. A mapper may filter, copy and rename, so that the numbers may differ.
    The last state must be the same.
    """

    name: str
    records_in: dict[str, int]
    records_out: dict[str, int]
    states_in: int
    states_out: int


class Logged(msgspec.Struct, frozen=True, tag="log"):
    """A line for the log, from a connector or from us. `printed`: the connector printed it where messages belong."""

    side: Side
    level: Level
    message: str
    printed: bool = False


class Failed(msgspec.Struct, frozen=True, tag="failed", kw_only=True):
    """A connector reported an error (TRACE ERROR), for one stream or for the whole run.

    `reason` is its internal message on one line, `internal` contains all details besides the message.
    """

    side: Side
    message: str
    stream: str | None = None
    failure_type: str | None = None
    reason: str | None = None
    internal: str | None = None


class Rotated(msgspec.Struct, frozen=True, tag="rotated"):
    """A connector changed its config (CONTROL). `config` is the whole new config as raw JSON text."""

    side: Side
    config: str


class SetAside(msgspec.Struct, frozen=True, tag="set_aside", kw_only=True):
    """A record that could not be translated and was skipped (`on_bad_record: set_aside`), with the reason."""

    stream: str | None
    reason: str
    record: str


class Renewed(msgspec.Struct, frozen=True, tag="renewed"):
    """The source started a new snapshot of a stream by itself. `generation` is the new snapshot's number."""

    stream: str
    generation: int


class Committed(msgspec.Struct, frozen=True, tag="committed"):
    """The target acknowledged a state: raw JSON text from which the next run of the source starts."""

    state: str


class RelayReady(msgspec.Struct, frozen=True, tag="ready"):
    """The relay has created its pipes: connectors may start."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A side's container is running and has opened its pipes."""

    side: Side


class Killed(msgspec.Struct, frozen=True, tag="killed"):
    """A side's lifeline was closed. The engine must kill its container, in case its launcher does not."""

    side: Side


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """A side's connector exited with this code."""

    side: Side
    code: int


class Output(msgspec.Struct, frozen=True, tag="output"):
    """Untranslated output of a connector (spec, check, discover)."""

    text: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The counts of all streams so far."""

    streams: tuple[StreamReport, ...]
    records: int
    bytes: int


class Verdict(msgspec.Struct, frozen=True, tag="verdict", kw_only=True):
    """How a run ended: exit code (0 is success), the side that failed, a message, and a hint.

    `mapper` has the counts of the mapper, if the run had one. `timed_out`: a single connector did not answer in time.
    """

    exit_code: int
    side: Side | None = None
    message: str | None = None
    hint: str | None = None
    retryable: bool = False
    streams: tuple[StreamReport, ...] = ()
    first_record_seconds: float | None = None
    source_code: int | None = None
    mapper_code: int | None = None
    target_code: int | None = None
    mapper: MapperReport | None = None
    timed_out: bool = False


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
