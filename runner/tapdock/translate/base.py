"""The interface of a translator: the relay feeds it one side's bytes and writes the result to the other."""

from collections.abc import Callable
from typing import Protocol

from tapdock.events import Event, StreamReport

__all__ = ["Emit", "Translator"]

Emit = Callable[[Event], None]


class Translator(Protocol):
    """One run's translation. The ack thread calls `acked` and `committed`, the pump thread all else."""

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

    def acked_all(self) -> None:
        """Take all that was sent as acknowledged: for targets whose exit with 0 is their last word."""
        ...

    def committed(self) -> str | None:
        """The state to save now: raw JSON text that the source can start from; None when nothing is."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the target acknowledged the last state that was sent."""
        ...

    @property
    def alive(self) -> int:
        """Goes up with each record, state or sign of life: what a heartbeat counts (protocol.md 1.8)."""
        ...

    @property
    def partial(self) -> bytes:
        """What `feed` had translated when it failed."""
        ...

    def reports(self) -> tuple[StreamReport, ...]:
        """Counts per configured stream, in the catalog's order."""
        ...

    def failures(self) -> tuple[str, ...]:
        """Names of streams that the source itself called failed or incomplete."""
        ...
