"""The interface of a translator: the relay feeds it one side's bytes and writes the result to the other."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from tapdock.errors import Side
from tapdock.events import Event, StreamReport
from tapdock.project.model import MAX_LINE, Namespacing, OnBadRecord, StateType

__all__ = ["Emit", "Mismatch", "Quirks", "States", "StreamCounts", "TranslateOptions", "Translator"]

Emit = Callable[[Event], None]
Mismatch = tuple[Side, str]
"""Two counts that differ: whose side it is, and both numbers in words."""


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Where a known connector differs from the protocol; the table of them is `connectors/kinds/quirks.py`.

    Of targets. `ack_on_exit`: the last state stays unacknowledged when nothing was pending at the end; exit code 0
    says it. `wants_key`: the setting that must be off where a stream has no key. `takes_batches`: BATCH messages are
    taken as they are. `activates`: ACTIVATE_VERSION replaces what was there; None where it is asked.
    `ignores_load_method`: it has that setting, and does as the keys say. `waits_for_complete`: a table is only replaced
    on COMPLETE, so that the end of its input alone is harmless. `state_type`: which Airbyte states it answers.

    Of taps. `log_key`: the replication key without which a log is read from its beginning again. `unordered_start`: a
    first incremental read is in no order, so that only its last state can be trusted.
    """

    ack_on_exit: bool = False
    wants_key: str | None = None
    takes_batches: bool = False
    activates: bool | None = None
    waits_for_complete: bool = False
    ignores_load_method: bool = False
    state_type: StateType = "global"
    log_key: str | None = None
    unordered_start: bool = False


class TranslateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run translates, beside its streams: what the user and the connectors say.

    `spool`: the source is read to its end before the target's catalog is made. `last_state_only`: no state is saved
    before the source has ended well. `baseline` off shows what a target does that takes its first state for its own.
    `scratch` is the folder of BATCH files here, None where there is none. `excluded` are streams of a tap, as its
    messages call them, that the user did not select. `max_line` is the longest line of the source, in bytes.
    """

    namespacing: Namespacing = Namespacing()
    on_bad_record: OnBadRecord = "fail"
    meta_changes: bool = False
    validate_records: bool = False
    spool: bool = False
    last_state_only: bool = False
    baseline: bool = True
    quirks: Quirks = Quirks()
    scratch: str | None = None
    excluded: tuple[str, ...] = ()
    max_line: int = MAX_LINE


class States(Protocol):
    """What acknowledgements stand for: the ledger of a route."""

    def acked_all(self) -> object:
        """Take all that was sent as acknowledged: for targets whose exit with 0 is their last word."""
        ...

    def committed(self) -> str | None:
        """The state to save now: raw JSON text that the source can start from; None when nothing is."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the target acknowledged the last state that was sent."""
        ...


class StreamCounts(Protocol):
    """What a translator counts; `translate/counts.py` does it for all of them."""

    @property
    def alive(self) -> int: ...

    def reports(self) -> tuple[StreamReport, ...]: ...

    def failures(self) -> tuple[str, ...]: ...

    def mismatches(self) -> tuple[Mismatch, ...]: ...


class Translator(Protocol):
    """One run's translation. The ack thread calls `acked`, the supervisor what it finds in `states` and `counts`.

    All else is the pump thread's. `spill`, where it is set, takes what is translated of a message that stands for more
    records than memory has room for; without it all of them are in what `feed` returns.
    """

    spill: Callable[[bytes], None] | None

    @property
    def states(self) -> States: ...

    @property
    def counts(self) -> StreamCounts: ...

    def scan(self, lines: bytes) -> None:
        """Look at whole lines that are kept until the source has ended, and fed then."""
        ...

    def catalog(self) -> bytes | None:
        """The target's catalog, once all was scanned; None where it was given one before the start."""
        ...

    def opening(self) -> bytes:
        """What the target must see before any record: schemas, and the baseline state."""
        ...

    def feed(self, lines: bytes) -> bytes:
        """Translate whole lines of the source (only the last of a run may lack its newline).

        Raises TranslationError; what was translated before the bad line is then in `partial`.
        """
        ...

    def due(self) -> float | None:
        """Seconds until a waiting state should be sent though no input comes; None when none waits."""
        ...

    def tick(self) -> bytes:
        """The waiting state, if it is due."""
        ...

    def closing(self, *, complete: bool) -> bytes:
        """Last words before the end of input; `complete` only when the source exited with 0."""
        ...

    def acked(self, line: bytes) -> bool:
        """Take one line that the target printed; True when more than before may now be saved.

        Raises TargetError for an acknowledgement of something never sent.
        """
        ...

    @property
    def partial(self) -> bytes:
        """What `feed` had translated when it failed."""
        ...
