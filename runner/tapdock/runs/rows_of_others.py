"""Find what other pipelines of the project have written to the tables of a run, as far as their states show."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec

from tapdock.connectors.context import Context
from tapdock.errors import StateError, UsageError
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import key_of
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.replaced_rows import Output, outputs, way_out
from tapdock.runs.target_place import moved
from tapdock.state.edit import streams
from tapdock.state.envelope import Envelope
from tapdock.state.store import keys as all_keys
from tapdock.state.store import read
from tapdock.translate.catalogs.singer import message_names
from tapdock.translate.maps.landing import Landed

__all__ = ["say_replaced", "with_written_by"]

_MOST_ROWS = 3  # whose states are read: the rows of a matrix write to places that are made in the same way


def say_replaced(context: Context, run: PreparedRun) -> None:
    """Warn if this run replaces what another pipeline of the project has written, as far as its state shows.

    Raises UsageError for a row of a matrix with columns: they say that the table is for all rows.
    """
    replaced = [each for each in outputs(context, run) if each.replaced]
    for key, envelope in _beside(context, run) if replaced else ():
        written = _written(envelope)
        found = next((min(each.places) for each in replaced if each.names & written), None)
        if found:
            lost = f"the rows of the state `{key}` there are lost"
            if run.pipeline.columns and key.rpartition(":")[0] == run.state_id.rpartition(":")[0]:
                hint = f"{way_out(context, run)}; if that row was removed, `tapdock state clear {key}`"
                raise UsageError(f"this run would replace `{found}`, so {lost}", hint=hint)
            context.progress(f"warning: this run replaces `{found}`, so {lost}")
            context.progress(f"hint: {way_out(context, run)}")


def with_written_by(context: Context, run: PreparedRun) -> PreparedRun:
    """Return the run, with what other pipelines have written: see `TranslateOptions.written_by`.

    Warn about a pipeline of this command that may be running: it does not know of this one.
    """
    if run.target.kind != "singer" or run.translation.shares_tables or run.translation.quirks.replaces_files:
        return run
    pairs = list(zip(run.landed, outputs(context, run), strict=True))
    found = _written_by(context, run, pairs) if run.route == "singer-singer" else {}
    mine = (run.pipeline.source, run.state_id, run.route)
    for landed, output in pairs:
        firsts = [context.writers.setdefault((output.owner, place), mine) for place in sorted(output.places)]
        source, key, route = next((first for first in firsts if first[0] != mine[0]), mine)
        if source != mine[0] and "singer-singer" in (route, run.route) and key not in found.values():
            both = f"the runs of the states `{key}` and `{run.state_id}` both write `{landed.target.stream.name}`"
            what = "if a tap replaces its rows (ACTIVATE_VERSION), the target may delete those of the other one"
            context.once(f"warning: {both}: {what}")
            context.once(f"hint: {way_out(context, run)}")
            found.update(dict.fromkeys(message_names(landed.source.stream), key))
    return replace(run, translation=msgspec.structs.replace(run.translation, written_by=found)) if found else run


def _written_by(context: Context, run: PreparedRun, pairs: Sequence[tuple[Landed, Output]]) -> dict[str, str]:
    """Return the streams of a tap for whose table another pipeline has saved a state, each with that state's key.

    Streams have the names that the tap may use in its messages. On the other routes, tapdock itself decides what is
    replaced: see `say_replaced`.
    """
    sent = [(message_names(one.source.stream), output.names) for one, output in pairs]
    offered = {name for names, _ in sent for name in names}
    found: dict[str, str] = {}
    for key, envelope in _beside(context, run):
        written = _written(envelope)
        shared = {name for names, here in sent if here & written for name in names}
        found.update(dict.fromkeys(shared | (written - offered), key))
    return found


def _written(envelope: Envelope) -> set[str]:
    """Return the names in the target of all streams in a state."""
    renamed = {source for label in envelope.names for source in (label, label.rpartition(" as ")[0])}
    known = set(envelope.generations)
    with suppress(StateError):
        known.update(streams(envelope.state, envelope.dialect) if envelope.state and envelope.dialect else ())
    return {*envelope.names.values(), *(known - renamed)}


def _beside(context: Context, run: PreparedRun) -> Iterator[tuple[str, Envelope]]:
    """Yield the states of other pipelines of the project that were written where this run writes, with their keys."""
    for key in _states_beside(context, run):
        envelope = None
        with suppress(StateError):  # the other pipeline reports it
            envelope = read(context.backend, key)
        if envelope and envelope.places and not moved(run.target.connector, context.project, envelope.places):
            yield key, envelope


def _states_beside(context: Context, run: PreparedRun) -> list[str]:
    """Return the states of other sources of the project that are written to the same target, if there are any."""
    project, target = context.project, run.pipeline.target
    pipelines = [each for each in project.pipelines.values() if each.target == target]
    pipelines += [Pipeline(name=name, source=name, target=target) for name in project.sources]
    keys = [key_of(each, project.environment) for each in pipelines if each.source != run.pipeline.source]
    saved = dict.fromkeys(all_keys(context.backend)) if keys or run.pipeline.row else {}
    rows: list[str] = []
    if run.pipeline.row and not run.pipeline.state_id:
        begin = run.state_id.rpartition(":")[0]
        rows = [key for key in saved if key.rpartition(":")[0] == begin and key != run.state_id]
    return [key for key in dict.fromkeys((*keys, *rows[:_MOST_ROWS])) if key in saved]
