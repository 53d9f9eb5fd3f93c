"""When states are saved, and when progress is told: in steps, so that neither holds the data up."""

from collections.abc import Callable

from tapdock.events import Committed, Progress
from tapdock.translate.base import Emit, Translator

__all__ = ["Checkpoints"]

_COMMIT_SECONDS = 5.0
_PROGRESS_SECONDS = 1.0


class Checkpoints:
    """`moved` may be called by any thread, all else by the supervisor."""

    def __init__(self, translator: Translator, *, emit: Emit, clock: Callable[[], float]) -> None:
        self._translator = translator
        self._emit = emit
        self._clock = clock
        self._moved = False
        self._last_commit = self._last_progress = float("-inf")

    def moved(self) -> None:
        """More than before may be saved."""
        self._moved = True

    def tend(self, *, started: bool) -> None:
        """Whatever is due."""
        now = self._clock()
        if now - self._last_commit >= _COMMIT_SECONDS:
            self.save()
        if started and now - self._last_progress >= _PROGRESS_SECONDS:
            self._last_progress = now
            reports = self._translator.counts.reports()
            records, size = sum(r.records for r in reports), sum(r.bytes for r in reports)
            self._emit(Progress(reports, records, size))

    def save(self) -> None:
        """What was acknowledged since the last time."""
        self._moved, moved = False, self._moved
        state = self._translator.states.committed() if moved else None
        if state is not None:
            self._last_commit = self._clock()
            self._emit(Committed(state))
