"""Save states and report progress, at intervals, so that neither delays the data."""

from collections.abc import Callable

from tapdock.events import Committed, Progress
from tapdock.translate.base import Emit, Translator

__all__ = ["Checkpoints"]

_COMMIT_SECONDS = 5.0
_PROGRESS_SECONDS = 1.0


class Checkpoints:
    """The timing of saves and progress. Any thread may call `moved`; only the supervisor calls the other methods."""

    def __init__(self, translator: Translator, *, emit: Emit, clock: Callable[[], float]) -> None:
        self._translator = translator
        self._emit = emit
        self._clock = clock
        self._moved = False
        self._last_commit = self._last_progress = float("-inf")

    def moved(self) -> None:
        """Note that a newer state may be saved."""
        self._moved = True

    def tend(self, *, started: bool) -> None:
        """Save the state and report progress if they are due. Progress is only reported once data has `started`."""
        now = self._clock()
        if now - self._last_commit >= _COMMIT_SECONDS:
            self.save()
        if started and now - self._last_progress >= _PROGRESS_SECONDS:
            self._last_progress = now
            reports = self._translator.counts.reports()
            records, size = sum(r.records for r in reports), sum(r.bytes for r in reports)
            self._emit(Progress(reports, records, size))

    def save(self) -> None:
        """Emit the state that was acknowledged since the last save, if there is one."""
        self._moved, moved = False, self._moved
        state = self._translator.states.committed() if moved else None
        if state is not None:
            self._last_commit = self._clock()
            self._emit(Committed(state))
