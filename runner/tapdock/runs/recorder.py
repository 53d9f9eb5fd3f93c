"""Handle the events of a run: save states, keep rotated configs, set records aside, and log all of it."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from tapdock.connectors import operations
from tapdock.connectors.context import Context
from tapdock.errors import ERROR_OF, ContainerGone, EngineError, Side, StateError, TapdockError, unforeseen
from tapdock.events import (
    Committed,
    Event,
    Failed,
    Finished,
    Hello,
    Killed,
    Logged,
    Output,
    Progress,
    RelayReady,
    Renewed,
    Rotated,
    SetAside,
    StreamReport,
    Verdict,
)
from tapdock.log import Log
from tapdock.relay.messages import Abort, Inbox
from tapdock.runs import records
from tapdock.runs.begin import names_of
from tapdock.runs.connector_output import ConnectorOutput
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.target_place import places
from tapdock.runs.unsaved import kept_in_file
from tapdock.runs.verdict import Unsaved
from tapdock.state.store import StateSession

__all__ = ["Recorder"]

_MOST_ROTATIONS = 100
_LAST_SECONDS = 3.0
"""How long to wait for a pending save after a second signal."""


class Recorder:
    """Takes every event of one run, from several threads. It never raises: an error here ends the run in order.

    A separate thread writes to the state backend, in order, so that a slow server delays neither the data nor a
    signal. `failed` is the first error. `unsaved` is the state that the target acknowledged but that is not saved yet.
    `has_begun`: the run has begun to read. `cleared` are the streams whose state was removed at the start.
    `relay_began` is a time of the monotonic clock. `output` is what the connectors printed.
    """

    def __init__(self, context: Context, *, run_id: str, log: Log, show: Callable[[Progress], None]) -> None:
        self.commits = 0
        self.cleared: tuple[str, ...] = ()
        self.has_begun = False
        self.relay_began = time.monotonic()
        self.failed: TapdockError | None = None
        self.unsaved: Unsaved | None = None
        self._context = context
        self._run_id = run_id
        self._log = log
        self._show = show
        self.output = ConnectorOutput(log, context.redacted)
        self._rotations = 0
        self._record_is_lost = False
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._latest: str | None = None  # the state that is being saved, or waits to be saved
        self._over = threading.Event()
        self._excess: dict[Side, str] = {}  # the newest rotated configs above the limit, which are kept at the end
        self._is_finished = False
        self._unkept: list[Side] = []  # sides whose rotated configs wait to be kept

    def begin(
        self,
        prepared: PreparedRun,
        held: StateSession | None,
        inbox: Inbox,
        generations: Mapping[str, int],
        *,
        lost_rows: Callable[[], TapdockError | None] = lambda: None,
    ) -> None:
        """Start to accept events. If `held` is None, no state is saved. `inbox` gets the order to end the run.

        `lost_rows` is called before each save and at the end. It returns the error if the target stores its rows where
        they do not outlive its container.
        """
        self.has_begun = True
        self._lost_rows = lost_rows
        self._prepared = prepared
        self._held = held
        self._inbox = inbox
        self._generations = dict(generations)
        self._about = {"names": names_of(prepared), "places": places(prepared.target.connector, self._context.project)}
        self._worker = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._worker.start()

    def finish(self) -> None:
        """Wait until everything is stored. A second signal ends the wait; an unsaved state then goes into a file.

        Later calls do nothing.
        """
        if self._is_finished:
            return
        self._is_finished = True
        self._jobs.put(self._require_rows_at_the_end)
        self._jobs.put(None)
        self._context.signals.wait_for(self._over, doing="saving the state")
        self._worker.join(_LAST_SECONDS)
        if not self._worker.is_alive():
            return
        self._record_is_lost, latest = True, self._latest  # a check that is still going on must not end in a save
        if latest is not None:
            self._not_saved(latest, StateError("stopped by a second signal before the state was saved"))
        for side in self._unkept:
            self._log.error("stopped by a second signal before a rotated config was kept", side=side)

    def _work(self) -> None:
        while job := self._jobs.get():
            self._guarded(job)
        for side, config in self._excess.items():
            self._guarded(partial(self._keep, side, config))
        self._over.set()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except TapdockError as error:
            self._fail(error)
        except Exception as error:
            text = self._context.redactor("".join(traceback.format_exception(error)))
            self._log.error("tapdock itself failed", traceback=text)
            self._fail(unforeseen(error))

    def __call__(self, event: Event) -> None:
        self._guarded(partial(self._take, event))

    def differing_counts(self, reports: tuple[StreamReport, ...]) -> tuple[str, ...]:
        """Return a message for each stream whose count in the target differs, and log each as a warning."""
        differ = self.output.metrics.mismatches(reports, self._prepared.streams, self._about["names"])
        for message in differ:
            self._log.line("target", "warning", message)
        return tuple(differ)

    def _fail(self, error: TapdockError) -> None:
        self.failed = self.failed or error
        self._end(error)

    def _end(self, error: TapdockError) -> None:
        self._log.error("the run ends", reason=self._context.message(error.message))
        self._inbox.put(Abort(exit_code=error.exit_code, message=error.message, hint=error.hint))

    def _take(self, event: Event) -> None:
        match event:
            case Progress():
                self._show(event)
            case Logged():
                self.output.logged(event)
            case Failed():
                self.output.failed(event)
            case Committed(state):
                self._latest = state
                self._jobs.put(partial(self._save, state, dict(self._generations)))
            case Rotated(side, config):
                self._unkept.append(side)
                self._jobs.put(partial(self._keep_config, side, config))
            case SetAside():
                self._set_aside(event)
            case Renewed(stream, generation):
                self._generations[stream] = generation
            case Hello() | Finished():
                self._log.debug(type(event).__name__.lower(), side=event.side, code=getattr(event, "code", None))
            case RelayReady():
                self.relay_began = time.monotonic()
            case Verdict() | Killed() | Output():
                pass  # the record has the verdict; `Output` only occurs outside of runs

    def _keep_config(self, side: Side, config: str) -> None:
        """Keep a config that a connector changed.

        After too many changes, raises an error of this side. Of the rest only the last one is kept, at the end.
        """
        self._rotations += 1
        if self._rotations <= _MOST_ROTATIONS:
            self._keep(side, config)
            self._unkept.remove(side)
            return
        self._excess[side] = config
        raise ERROR_OF[side](f"the {side} changed its config more than {_MOST_ROTATIONS} times in one run")

    def _keep(self, side: Side, config: str) -> None:
        ready, known = next(each for each in self._prepared.sides if each[0].connector.role == side)
        operations.keep_rotated(self._context, ready.connector, known, config)
        self._log.info("config rotated", side=side)

    def _set_aside(self, event: SetAside) -> None:
        try:
            records.set_aside(self._context.project.private, self._run_id, event)
        except OSError as error:
            self._record_is_lost = True
            hint = "free disk space, or let such a record fail the run: `on_bad_record: fail`"
            raise EngineError(f"a record could not be set aside: {error.strerror}", hint=hint) from error

    def _require_rows(self) -> None:
        """Raise TargetError if the target's rows are lost with its container, and save no state from here on."""
        if self._record_is_lost:
            return
        if error := self._lost_rows():
            self._record_is_lost, self._latest = True, None
            raise error

    def _require_rows_at_the_end(self) -> None:
        """Check also rows after the last save. If the container is gone, the run has failed for another reason."""
        with suppress(ContainerGone):
            self._require_rows()

    def _save(self, state: str, generations: Mapping[str, int]) -> None:
        """Save a state, unless a newer one waits. After a lost record, save none: the next run must read it again."""
        if state is not self._latest:
            return
        if self._held is None or self._record_is_lost:
            self._latest = None
            return
        try:
            self._require_rows()
        except EngineError as error:  # the target may have stored the rows, so the user gets the state
            self._not_saved(state, error)
            return
        if self._record_is_lost:  # a second signal came meanwhile
            return
        try:
            self._held.save(state, dialect=self._prepared.source.kind, generations=generations, **self._about)
        except Exception as error:
            self._not_saved(state, error if isinstance(error, TapdockError) else unforeseen(error))
            return
        self.commits += 1
        self._log.debug("state committed", state=self._prepared.state_id)
        if self.unsaved and self.unsaved.file:
            self.unsaved.file.unlink(missing_ok=True)
        self.unsaved = None  # the state that is saved now is newer
        self._done_with(state)

    def _not_saved(self, state: str, error: TapdockError) -> None:
        prepared = self._prepared
        file = kept_in_file(self._context.project.private, prepared.state_id, state)
        self.unsaved = Unsaved(error=error, file=file, state_id=prepared.state_id)
        reason = self._context.message(error.message)
        self._log.error("the state could not be saved", state=prepared.state_id, reason=reason, file=file and str(file))
        self._end(self.unsaved.failure)
        self._done_with(state)

    def _done_with(self, state: str) -> None:
        if self._latest is state:
            self._latest = None
