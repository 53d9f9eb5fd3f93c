"""Perform the steps of a run: in order and at the same time, with hooks, until a failure or a signal."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from signal import SIGINT, SIGTERM

from tapdock.errors import Interrupted, LeaseHeld, TaskError
from tapdock.project.blocks import TaskBlock
from tapdock.runs.performed import Acts, Ended, Ran, Received
from tapdock.runs.records import RunRecord
from tapdock.runs.steps import InOrder, JobStep, Node, RowsStep, Step, Together, Wrap, steps_of

__all__ = ["perform"]

_RESERVED = (LeaseHeld.exit_code, 128 + SIGINT, 128 + SIGTERM)
"""Codes that schedulers do not count as failures: another run holds the state, or a signal has stopped the run."""


def perform(node: Node, acts: Acts, *, limit: int, received: Received) -> Ended:
    """Run the steps, at most `limit` at the same time. A failure stops what follows in the same sequence only.

    After a signal, nothing new starts except what always runs after a pipeline or a job that has started. After a
    second one, that does not start either. After an error that is raised, no step starts. It is raised at the end.
    """
    run = _Performance(acts, limit, received)
    with suppress(Interrupted):  # between two acts; `received.code` has the exit code
        run.node(node)
    if run.error:
        raise run.error
    return run.ended(node)


class _Performance:
    def __init__(self, acts: Acts, limit: int, received: Received) -> None:
        self._acts = acts
        self._received = received
        self._limit = limit
        self._slots = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        self._codes: list[tuple[str, int]] = []  # with the place of the step or the job that failed
        self._runs: list[Ran] = []
        self._errors: list[tuple[str, TaskError]] = []

    def ended(self, node: Node) -> Ended:
        """Return what has run of these steps: of all, or of one job."""
        within = node.place if isinstance(node, JobStep) else None

        def is_in(place: str) -> bool:
            return within is None or place == within or place.startswith(f"{within}/")

        with self._lock:
            runs = tuple(each for each in self._runs if is_in(each.place))
            codes = [code for place, code in self._codes if is_in(place)]
            errors = tuple(error for place, error in self._errors if is_in(place))
        started = {each.place for each in runs}
        return Ended(
            exit_code=next(iter(codes), None) or self._received.code or int(self.error is not None),
            runs=runs,
            not_started=tuple(step for step in steps_of(node) if step.place not in started),
            errors=errors,
        )

    def node(self, node: Node) -> bool:
        """Run a node, and return True if all of it succeeded."""
        match node:
            case Step():
                return self._step(node)
            case JobStep():
                return self._job(node)
            case InOrder(members=members):
                return all(self.node(member) for member in members)  # none after one that failed
            case Together():
                return self._together(node)
            case RowsStep(members=rows):
                if node.at_once and rows:
                    return self._together(Together(members=rows))
                return all([self.node(row) for row in rows])  # noqa: C419 - a row that fails does not stop the others

    def _together(self, group: Together) -> bool:
        has_failed = threading.Event()

        def member(node: Node) -> None:
            if (group.stops and self._codes) or not self.node(node):
                has_failed.set()

        workers = min(self._limit, len(group.members))
        with ThreadPoolExecutor(workers, thread_name_prefix="step") as pool:
            every = left = [pool.submit(member, node) for node in group.members]
            while left:
                with suppress(Interrupted):  # in the main thread. What runs ends in order, and nothing new starts
                    left = list(wait(left).not_done)
        for done in every:
            if error := done.exception():
                self._raise_later(error)
        return not has_failed.is_set() and self.error is None

    def _step(self, step: Step) -> bool:
        with self._slots:
            if not self._may_start():
                return False
            block = step.block
            if isinstance(block, TaskBlock):
                task = block
                return self._ended(step, self._ran(lambda: self._acts.task(task)))
            return self._pipeline(step)

    def _pipeline(self, step: Step) -> bool:
        record = self._record(step)
        succeeded = self._ended(step, record)
        effect = None
        if record is None or record.exit_code != LeaseHeld.exit_code:  # else, another run uses what hooks clean up
            effect = self._after(step.wrap, step.name, step.place, succeeded=succeeded)
        if record is None:
            return False
        done = last = record
        if succeeded and effect:
            succeeded, failed = False, effect
            if again := self._ran(lambda: self._acts.failed_after(done, failed)):
                last = again
                with self._lock:
                    self._runs = [
                        Ran(place=one.place, record=last) if one.record is done else one for one in self._runs
                    ]
            self._codes.append((step.place, failed.exit_code))
        self._tell(lambda: self._acts.ended(step, last))
        return succeeded

    def _record(self, step: Step) -> RunRecord | None:
        """Run a pipeline with what runs before it, or neither of them while another run holds its state."""
        if step.wrap.before and (held := self._ran(lambda: self._acts.held(step))):
            return held
        is_ready, error = self._before(step.wrap, step.name, step.place)
        if error:
            return self._ran(lambda: self._acts.refused(step, error))
        return self._ran(lambda: self._acts.pipeline(step)) if is_ready else None

    def _tell(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Interrupted:
            return
        except Exception as error:
            self._raise_later(error)

    def _raise_later(self, error: BaseException) -> None:
        with self._lock:
            self.error = self.error or error

    def _ended(self, step: Step, record: RunRecord | None) -> bool:
        """Note the end of a step. Return True if it succeeded."""
        if record is None:
            return False
        self._note(Ran(place=step.place, record=record))
        if record.exit_code:
            self._codes.append((step.place, _exit_code(record)))
        return record.exit_code == 0

    def _job(self, job: JobStep) -> bool:
        if not self._may_start():
            return False
        self._tell(lambda: self._acts.job_begins(job))
        is_ready, error = self._before(job.wrap, job.name, job.place, hold=True)
        if error:
            self._job_failed(job, error)
        succeeded = False
        if is_ready:
            with suppress(Interrupted):
                succeeded = self.node(job.body)
        effect = self._after(job.wrap, job.name, job.place, succeeded=succeeded, hold=True)
        if isinstance(effect, TaskError) and succeeded:
            self._job_failed(job, effect)
        self._tell(lambda: self._acts.job_ended(job, self.ended(job)))
        return succeeded and not effect

    def _job_failed(self, job: JobStep, error: TaskError) -> None:
        with self._lock:
            self._codes.append((job.place, error.exit_code))
            self._errors.append((job.place, error))
        self._acts.job_failed(error)

    def _before(self, wrap: Wrap, name: str, place: str, *, hold: bool = False) -> tuple[bool, TaskError | None]:
        """Run what runs before. Return whether the pipeline or the job starts, and the failure because of which not."""
        for block in wrap.before:
            record = self._hook(block, f"{place}/before", hold=hold) if self._may_start() else None
            if record is None or not self._may_start():
                return False, None
            if record.exit_code != 0:
                return False, _error(block, record, f"before `{name}`", f", so `{name}` did not start")
        return True, None

    def _after(
        self, wrap: Wrap, name: str, place: str, *, succeeded: bool, hold: bool = False
    ) -> TaskError | Interrupted | None:
        """Run what runs after, also after a failure of one of these. Return the first failure, or a signal's effect."""
        first: TaskError | None = None
        is_whole = True
        for when, block in wrap.due(succeeded=succeeded):
            if self._received.count > (1 if when == "always" else 0):
                is_whole = False
                continue
            record = self._hook(block, f"{place}/after", hold=hold)
            if record is None or (record.exit_code != 0 and self._received.count):
                is_whole = False
            elif record.exit_code != 0:
                first = first or _error(block, record, f"after `{name}`", "")
        code = self._received.code
        if first or is_whole or code is None:
            return first
        return Interrupted(f"a signal has stopped what runs after `{name}`", exit_code=code)

    def _hook(self, block: TaskBlock, place: str, *, hold: bool) -> RunRecord | None:
        """Run a hook. With `hold`, it needs one of the slots. A hook of a pipeline has that of its step."""
        if hold:
            with self._slots:
                record = self._ran(lambda: self._acts.task(block))
        else:
            record = self._ran(lambda: self._acts.task(block))
        if record:
            self._note(Ran(place=place, record=record, is_hook=True))
        return record

    def _may_start(self) -> bool:
        return self._received.count == 0 and self.error is None

    def _note(self, ran: Ran) -> None:
        with self._lock:
            self._runs.append(ran)

    def _ran(self, act: Callable[[], RunRecord | None]) -> RunRecord | None:
        """Return the record of an act, None if a signal ended it, or if it raised an error."""
        try:
            return act()
        except Interrupted:
            return None
        except Exception as error:
            self._raise_later(error)
            return None


def _exit_code(record: RunRecord) -> int:
    """Return what the run's exit code says of a failure. A task's own code must not mean something else there."""
    code = record.exit_code or 1
    return TaskError.exit_code if record.kind == "task" and record.status == "failed" and code in _RESERVED else code


def _error(block: TaskBlock, record: RunRecord, when: str, effect: str) -> TaskError:
    failed = f"failed with exit code {record.exit_code}"
    hint = f"`tapdock runs logs {record.run_id}`"
    return TaskError(f"task `{block.name}`, which runs {when}, {failed}{effect}", hint=hint)
