"""The result of a job for programs, and how steps run in one."""

from collections.abc import Callable

import msgspec

from tapdock.api.calls import error_of, with_note
from tapdock.connectors.context import Context
from tapdock.errors import TapdockError, TaskError
from tapdock.events import Progress
from tapdock.log import Log
from tapdock.runs.acts import RealActs, Shown
from tapdock.runs.job_notify import require_notifiable_jobs
from tapdock.runs.jobs import perform
from tapdock.runs.log_file import LogFile
from tapdock.runs.options import Options
from tapdock.runs.performed import Ended, Ran
from tapdock.runs.records import RunRecord
from tapdock.runs.replaced_rows import require_own_rows
from tapdock.runs.steps import Node, at_once, pipelines_in, require_own_states, together

__all__ = ["JobResult", "performed"]


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended. `runs` are in the order of their ends, each with its `place` in the job and its `record`.

    `exit_code` is that of the first failure. `not_started` are the names of steps. `errors` are those of the hooks of
    the job and of jobs in it.
    """

    job: str
    exit_code: int
    runs: tuple[Ran, ...]
    not_started: tuple[str, ...]
    errors: tuple[TaskError, ...]

    @property
    def failed(self) -> tuple[RunRecord, ...]:
        """The records of pipelines and tasks that failed."""
        return tuple(each.record for each in self.runs if each.record.exit_code)


class _Unseen(Shown):
    """Shows a run to the functions of the program."""

    def __init__(self, name: str, said: Callable[[str], None], shown: Callable[[Progress], None]) -> None:
        self._name = name
        self._said = said
        self._shown = shown

    def __exit__(self, *_: object) -> None:
        pass

    def log(self, run_id: str, file: LogFile | None) -> Log:
        return Log(run_id, file=file)

    def say(self, line: str) -> None:
        self._said(f"{self._name}{line}")

    def progress(self, progress: Progress) -> None:
        self._shown(progress)

    def ended(self, record: RunRecord) -> None:
        pass


def performed(
    context: Context,
    node: Node,
    options: Options,
    *,
    limit: int,
    shown: Callable[[Progress], None],
    named: bool = False,
) -> Ended:
    """Run steps, whose lines are `named` if they have the step's name. Raises UsageError before anything starts."""
    pairs = list(together(node, limit))
    require_own_states(context.project, pairs)
    require_own_rows(context, pipelines_in(node), options, at_once=at_once(pairs))
    require_notifiable_jobs(node)
    context.engine.sweep()
    acts = RealActs(
        context, lambda _: options, lambda name: _Unseen(f"{name}: " if named else "", context.progress, shown)
    )
    return perform(node, acts, limit=limit, received=context.signals)


def first_error(ended: Ended) -> TapdockError:
    """Return the error of the first failure of a job."""
    hooks = [error for error in ended.errors if error.exit_code == ended.exit_code]
    failed = next((r for r in ended.records if r.exit_code == ended.exit_code), None)
    if failed is None and not hooks:  # a task has a code of its own, which may not be that of the job
        failed = next((r for r in ended.records if r.exit_code), None)
    if failed:
        return error_of(failed)
    return with_note(hooks[0]) if hooks else TapdockError(f"the job ended with exit code {ended.exit_code}")
