"""What a run counts of one stream."""

from typing import Literal

from tapdock.events import StreamReport
from tapdock.protocol.catalog import StreamKey

__all__ = ["Status", "Tally"]

Status = Literal["pending", "running", "complete", "incomplete", "failed"]


class Tally:
    """Counts of one stream, and how far its source says it is. `reason` is why its bodies are rewritten, if they are.

    `records` and `bytes` are what was sent; `spooled` what was read to be sent later; `checked` how many had come when
    the source last gave its own count, `covered` how many the last state that was sent covers.
    """

    __slots__ = (
        "bytes",
        "checked",
        "covered",
        "empty",
        "excluded",
        "key",
        "reason",
        "records",
        "rejected",
        "set_aside",
        "spooled",
        "status",
    )

    def __init__(self, key: StreamKey, *, reason: str | None = None) -> None:
        self.key = key
        self.reason = reason
        self.status: Status = "pending"
        self.records = self.bytes = self.empty = self.set_aside = self.rejected = self.excluded = 0
        self.spooled = self.checked = self.covered = 0

    @property
    def came(self) -> int:
        """All records that the source sent."""
        return self.records + self.empty + self.set_aside

    def since_checked(self) -> int:
        """How many came since this was last asked."""
        count, self.checked = self.came - self.checked, self.came
        return count

    def since_covered(self) -> int:
        """How many were sent since this was last asked."""
        count, self.covered = self.records - self.covered, self.records
        return count

    def mark(self, status: Status | None) -> None:
        """The source says how the stream is; a failed one stays failed."""
        if status and self.status != "failed":
            self.status = status

    def end(self) -> None:
        """The source exited with 0, and said nothing against this stream."""
        if self.status in ("pending", "running"):
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
        )
