"""The interface of a translator: the relay feeds the source's bytes to it and writes the result to the target."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from tapdock.errors import Side
from tapdock.events import Event, StreamReport
from tapdock.project.model import MAX_LINE, Namespacing, OnBadRecord, Schemaless, StateType, UndeclaredFields
from tapdock.translate.maps.settings import MapSettings
from tapdock.translate.tables import TableNames, TableRule

__all__ = [
    "Emit",
    "FileNames",
    "Mismatch",
    "Quirks",
    "States",
    "StreamCounts",
    "TranslateOptions",
    "Translator",
    "ValueChange",
    "WithoutScan",
]

Emit = Callable[[Event], None]
Mismatch = tuple[Side, str]
"""Two counts that differ: the side that reported one of them, and a message with both numbers."""


class FileNames(msgspec.Struct, frozen=True, kw_only=True):
    """The setting with the names of a target's files, and its default.

    `stream` and `time` are placeholders in a name. `time_format` is the setting with the format of the time. `folders`
    are the settings with the folder of the files; the first one that is set is used.
    """

    setting: str
    default: str
    stream: str
    time: str
    time_format: str | None = None
    folders: tuple[str, ...] = ()


class ValueChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector changes the values of fields. `how` completes "the target …" or "the tap …".

    `of` is the fields' JSON type or their `format`. `repaired`: an image whose recipe repaired the package does not
    change them.
    """

    of: str
    how: str
    repaired: bool = False


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Where a known connector differs from the protocol; the table is `connectors/kinds/quirks.py`.

    For targets. `ack_on_exit`: it does not acknowledge the last state if nothing was pending at the end; exit code 0
    acknowledges it. `wants_key`: the setting that must be off if a stream has no key. `takes_batches`: it accepts BATCH
    messages. `activates`: ACTIVATE_VERSION replaces old rows; None if the target must be asked. `ignores_load_method`:
    it has that setting but ignores it, and depends on keys. `waits_for_complete`: it replaces a table only on COMPLETE,
    so that the end of its input alone is harmless. `state_type`: the type of Airbyte states that it acknowledges.
    `tables`: how it makes tables of stream names; None if it is not known. `longest_table`: the bytes to which its
    database cuts their names. `replaces_files`: it replaces files of earlier runs that have the same name.
    `loses_rows_without`: the setting that must be on, because the image was not repaired and loses rows otherwise.

    For taps. `log_key`: the replication key without which a log is read from its beginning again. `unordered_start`:
    its first incremental read is not ordered, so that only the last state is valid.

    For both. `changes`: values that it changes without an error.
    """

    ack_on_exit: bool = False
    wants_key: str | None = None
    takes_batches: bool = False
    activates: bool | None = None
    waits_for_complete: bool = False
    ignores_load_method: bool = False
    loses_rows_without: str | None = None
    state_type: StateType = "global"
    tables: tuple[TableRule, ...] | None = None
    longest_table: int | None = None
    replaces_files: FileNames | None = None
    changes: tuple[ValueChange, ...] = ()
    log_key: str | None = None
    unordered_start: bool = False


class TranslateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a run's translation, from the project file and from the connectors.

    `spool`: the source is read to its end before the target's catalog is created. `last_state_only`: no state is saved
    before the source has ended well. `baseline`: a state without new content is sent first; only tests turn it off.
    `scratch` is this process's path of the folder for BATCH files, None if there is none. `excluded` are streams that
    the user did not select, with the names in the source's messages. `denied` are globs of streams and fields that the
    user excluded, for streams that a tap sends without having them in its catalog. `only_known`: such streams are
    skipped. `undeclared` is what happens to fields that the schema of their record does not declare; None if the user
    did not choose. `schemaless` is what happens to streams without declared fields; None is the default of the route.
    `max_line` is the longest line of the source, in bytes. `tables` is what the target makes of stream names. `maps`
    is what happens to streams and fields on their way. `limited`: the target gets a few records of each stream.
    `keeps_rows`: the records are a part of their streams (a window), and replace no other rows. `shares_tables`: other
    rows of a matrix write to the same tables, so a tap's versions would delete their records. `written_by` are the
    streams for whose table another pipeline has saved a state, with its key: for the same reason.
    """

    namespacing: Namespacing = Namespacing()
    on_bad_record: OnBadRecord = "fail"
    undeclared: UndeclaredFields | None = None
    schemaless: Schemaless | None = None
    meta_changes: bool = False
    validate_records: bool = False
    spool: bool = False
    last_state_only: bool = False
    baseline: bool = True
    quirks: Quirks = Quirks()
    scratch: str | None = None
    excluded: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    only_known: bool = False
    max_line: int = MAX_LINE
    tables: TableNames = TableNames()
    maps: MapSettings | None = None
    limited: bool = False
    keeps_rows: bool = False
    shares_tables: bool = False
    written_by: Mapping[str, str] = {}


class States(Protocol):
    """The ledger of a route: it maps acknowledgements to states of the source."""

    def acked_all(self) -> object:
        """Count everything that was sent as acknowledged, for targets that acknowledge by their exit code 0."""
        ...

    def committed(self) -> str | None:
        """Return the state to save now, as raw JSON text that the source can start from; None if there is none."""
        ...

    @property
    def settled(self) -> bool:
        """True if the target acknowledged the last state that was sent."""
        ...


class StreamCounts(Protocol):
    """The counts of a translator; `translate/counts.py` implements it for all of them."""

    @property
    def alive(self) -> int: ...

    def reports(self) -> tuple[StreamReport, ...]: ...

    def failures(self, *, ended: bool = False) -> tuple[str, ...]: ...

    def mismatches(self) -> tuple[Mismatch, ...]: ...


class Translator(Protocol):
    """One run's translation. The ack thread calls `acked`, the supervisor uses `states` and `counts`.

    Only the pump's thread calls everything else. `spill` gets parts of the translation of a message with more records
    than fit in memory; if it is None, `feed` returns all of them.
    """

    spill: Callable[[bytes], None] | None

    @property
    def states(self) -> States: ...

    @property
    def counts(self) -> StreamCounts: ...

    def scan(self, lines: bytes) -> None:
        """Read whole lines that are spooled until the source has ended, and fed afterwards."""
        ...

    def catalog(self) -> bytes | None:
        """Return the target's catalog, after all lines were scanned; None if it got one before the start."""
        ...

    def opening(self) -> bytes:
        """Return what the target must get before any record: schemas, and the baseline state."""
        ...

    def feed(self, lines: bytes) -> bytes:
        """Translate whole lines of the source (only the last one of a run may lack its newline).

        Raises TranslationError; then `partial` is the translation of the lines before the bad one.
        """
        ...

    def due(self) -> float | None:
        """Return the seconds until a waiting state should be sent without further input; None if none waits."""
        ...

    def tick(self) -> bytes:
        """Return the waiting state if it is due."""
        ...

    def closing(self, *, complete: bool) -> bytes:
        """Return the last messages before the end of input; `complete` is True only if the source exited with 0."""
        ...

    def acked(self, line: bytes) -> bool:
        """Read one line that the target printed. Return True if a newer state can be saved now.

        Raises TargetError for an acknowledgement of a state that was never sent.
        """
        ...

    def left(self, lines: bytes, *, side: Side = "source") -> None:
        """Read whole lines of a side that are not used any more after a failure. Renewed configs in them are reported.

        Never raises.
        """
        ...

    @property
    def partial(self) -> bytes:
        """The translation up to the line at which `feed` failed."""
        ...


class WithoutScan:
    """The part of a `Translator` whose target needs no catalog from the data, so that nothing is scanned or spilled."""

    spill: Callable[[bytes], None] | None = None

    def scan(self, lines: bytes) -> None:
        raise AssertionError("the streams of this route are known before the start")

    def catalog(self) -> bytes | None:
        return None
