"""Limit how often states are sent: at most once per second, or per 10,000 records (protocol.md 3.6)."""

from collections.abc import Callable

__all__ = ["StatePacer"]

SECONDS = 1.0
RECORDS = 10_000


class StatePacer:
    """The pace of states. `clock` returns seconds; `records` is the number of records sent so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._records = 0

    def is_due(self, records: int) -> bool:
        return records - self._records >= RECORDS or self._clock() - self._at >= SECONDS

    def left(self) -> float:
        """Return the seconds until the next state is due, without further records."""
        return max(0.0, self._at + SECONDS - self._clock())

    def sent(self, records: int) -> None:
        """Note that a state was sent now."""
        self._at = self._clock()
        self._records = records
