"""The counts of one stream in a run."""

from typing import Literal

from tapdock.events import StreamReport
from tapdock.protocol.catalog import StreamKey

__all__ = ["Status", "Tally"]

Status = Literal["pending", "running", "complete", "incomplete", "failed"]


class Tally:
    """Counts of one stream, and the status from its source. `reason` is why its bodies are rewritten; None if not.

    `records` and `bytes` were sent to the target; `spooled` were read to be sent later. `filtered` were left out by a
    map. `written` counts what was sent under each name in the target if the stream has maps. `checked` is the number of
    records at the source's last own count, `covered` the number that the last sent state covers. `must_start`: the
    stream is not complete if the source never started it, because the target would then replace its rows with none.
    `undeclared` counts records by field that their schema does not declare; None if not every record was read for that.
    """

    __slots__ = (
        "bytes",
        "checked",
        "covered",
        "empty",
        "excluded",
        "filtered",
        "key",
        "must_start",
        "reason",
        "records",
        "rejected",
        "set_aside",
        "spooled",
        "status",
        "undeclared",
        "written",
    )

    def __init__(self, key: StreamKey, *, reason: str | None = None) -> None:
        self.key = key
        self.reason = reason
        self.status: Status = "pending"
        self.must_start = False
        self.records = self.bytes = self.empty = self.set_aside = self.rejected = self.excluded = self.filtered = 0
        self.written: dict[str, int] | None = None
        self.spooled = self.checked = self.covered = 0
        self.undeclared: dict[str, int] | None = None

    @property
    def came(self) -> int:
        """The number of records that the source sent."""
        return self.records + self.empty + self.set_aside + self.filtered

    def since_checked(self) -> int:
        """Return how many records the source sent since the last call."""
        count, self.checked = self.came - self.checked, self.came
        return count

    def since_covered(self) -> int:
        """Return how many records were sent to the target since the last call."""
        count, self.covered = self.records - self.covered, self.records
        return count

    def mark(self, status: Status | None) -> None:
        """Set the status that the source reported. A failed stream stays failed, an incomplete one may be completed."""
        stays = ("failed", "incomplete") if status == "running" else ("failed",)
        if status and self.status not in stays:
            self.status = status

    def end(self) -> None:
        """Mark the stream as complete after exit code 0, unless the source reported a problem with it."""
        if self.status == "running" or (self.status == "pending" and not self.must_start):
            self.status = "complete"

    def report(self) -> StreamReport:
        records = max(self.records, self.spooled)
        return StreamReport(
            namespace=self.key.namespace,
            stream=self.key.name,
            records=records,
            bytes=self.bytes,
            status="running" if self.status == "pending" and records else self.status,
            path="rewrite" if self.reason else "splice",
            reason=self.reason,
            empty=self.empty,
            set_aside=self.set_aside,
            rejected=self.rejected,
            excluded=self.excluded,
            filtered=self.filtered,
            written=dict(self.written) if self.written is not None else None,
            undeclared=None if self.undeclared is None else dict(self.undeclared),
        )
