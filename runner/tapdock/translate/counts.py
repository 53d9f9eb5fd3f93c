"""What one run's translator counts: by stream, and against what the connectors count themselves."""

from collections.abc import Mapping

from tapdock.events import StreamReport
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.base import Mismatch
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally

__all__ = ["Counts"]


class Counts:
    """Read by the supervisor while the pump's thread counts. `signs` are states and other signs of life."""

    def __init__(self, tallies: Mapping[StreamKey, Tally], notices: Notices) -> None:
        self.signs = 0
        self._tallies = tallies
        self._notices = notices

    @property
    def alive(self) -> int:
        """Goes up with each record, state or sign of life: what a heartbeat counts (protocol.md 1.8)."""
        return self.signs + sum(max(tally.came, tally.spooled) for tally in tuple(self._tallies.values()))

    def reports(self) -> tuple[StreamReport, ...]:
        """Counts per stream, the configured ones first and in the catalog's order."""
        return tuple(tally.report() for tally in tuple(self._tallies.values()))

    def failures(self) -> tuple[str, ...]:
        """Names of streams that the source itself called failed or incomplete."""
        unfinished = ("failed", "incomplete")
        return tuple(str(tally.key) for tally in tuple(self._tallies.values()) if tally.status in unfinished)

    def mismatches(self) -> tuple[Mismatch, ...]:
        """Counts of a side that are not ours (protocol.md 1.7)."""
        return tuple(self._notices.mismatches)
