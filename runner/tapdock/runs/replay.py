"""Run a spool into a target: what is run, in which order, and when its state is saved."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.errors import TapdockError, UsageError
from tapdock.events import Committed, Event, Verdict
from tapdock.launch import ImageFacts
from tapdock.project.model import Pipeline
from tapdock.project.named import sides
from tapdock.project.state_keys import require_same_rows
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, combined
from tapdock.runs.spool_files import Batch, same_state
from tapdock.state.envelope import Envelope
from tapdock.translate.base import Emit, Quirks

__all__ = ["due", "prepare_replay", "require_all_spooled", "require_next", "saved_at_the_end"]


def due(batches: Sequence[Batch], envelope: Envelope | None, options: Options, *, state_id: str) -> tuple[Batch, ...]:
    """Return the batches that are run, by the state that is saved for this target; none if it is that of the last one.

    Raises UsageError if the saved state is at no border of batches: rows could be missing, or the state would go back.
    """
    saved = envelope.state if envelope else None
    first = batches[0].manifest.start
    if not options.save_state:
        return tuple(batches)
    if options.full_refresh and first is None:
        return tuple(batches)
    if options.full_refresh:
        raise UsageError(
            "this spool does not begin with the first records of its source, so `--full-refresh` would miss rows",
            hint="`--no-state-update` runs all of it and does not change the saved state",
        )
    borders = [first, *(batch.manifest.end for batch in batches)]
    places = [place for place, border in enumerate(borders) if same_state(border, saved)]
    if not places:
        raise UsageError(
            f"the state `{state_id}` is not one at which a batch of this spool begins or ends",
            hint="`--full-refresh` runs the spool from its beginning, `--no-state-update` keeps the saved state",
        )
    return tuple(batches[places[0] :])  # a batch that did not change the state may be run twice, and never not at all


def require_next(batch: Batch, envelope: Envelope | None, options: Options) -> None:
    """Raise UsageError if another run has saved a state since the batches were chosen. The lease is held now."""
    saved = envelope.state if envelope else None
    if options.save_state and not options.full_refresh and not same_state(batch.manifest.start, saved):
        hint = "run the same command again"
        raise UsageError(f"{batch.folder} does not begin where the saved state ends", hint=hint)


def prepare_replay(context: Context, pipeline: Pipeline, options: Options) -> PreparedRun:
    """Prepare the run of a batch: the target as ever, and the source without its image.

    Raises UsageError if the project now reads other streams or fields than the spool has, and for a mapper.
    """
    batch = options.spool
    assert batch is not None, "the caller has one"
    if pipeline.mappers:
        raise UsageError(
            f"pipeline `{pipeline.name}` has the mapper `{pipeline.mappers[0]}`, and a spool is run without mappers",
            hint="run the pipeline without `--from`, so that it reads the source",
        )
    if options.save_state:
        require_same_rows(context.project, pipeline)
    began = context.now() if options.began is None else options.began
    source, target = sides(context.project, pipeline, now=began, run_id=options.run_id)
    played = PreparedConnector(
        connector=source,
        facts=ImageFacts(image=str(batch.folder), digest=""),
        kind=batch.manifest.kind,
        quirks=Quirks(),
    )
    run = combined(
        context,
        pipeline,
        options,
        source=played,
        offered=batch.manifest.offered,
        source_config=Resolved(user={}, given={}),
        target=operations.prepare(context, target),
    )
    return replace(run, spool=batch)


def require_all_spooled(context: Context, pipeline: Pipeline, several: Sequence[Options]) -> None:
    """Raise UsageError if one of several batches cannot be run as the project is now, before the first one is run.

    A single batch is checked by its run. Other errors, such as those of the engine, are reported by the first run.
    """
    for each in several if len(several) > 1 else ():
        try:
            prepare_replay(context, pipeline, each)
        except UsageError:
            raise
        except TapdockError:
            return


def saved_at_the_end(batch: Batch, emit: Emit) -> Callable[[Event], None]:
    """Return a receiver of events that saves the state at the end of the batch, once the target acknowledged all of it.

    So the saved state is always at a border of batches, and a batch that failed is run again as a whole.
    """
    acknowledged = False

    def receive(event: Event) -> None:
        nonlocal acknowledged
        if isinstance(event, Committed):
            acknowledged = True
            return
        end = batch.manifest.end
        if isinstance(event, Verdict) and event.exit_code == 0 and acknowledged and end is not None:
            emit(Committed(end))
        emit(event)

    return receive
