"""What a run of steps needs (`Acts`, `Received`), and what it returns (`Ended`)."""

from typing import Protocol

import msgspec

from tapdock.errors import Interrupted, TaskError
from tapdock.project.blocks import TaskBlock
from tapdock.runs.records import RunRecord
from tapdock.runs.steps import JobStep, Step

__all__ = ["Acts", "Ended", "Ran", "Received"]


class Acts(Protocol):
    """What a run does at the leaves of its tree. Each method reports what it does, and may be called in any thread."""

    def pipeline(self, step: Step) -> RunRecord:
        """Run a pipeline, and return its record."""

    def task(self, block: TaskBlock) -> RunRecord:
        """Run a command of a task. Signals that were received before do not stop it."""

    def held(self, step: Step) -> RunRecord | None:
        """Return the record of a pipeline whose state another run holds now; None if the pipeline can start."""

    def refused(self, step: Step, error: TaskError) -> RunRecord:
        """Return the record of a pipeline that does not start, because of what runs before it."""

    def failed_after(self, record: RunRecord, error: TaskError | Interrupted) -> RunRecord:
        """Return the record of a pipeline again, that succeeded before something that runs after it failed."""

    def ended(self, step: Step, record: RunRecord) -> None:
        """Take the last record of a pipeline, after its hooks."""

    def job_begins(self, job: JobStep) -> None:
        """Take the start of a job, before its hooks."""

    def job_failed(self, error: TaskError) -> None:
        """Report that a hook of a job failed."""

    def job_ended(self, job: JobStep, ended: "Ended") -> None:
        """Take the end of a job, after its hooks."""


class Received(Protocol):
    """The signals that were received."""

    @property
    def code(self) -> int | None: ...

    @property
    def count(self) -> int: ...


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A record and its place: that of its step, or of a hook: `1/before`."""

    place: str
    record: RunRecord
    is_hook: bool = False


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What has run, in the order of the ends, and what has not. `exit_code` is that of the first failure."""

    exit_code: int
    runs: tuple[Ran, ...]
    not_started: tuple[Step, ...]
    errors: tuple[TaskError, ...]

    @property
    def records(self) -> list[RunRecord]:
        """The records of the steps, without those of hooks."""
        return [each.record for each in self.runs if not each.is_hook]
