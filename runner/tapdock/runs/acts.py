"""The leaves of a run: pipelines and commands of tasks, each shown while it runs."""

import queue
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from tapdock.connectors.context import Context
from tapdock.errors import Interrupted, TapdockError, TaskError
from tapdock.events import Progress
from tapdock.log import Log
from tapdock.project.blocks import TaskBlock
from tapdock.project.model import Pipeline
from tapdock.runs import attempts
from tapdock.runs.ended import Tell
from tapdock.runs.held import held_by_another
from tapdock.runs.job_notify import JobNotes
from tapdock.runs.log_file import LogFile
from tapdock.runs.options import Options
from tapdock.runs.performed import Ended
from tapdock.runs.records import RunRecord
from tapdock.runs.steps import JobStep, Step
from tapdock.runs.tasks import run_task

__all__ = ["RealActs", "Shown"]


class Shown(AbstractContextManager["Shown"], Protocol):
    """What shows one run."""

    def log(self, run_id: str, file: LogFile | None) -> Log:
        """Return the log of an attempt."""

    def say(self, line: str) -> None:
        """Report one line for people."""

    def progress(self, progress: Progress) -> None:
        """Report counts of records."""

    def ended(self, record: RunRecord) -> None:
        """Report the result."""


class RealActs:
    """Runs pipelines and commands of tasks. `options` are those of a step, `show` returns what shows it."""

    def __init__(self, context: Context, options: Callable[[Step], Options], show: Callable[[str], Shown]) -> None:
        self._context = context
        self._options = options
        self._show = show
        self._tells: dict[str, Tell] = {}
        self._jobs = JobNotes(context)

    def pipeline(self, step: Step) -> RunRecord:
        """Run a pipeline, and return the record of its last attempt."""
        wanted, options = _pipeline(step), self._options(step)

        def act(shown: Shown) -> RunRecord:
            context = msgspec.structs.replace(self._context, progress=shown.say)
            return attempts.run(
                context, wanted, options, make_log=shown.log, show=shown.progress, later=self._later(step)
            )

        return self._shown(step.name, act)

    def task(self, block: TaskBlock) -> RunRecord:
        """Run a command of a task. If a signal was received, the next one is the first for it."""

        def act(shown: Shown) -> RunRecord:
            context = msgspec.structs.replace(self._context, progress=shown.say)
            context = context.of(block.row) if block.row else context
            if not context.signals.count:
                return run_task(context, block, make_log=shown.log)
            with context.signals.later(doing=f"running {block.name}") as later:
                return run_task(msgspec.structs.replace(context, signals=later), block, make_log=shown.log)

        return self._shown(block.name, act)

    def held(self, step: Step) -> RunRecord | None:
        """Write and return the record of a pipeline that another run excludes now; None if there is none."""
        wanted, options = _pipeline(step), self._options(step)
        error = held_by_another(self._context.of(wanted), wanted, options)
        return self._refused(step, error) if error else None

    def refused(self, step: Step, error: TaskError) -> RunRecord:
        """Write and return the record of a pipeline that does not start."""
        return self._refused(step, error)

    def _refused(self, step: Step, error: TapdockError) -> RunRecord:
        wanted, options = _pipeline(step), self._options(step)

        def act(shown: Shown) -> RunRecord:
            context = msgspec.structs.replace(self._context, progress=shown.say)
            return attempts.refuse(context, wanted, options, error, make_log=shown.log, later=self._later(step))

        return self._shown(step.name, act)

    def failed_after(self, record: RunRecord, error: TaskError | Interrupted) -> RunRecord:
        """Write the record of a pipeline again. The pipeline's own result was reported before."""
        self.job_failed(error)
        return attempts.fail(self._context, record, error)

    def ended(self, step: Step, record: RunRecord) -> None:
        """Tell people and the observer how a pipeline ended, after its hooks."""
        if tell := self._tells.pop(step.place, None):
            tell(record)

    def job_begins(self, job: JobStep) -> None:
        """Note the start of a job of whose end people want to know."""
        self._jobs.begins(job)

    def job_ended(self, job: JobStep, ended: Ended) -> None:
        """Tell people how a job ended."""
        with self._context.signals.orders(queue.SimpleQueue(), doing="sending notifications"):
            self._jobs.ended(job, ended)

    def _later(self, step: Step) -> Callable[[Tell], None]:
        def later(tell: Tell) -> None:
            self._tells[step.place] = tell

        return later

    def job_failed(self, error: TaskError | Interrupted) -> None:
        """Report the failure of a hook."""
        self._context.progress(f"error: {error.message}")
        if error.hint:
            self._context.progress(f"hint: {error.hint}")

    def _shown(self, name: str, act: Callable[[Shown], RunRecord]) -> RunRecord:
        with self._show(name) as shown:
            record = act(shown)
            over = "printing the result of the run"
            with self._context.signals.orders(queue.SimpleQueue(), doing=over):  # a signal must not interrupt it
                shown.ended(record)
        return record


def _pipeline(step: Step) -> Pipeline:
    assert isinstance(step.block, Pipeline), "only a pipeline has options and hooks"
    return step.block
