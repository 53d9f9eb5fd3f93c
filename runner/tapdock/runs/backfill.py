"""A backfill: the steps of a window, each as a run of its own. It resumes behind the steps that were read before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from tapdock.connectors.context import Context
from tapdock.connectors.window_settings import with_window
from tapdock.errors import TapdockError, UsageError
from tapdock.project.model import Pipeline
from tapdock.project.window import Window
from tapdock.project.window_steps import By, Step, planned
from tapdock.runs import records
from tapdock.runs.begin import names_of
from tapdock.runs.chosen import partly_chosen
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, prepare
from tapdock.runs.records import RunRecord
from tapdock.runs.target_place import moved, places, renamed
from tapdock.runs.windows import require_windowable
from tapdock.state import backfills
from tapdock.state.backends.base import LeaseTerms
from tapdock.state.backfills import BackfillSession

__all__ = ["Backfilled", "Range", "run_steps"]

_UNKNOWN = "*"
"""Stands for all streams of a source that reports them only during a run."""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """What is read: a window in steps. `again`: also what was read before. `command` is the call for messages."""

    window: Window
    by: By
    again: bool = False
    command: str = "tapdock backfill"


@dataclass
class Backfilled:
    """How far a backfill is: `records` are those of the runs so far, `done` counts earlier steps as well."""

    total: int = 0
    done: int = 0
    records: list[RunRecord] = field(default_factory=list)


def run_steps(
    context: Context,
    wanted: Pipeline,
    options: Options,
    asked: Range,
    *,
    perform: Callable[[Options, str], RunRecord],
    result: Backfilled,
) -> None:
    """Run the steps that were not read before, in order, up to the first failure or signal, and count in `result`.

    `perform` runs one step; it also gets the number of the step in words. A step is noted as read after its run has
    succeeded. Raises TapdockError if a step cannot begin, or cannot be noted.
    """
    now = datetime.fromtimestamp(context.now(), UTC)
    if asked.window.end > now:
        hint = f"for example `--to {now:%Y-%m-%d}`: what comes later would count as read"
        raise UsageError(f"the window {asked.window} ends in the future", hint=hint)
    planned(asked.window, asked.by, ())  # too many steps
    prepared = _prepared(context, wanted, options, asked.window)
    streams = [str(one.stream.key) for one in prepared.streams] or [_UNKNOWN]
    lost: list[TapdockError] = []

    def stop(error: TapdockError) -> None:
        """Stop the run of the step after the loss of the lease: another backfill may write now."""
        lost.append(error)
        context.signals.stop()

    engine = context.engine
    terms = LeaseTerms(
        is_over=lambda holder: engine.is_over(holder.owner, holder.run_id), lost=stop, say=context.progress
    )
    key = backfills.key_of(wanted.name, context.project.environment)
    token = records.new_run_id(context.now(), records.run_token(context.now()))
    with backfills.lease(
        context.backend,
        key,
        run_id=token,
        owner=engine.owner,
        clock=context.now,
        terms=terms,
        anew=asked.again,
    ) as held:
        _begin(context, prepared, held, asked, streams, token=token)
        steps = planned(asked.window, asked.by, held.progress.done(streams))
        _require_fitting(context, prepared, steps)
        result.total, result.done = len(steps), sum(step.is_done for step in steps)
        _perform(
            context, prepared, held, (steps, asked.by), options, streams, perform=perform, result=result, lost=lost
        )
    if lost:
        raise lost[0]


def _prepared(context: Context, wanted: Pipeline, options: Options, window: Window) -> PreparedRun:
    """Prepare a run of the whole window, in order to find mistakes before the first step."""
    whole = options.of_window(window)
    prepared = prepare(context, wanted, whole)
    require_windowable(context, prepared, whole)
    _require_whole_streams(prepared, options)
    return prepared


def _require_fitting(context: Context, prepared: PreparedRun, steps: Sequence[Step]) -> None:
    """Raise UsageError for a step that the source's settings do not take, such as half a day.

    Only the times of the day can differ, so one step of each kind is tried.
    """
    kinds = {(step.window.start.time(), step.window.end.time()): step.window for step in steps if not step.is_done}
    for window in kinds.values():
        with_window(context, prepared.source, prepared.source_config, window)


def _require_whole_streams(prepared: PreparedRun, options: Options) -> None:
    """Raise UsageError if this call leaves out fields of a stream, which would count as read."""
    left_out = partly_chosen(prepared.source.connector, prepared.offered, options.select)
    if names := [f"`{key}`" for key in left_out]:
        hint = "choose whole streams, such as `--select 'users.*'`; `tapdock run --from --to` reads single fields"
        raise UsageError(f"`--select` and `--exclude` leave out fields of {', '.join(names)}", hint=hint)


def _begin(
    context: Context, prepared: PreparedRun, held: BackfillSession, asked: Range, streams: Sequence[str], *, token: str
) -> None:
    """Forget what is read again. Raises UsageError if what was read before does not fit this backfill."""
    target, project = prepared.target.connector, context.project
    progress, name = held.progress, prepared.pipeline.name
    is_moved = moved(target, project, progress.places) is not None
    other = _other_rows(prepared, progress)
    if asked.again:
        kept = backfills.Progress(key=progress.key) if is_moved or other else progress
        if (new := backfills.without(kept, streams, asked.window)) != progress:
            held.save(_noted(prepared, new), run_id=token, places=places(target, project))
        return
    if other and progress.streams:
        hint = f"`{asked.command} --again` reads the whole window"
        raise UsageError(f"since the last backfill of `{name}`, {other}", hint=hint)
    if is_moved and progress.streams:
        raise UsageError(
            f"target `{target.name}` writes to another place than at the last backfill of `{name}`",
            hint=f"`{asked.command} --again` reads the whole window into the new place",
        )
    if lagging := progress.lagging(streams, asked.window):
        named = ", ".join(f"`{stream}` ({', '.join(map(str, gaps))})" for stream, gaps in lagging.items())
        only = " ".join(f"--select '{stream}.*'" for stream in lagging)
        raise UsageError(
            f"other streams of `{name}` were read for this window, but not {named}",
            hint=f"`{asked.command} {only}` reads what is missing; `--again` reads all streams again",
        )


def _other_rows(prepared: PreparedRun, progress: backfills.Progress) -> str | None:
    """Return why the rows of earlier steps are not those that this backfill writes, or None."""
    source = prepared.pipeline.source
    if progress.source not in ("", source):
        return f"its source has changed from `{progress.source}` to `{source}`"
    mapper = _mapper(prepared)
    if progress.source and progress.mapper != mapper:
        return f"its mapper has changed from `{progress.mapper or 'none'}` to `{mapper or 'none'}`"
    for stream, text in _filters(prepared).items():
        if stream in progress.filters and progress.filters[stream] != text:
            return f"the filter of stream `{stream}` has changed"
    return renamed(progress.names, names_of(prepared))


def _noted(prepared: PreparedRun, progress: backfills.Progress) -> backfills.Progress:
    return msgspec.structs.replace(
        progress,
        source=prepared.pipeline.source,
        names={**progress.names, **names_of(prepared)},
        filters={**progress.filters, **_filters(prepared)},
        mapper=_mapper(prepared),
    )


def _filters(prepared: PreparedRun) -> dict[str, str]:
    """Return a digest of the filter of each stream, which may contain a secret; an empty text for none."""
    filters = {one.label: one.map.entry.filter if one.map else None for one in prepared.landed}
    return {label: blake2b(text.encode(), digest_size=8).hexdigest() if text else "" for label, text in filters.items()}


def _mapper(prepared: PreparedRun) -> str:
    return prepared.mapper.name if prepared.mapper else ""


def _perform(
    context: Context,
    prepared: PreparedRun,
    held: BackfillSession,
    plan: tuple[Sequence[Step], By],
    options: Options,
    streams: Sequence[str],
    *,
    perform: Callable[[Options, str], RunRecord],
    result: Backfilled,
    lost: Sequence[TapdockError],
) -> None:
    steps, by = plan
    word = f"{by}s" if isinstance(by, str) else "steps"
    for number, step in enumerate(steps, start=1):
        if step.is_done:
            continue
        if context.signals.code or lost:
            return
        record = perform(options.of_window(step.window), f"{number:,} of {len(steps):,} {word}")
        result.records.append(record)
        if record.exit_code or lost:
            return
        now_at = places(prepared.target.connector, context.project)
        done = _noted(prepared, held.progress.with_done(streams, step.window))
        held.save(done, run_id=record.run_id, places=now_at)
        result.done += 1
