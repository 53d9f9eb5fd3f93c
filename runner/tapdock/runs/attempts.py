"""Perform a run, with retries. Every run leaves a record that states how it ended."""

import dataclasses
import itertools
import queue
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential, wait_random

from tapdock.connectors.context import Context
from tapdock.connectors.observer import tell
from tapdock.errors import Interrupted, TapdockError, unforeseen
from tapdock.events import Progress, Verdict
from tapdock.log import Log
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import key_of
from tapdock.relay.host import Outcome
from tapdock.runs import execute, records, schema_policy
from tapdock.runs.beside import stored_beside
from tapdock.runs.chosen import added_fields
from tapdock.runs.ended import Tell, telling
from tapdock.runs.keeping import STATUS, MakeLog, archive, archive_again, container_record, error_record, keep, run_log
from tapdock.runs.limited import require_limitable
from tapdock.runs.notify import require_notifiable
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, prepare
from tapdock.runs.recorder import Recorder
from tapdock.runs.records import ContainerRecord, RunRecord, Seconds, StateRecord
from tapdock.runs.replay import prepare_replay
from tapdock.runs.scheduled import marked
from tapdock.runs.shared_types import say_differences
from tapdock.runs.windows import require_windowable, window_record
from tapdock.text.secret_names import masked_text

__all__ = ["MakeLog", "fail", "refuse", "run"]


def run(
    context: Context,
    wanted: Pipeline,
    options: Options,
    *,
    make_log: MakeLog,
    show: Callable[[Progress], None],
    later: Callable[[Tell], None] | None = None,
) -> RunRecord:
    """Run a pipeline and return the record of the last attempt.

    A retryable failure is tried again, up to `retries` times. Failures are in the record; they are not raised.
    People and the observer are told of the end, or `later` gets the function that tells them.
    """
    context = context.of(wanted)

    def may_pass(record: RunRecord) -> bool:
        return bool(record.error and record.error.retryable) and context.signals.code is None

    def told(attempt: RetryCallState) -> None:
        which = f"attempt {attempt.attempt_number + 1} of {wanted.retries + 1}"
        record: RunRecord | None = attempt.outcome.result() if attempt.outcome else None
        reason = f": {record.error.message}" if record and record.error else ""
        context.progress(f"{wanted.name} failed; retrying in {attempt.upcoming_sleep:.0f} s ({which}){reason}")

    retrying = Retrying(
        stop=stop_after_attempt(1 if options.limit else wanted.retries + 1),  # each attempt reads up to the limit
        wait=wait_exponential(multiplier=5, max=299) + wait_random(0, 1),
        retry=retry_if_result(may_pass),
        sleep=context.signals.sleep,
        before_sleep=told,
        retry_error_callback=lambda attempt: attempt.outcome.result() if attempt.outcome else None,
    )
    attempts = itertools.count(1)
    began = context.now()
    run_ids: list[str] = []
    last: list[_Attempt] = []
    so_far = dataclasses.replace(options, began=began)

    def attempt() -> RunRecord:
        nonlocal so_far
        so_far = dataclasses.replace(so_far, attempt=next(attempts))
        record = _run_once(context, wanted, so_far, make_log, show, last)
        state = record.state
        begun, saved = so_far.has_begun or last[-1]._recorder.has_begun, state.earlier + state.committed
        so_far = dataclasses.replace(so_far, has_begun=begun, cleared=state.cleared, saved_earlier=saved)
        run_ids.append(record.run_id)
        return record

    record: RunRecord = retrying(attempt)
    end = telling(context, wanted, run_ids, last[-1]._prepared)
    if later:
        later(end)
    else:
        end(record)
    return record


def _run_once(
    context: Context,
    wanted: Pipeline,
    options: Options,
    make_log: MakeLog,
    show: Callable[[Progress], None],
    attempts: "list[_Attempt]",
) -> RunRecord:
    """Run once, and append the attempt to `attempts`."""
    now = context.now()
    run_id = records.new_run_id(now, records.run_token(now))
    with records.going_on(context.project.private, run_id):
        with run_log(context, run_id) as file:
            attempt = _Attempt(context, wanted, run_id, show, make_log(run_id, file))
            attempts.append(attempt)
            try:
                record = attempt.perform(dataclasses.replace(options, run_id=run_id))
            except Exception as error:
                keep(context, attempt.record(unforeseen(error)))
                raise
        over = "writing the record of the run"
        with context.signals.orders(queue.SimpleQueue(), doing=over):  # a signal has nothing to stop
            keep(context, record)
        if options.save_state:
            attempt.keep_catalog(record)
        archive(context, record)
    return record


def refuse(
    context: Context,
    wanted: Pipeline,
    options: Options,
    error: TapdockError,
    *,
    make_log: MakeLog,
    later: Callable[[Tell], None],
) -> RunRecord:
    """Write and return the record of a run that does not start, because of this error. `later` is as for `run`."""
    context = context.of(wanted)
    now = context.now()
    run_id = records.new_run_id(now, records.run_token(now))
    with records.going_on(context.project.private, run_id):
        with run_log(context, run_id) as file:
            log = make_log(run_id, file)
            attempt = _Attempt(context, wanted, run_id, _not_shown, log)
            attempt._options = options
            record = attempt.record(error, ended=True)
            log.end("run not started", status=record.status, exit_code=record.exit_code)
        keep(context, record)
        archive(context, record)
    later(telling(context, wanted, [run_id], None))
    return record


def fail(context: Context, record: RunRecord, error: TapdockError | Interrupted) -> RunRecord:
    """Write and return the record of a run that has succeeded, but failed or was stopped afterwards by this error."""
    told = error_record(error, None, redacted=context.message)
    status = STATUS.get(error.exit_code, "failed")
    failed = msgspec.structs.replace(record, status=status, exit_code=error.exit_code, error=told)
    keep(context, failed)
    archive_again(context, failed)
    return failed


def _not_shown(_: Progress) -> None:
    """Show no counts of a run that does not start."""


class _Attempt:
    """One attempt. It collects the facts for the run record."""

    def __init__(
        self, context: Context, wanted: Pipeline, run_id: str, show: Callable[[Progress], None], log: Log
    ) -> None:
        self._context = msgspec.structs.replace(context, note=log.note)
        self._wanted = wanted
        self._run_id = run_id
        self._log = log
        self._started = context.now()
        self._clock = time.monotonic()
        if observer := context.observer:
            log.listen(lambda level, entry: tell(lambda: observer.logged(level, entry), context.progress))
        self._recorder = Recorder(context, run_id=run_id, log=log, show=show)
        self._options = Options()
        self._prepared: PreparedRun | None = None
        self._outcome: Outcome | None = None

    def perform(self, options: Options) -> RunRecord:
        error: TapdockError | Interrupted | None = None
        self._options = options
        try:
            self._log.info("run started", pipeline=self._wanted.name)
            began = self.record()
            keep(self._context, began)
            archive(self._context, began)
            require_notifiable(self._wanted.notify)
            make = prepare_replay if options.spool else prepare
            self._prepared = make(self._context, self._wanted, options)
            require_limitable(self._prepared, options)
            require_windowable(self._context, self._prepared, options)
            self._log_changes(self._prepared)
            if added := added_fields(self._prepared.streams):
                self._log.info("read although not selected: keys and cursors", fields=added)
            self._outcome = execute.execute(
                self._context, self._prepared, options, run_id=self._run_id, recorder=self._recorder
            )
        except (TapdockError, Interrupted) as raised:
            error = raised
        record = self.record(error, ended=True)
        if record.error and record.status != "stopped":  # the last lines that were not printed may explain it
            side = record.error.side
            self._log.unfold(*(("source", "mapper", "target") if side == "runner" else (side,)))
        self._log.end("run ended", status=record.status, exit_code=record.exit_code)
        return record

    def _log_changes(self, prepared: PreparedRun) -> None:
        """Log how the source's catalog has changed. Raises UsageError if the pipeline does not allow these changes."""
        facts = prepared.schema
        if found := schema_policy.report(facts):
            log = self._log.warning if "breaking" in found else self._log.info
            log("the source's schema has changed", since=facts.since, **found)
        schema_policy.require_accepted(self._context.project, prepared.pipeline, facts)

    def keep_catalog(self, record: RunRecord) -> None:
        """Keep the catalog of a successful run beside its state, for the next run to compare with."""
        if record.status != "succeeded" or self._prepared is None:
            return
        facts, state_id = self._prepared.schema, self._prepared.state_id
        stored_beside(
            self._context,
            lambda: schema_policy.keep(self._context, facts, state_id=state_id, run_id=self._run_id),
            what="the catalog of this run",
        )
        say_differences(self._context, self._wanted, facts.streams or ())

    def record(self, error: TapdockError | Interrupted | None = None, *, ended: bool = False) -> RunRecord:
        """Return the record as known now. The first one, written at the start, remains if the run is killed."""
        wanted, project = self._wanted, self._context.project
        verdict = self._outcome.verdict if self._outcome else None
        schedule, due = marked(self._context.scheduled)
        exit_code = error.exit_code if error else verdict.exit_code if verdict else 1 if ended else None
        return RunRecord(
            run_id=self._run_id,
            pipeline=wanted.name,
            state_id=key_of(wanted, project.environment),
            started_at=datetime.fromtimestamp(self._started, UTC).isoformat(timespec="milliseconds"),
            status="running" if exit_code is None else STATUS.get(exit_code, "failed"),
            exit_code=exit_code,
            error=error_record(error, verdict, redacted=self._context.message),
            streams=verdict.streams if verdict else (),
            mapper=verdict.mapper if verdict else None,
            state=self._state(),
            containers=self._containers(),
            seconds=Seconds(
                total=round(time.monotonic() - self._clock, 3),
                to_first_record=self._first_record(verdict),
            ),
            relay=self._outcome.relay if self._outcome else None,
            limit=self._options.limit,
            window=window_record(self._options),
            options=self._options.written,
            schedule=schedule,
            scheduled_for=due,
            schema_changes=self._prepared.schema.changes if self._prepared else (),
            labels={name: self._context.redacted(text) for name, text in self._texts("labels").items()},
            annotations={name: self._context.redacted(text) for name, text in self._texts("annotations").items()},
        )

    def _state(self) -> StateRecord:
        return StateRecord(
            committed=self._recorder.commits,
            backend=masked_text(self._context.backend.uri),
            cleared=tuple(dict.fromkeys((*self._options.cleared, *self._recorder.cleared))),
            earlier=self._options.saved_earlier,
        )

    def _texts(self, key: Literal["labels", "annotations"]) -> dict[str, str]:
        """Return the texts of the pipeline over those of its source, of its target and of the project."""
        wanted, project = self._wanted, self._context.project
        owners = (project, project.targets.get(wanted.target), project.sources.get(wanted.source), wanted)
        return {name: text for owner in owners if owner for name, text in getattr(owner, key).items()}

    def _first_record(self, verdict: Verdict | None) -> float | None:
        """Return the seconds from the start of the run; the relay counts from its own start."""
        if verdict is None or verdict.first_record_seconds is None:
            return None
        return round(self._recorder.relay_began - self._clock + verdict.first_record_seconds, 3)

    def _containers(self) -> tuple[ContainerRecord, ...]:
        if self._prepared is None:
            return ()
        exits = self._outcome.exits if self._outcome else {}
        relay = self._outcome.relay_facts if self._outcome else None
        return (
            *(
                container_record(ready.connector.role, ready.facts, exits.get(ready.connector.role))
                for ready, _ in self._prepared.sides
            ),
            *([container_record("relay", relay, exits.get("relay"))] if relay else []),
        )
