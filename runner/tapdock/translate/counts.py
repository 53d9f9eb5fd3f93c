"""The counts of one run's translator: by stream, and compared with the connectors' own counts."""

from collections.abc import Mapping

from tapdock.events import StreamReport
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.base import Mismatch
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally

__all__ = ["Counts"]


class Counts:
    """Counts that the supervisor reads while the pump's thread writes them. `signs` counts messages beside records.

    `unknown` are the names of incomplete streams that are not configured, as the source reported them. `has_statuses`:
    the source reports when it begins a stream, or has completed one.
    """

    def __init__(self, tallies: Mapping[StreamKey, Tally], notices: Notices) -> None:
        self.signs = 0
        self.unknown: list[str] = []
        self.has_statuses = False
        self._tallies = tallies
        self._notices = notices

    @property
    def alive(self) -> int:
        """A number that grows with each record, state or other message, for the heartbeat (protocol.md 1.8)."""
        return self.signs + sum(max(tally.came, tally.spooled) for tally in tuple(self._tallies.values()))

    def reports(self) -> tuple[StreamReport, ...]:
        """Return counts per stream; configured streams are first, in the catalog's order."""
        return tuple(tally.report() for tally in tuple(self._tallies.values()))

    def failures(self, *, ended: bool = False) -> tuple[str, ...]:
        """Return the names of streams that the source reported as failed or incomplete.

        `ended`: the source exited with 0. If it reports statuses, a stream without COMPLETE is then incomplete as well,
        and so is one that it had to start.
        """
        unfinished = ("failed", "incomplete", *(("pending", "running") if ended and self.has_statuses else ()))
        known = [
            str(tally.key)
            for tally in tuple(self._tallies.values())
            if tally.status in unfinished or (ended and tally.must_start and tally.status == "pending")
        ]
        return (*known, *self.unknown)

    def end(self) -> None:
        """Set the final status of each stream after exit code 0 of the source (protocol.md 1.6)."""
        for tally in self._tallies.values():
            if not self.has_statuses:
                tally.end()
            elif tally.status == "running":
                tally.mark("incomplete")

    def mismatches(self) -> tuple[Mismatch, ...]:
        """Return the counts of connectors that differ from tapdock's own (protocol.md 1.7)."""
        return tuple(self._notices.mismatches)
