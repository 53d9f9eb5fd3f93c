"""Execute one prepared run: take the lease, start both connectors, save states, and decide the verdict."""

import dataclasses
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from tapdock.connectors.context import Context
from tapdock.connectors.kinds.base import place_of, whole_place
from tapdock.connectors.known_streams import remember_read
from tapdock.connectors.paths import unmounted
from tapdock.errors import TapdockError
from tapdock.launch import InputFile, Launch, Role
from tapdock.project.blocks import block_of
from tapdock.project.model import Connector, Limits
from tapdock.relay.host import Outcome, perform
from tapdock.relay.messages import Kill
from tapdock.relay.plan import MapperPlan, RelayPlan
from tapdock.relay.player import play
from tapdock.relay.signals import AGAIN
from tapdock.runs.begin import StartedRun, begun, launches, names_of
from tapdock.runs.chosen import partly_chosen
from tapdock.runs.earlier_rows import earlier_rows
from tapdock.runs.held import terms_of
from tapdock.runs.lost_files import lost_files
from tapdock.runs.new_target import why_new
from tapdock.runs.options import Options
from tapdock.runs.own_files import with_own_state
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.recorder import Recorder
from tapdock.runs.replay import require_next, saved_at_the_end
from tapdock.runs.rows_of_others import say_replaced, with_written_by
from tapdock.runs.spool_files import Batch
from tapdock.runs.target_place import renamed
from tapdock.runs.value_changes import value_changes
from tapdock.runs.verdict import RunFacts, decide_verdict
from tapdock.state.envelope import Envelope
from tapdock.state.store import StateSession, lease, read

__all__ = ["execute"]


def execute(context: Context, prepared: PreparedRun, options: Options, *, run_id: str, recorder: Recorder) -> Outcome:
    """Read, translate and write records, and save the states that the target acknowledged.

    Raises TapdockError if the run cannot start. After the start, every failure is in the verdict.
    """
    ends = tuple(ready.connector for ready, _ in prepared.sides)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lost: list[TapdockError] = []

    def stop(error: TapdockError) -> None:
        """Kill the run after the loss of its lease: another run may write now."""
        lost.append(error)
        inbox.put(Kill(code=error.exit_code))

    with _state(context, prepared, options, run_id, stop) as state:
        if options.attempt == 1:
            say_replaced(context, prepared)
            _say_unmounted(context, prepared)
            _say_left_out(context, prepared, options)
        if state.envelope is None and options.attempt == 1:  # the first run
            _say_changes(context, prepared)
        _remember(context, prepared, options)
        if prepared.spool:
            require_next(prepared.spool, state.envelope, options)
            options = dataclasses.replace(options, attempt=1, has_begun=False)  # each attempt runs the whole batch
        prepared = with_written_by(context, prepared)
        job = begun(prepared, state.envelope, options, now=context.now())
        config, connector = prepared.target_config.given, prepared.target.connector
        if job.unread and options.attempt == 1:
            _say_unread(context, job)
        if job.resumes and state.envelope:
            _say_new(context, prepared, state.envelope)
        if options.save_state:
            for line in earlier_rows(context, prepared, resumes=job.resumes):
                context.once(line)
        if state.held and job.changed:
            state.held.save(job.saved, dialect=prepared.source.kind, generations=job.generations)
            recorder.cleared = job.cleared
        placed = tuple(_placed(context, *both) for both in zip(ends, launches(prepared, job), strict=True))
        files = {launch.role: launch.files for launch in placed}
        lost_rows = partial(lost_files, context.engine, connector, config, run_id=run_id)
        recorder.begin(prepared, state.held, inbox, job.generations, lost_rows=lost_rows)
        plan = _plan(prepared, job, options, files, run_id=run_id)
        with context.signals.orders(inbox, doing=f"waiting for the target to finish what it has received {AGAIN}"):
            outcome = _performed(context, plan, placed, inbox, recorder, spool=prepared.spool)
            recorder.finish()
    facts = _facts(outcome, recorder, placed, lost, strict=options.strict_counts)
    facts = msgspec.structs.replace(
        facts,
        unmounted={end.role: unmounted(context.engine, end) for end in ends},
        places={end.role: whole_place(end, context.project.origins) for end in ends},
    )
    verdict = decide_verdict(facts)
    verdict = msgspec.structs.replace(verdict, message=verdict.message and context.message(verdict.message))
    return msgspec.structs.replace(outcome, verdict=verdict)


def _plan(
    prepared: PreparedRun,
    job: StartedRun,
    options: Options,
    files: Mapping[Role, tuple[InputFile, ...]],
    *,
    run_id: str,
) -> RelayPlan:
    """Return what the relay needs for the run."""
    return RelayPlan(
        run_id=run_id,
        route=prepared.route,
        streams=job.streams,
        state=job.saved,
        source_files=() if prepared.spool else files["source"],
        mapper=_mapper(prepared, files),
        target_files=files["target"],
        limits=_limits(prepared),
        buffer=prepared.pipeline.buffer,
        translation=job.translation,
        only_complete=prepared.only_complete,
        scratch=prepared.scratch,
        strict_counts=options.strict_counts,
        engine=True,
        limit=options.limit,
    )


def _mapper(prepared: PreparedRun, files: Mapping[Role, tuple[InputFile, ...]]) -> MapperPlan | None:
    mapper = prepared.mapper
    return MapperPlan(name=mapper.name, files=files["mapper"], only=mapper.only) if mapper else None


def _placed(context: Context, connector: Connector, launch: Launch) -> Launch:
    return dataclasses.replace(launch, place=place_of(connector, "mounts", context.project.origins))


def _remember(context: Context, prepared: PreparedRun, options: Options) -> None:
    """Keep the streams of a whole run for `tapdock list`: those of a run with a choice of its own are only a part."""
    if not options.select:
        names, environment = names_of(prepared), context.project.environment
        remember_read(context.cache, prepared.pipeline, environment, prepared.streams, names, now=context.now())


def _say_unmounted(context: Context, prepared: PreparedRun) -> None:
    """Warn about paths of the target that no mount covers: what it writes there is lost, and the run fails."""
    for each in unmounted(context.engine, prepared.target.connector):
        context.once(f"warning: {each.found}")
        context.once(f"hint: {each.fix}")


def _say_left_out(context: Context, prepared: PreparedRun, options: Options) -> None:
    """Warn about fields that only this run leaves out: with its state, no later run reads these rows again."""
    if not options.save_state or not prepared.source.connector.reports_streams:
        return
    left_out = partly_chosen(prepared.source.connector, prepared.offered, options.select)
    goes_on = [one.stream.key for one in prepared.streams if one.sync_mode == "incremental"]
    if names := [f"`{key}`" for key in left_out if key in goes_on]:
        context.once(
            f"warning: `--select` or `--exclude` leaves out fields of {', '.join(names)}, and this run saves its state:"
            " no later run adds them to the rows that it reads"
        )
        context.once("hint: add `--no-state-update`; `select` of the source leaves fields out of every run")


def _say_unread(context: Context, job: StartedRun) -> None:
    """Warn about streams that shared a position with those of this run, and are not read any more."""
    names = ", ".join(f"`{key}`" for key in job.unread)
    why = "the source has one position for all streams (a GLOBAL state)"
    context.progress(
        f"warning: not read any more: {names}; {why}, so they start from their beginning if selected again"
    )


def _say_changes(context: Context, prepared: PreparedRun) -> None:
    for end, _ in prepared.sides:
        name = f"{end.connector.role} `{end.connector.name}`"
        for warning in value_changes(name, prepared.streams, end.quirks):
            context.progress(context.redacted(warning))


def _say_new(context: Context, prepared: PreparedRun, envelope: Envelope) -> None:
    pipeline = prepared.pipeline
    reason = why_new(prepared.target.connector, context.project, envelope)
    names = {}
    if prepared.route == "singer-singer":  # a stream that no map renames has one of the names that the tap may use
        names = {str(one.stream.key): one.stream.name for one in prepared.streams}
    reason = reason or renamed({**names, **envelope.names}, {**names, **names_of(prepared)})
    if reason is None:
        return
    run = f"tapdock run {block_of(context.project, pipeline)} --full-refresh"
    context.progress(f"warning: {reason}, but this run resumes from the state `{prepared.state_id}`")
    context.progress(f"hint: if rows of earlier runs are missing there, `{run}` reads all rows again")


def _performed(
    context: Context,
    plan: RelayPlan,
    placed: tuple[Launch, ...],
    inbox: "queue.SimpleQueue[Any]",
    recorder: Recorder,
    *,
    spool: Batch | None,
) -> Outcome:
    try:
        return perform(
            context.engine,
            plan,
            placed[1:] if spool else placed,
            relay_image=context.relay_image,
            inbox=inbox,
            emit=saved_at_the_end(spool, recorder) if spool else recorder,
            logs=recorder.output.stderr,
            ended=recorder.finish,
            play=partial(play, spool.pieces()) if spool else None,
        )
    except TapdockError as error:
        return Outcome(failure=error)


def _facts(
    outcome: Outcome, recorder: Recorder, placed: tuple[Launch, ...], lost: list[TapdockError], *, strict: bool
) -> RunFacts:
    """Collect the facts about a finished run."""
    relay = outcome.verdict
    differing = recorder.differing_counts(relay.streams) if relay and not relay.exit_code else ()
    return RunFacts(
        relay=relay,
        lost=lost[0] if lost else None,
        broken=outcome.failure,
        failed=recorder.failed,
        unsaved=recorder.unsaved,
        differing=differing if strict else (),
        exits=outcome.exits,
        memory={launch.role: launch.memory for launch in placed},
        last_words={side: words.last for side, words in recorder.output.words.items()},
        printed={side: words.printed for side, words in recorder.output.words.items()},
        unexplained=frozenset(side for side, words in recorder.output.words.items() if not words.explains),
    )


def _limits(prepared: PreparedRun) -> Limits:
    each = [ready.connector.limits for ready, _ in prepared.sides]
    source, between, target = each[0], each[-2], each[-1]
    return Limits(
        source_idle=source.source_idle,
        mapper_idle=between.mapper_idle,
        target_idle=target.target_idle,
        stop_grace=max(limits.stop_grace for limits in each),
        exit_grace=source.exit_grace,
    )


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """The state that this run starts from, and the session that saves newer ones. If `held` is None, none are saved."""

    envelope: Envelope | None
    held: StateSession | None


@contextmanager
def _state(
    context: Context, prepared: PreparedRun, options: Options, run_id: str, lost: Callable[[TapdockError], None]
) -> Iterator[_State]:
    """Read the state, and hold its lease for the whole run unless the run saves no state."""
    if not options.save_state:
        found = read(context.backend, prepared.state_id)
        key, window = prepared.state_id, options.window is not None
        envelope = with_own_state(found, prepared.source, options.state, key=key, window=window)
        yield _State(envelope=envelope, held=None)
        return
    owner, terms = context.engine.owner, terms_of(context, lost)
    with lease(context.backend, prepared.state_id, run_id=run_id, owner=owner, clock=context.now, terms=terms) as held:
        yield _State(envelope=held.envelope, held=held)
