"""Find pipelines of which one replaces the rows of another, because both write to one table or file of a target."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, product

from tapdock.connectors import operations
from tapdock.connectors.context import Context
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.errors import StateError, TapdockError, UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.runs.begin import drops_rows, names_of
from tapdock.runs.prepare import Options, PreparedRun, prepare
from tapdock.runs.target_files import file_of, own_file
from tapdock.runs.target_place import moved, places
from tapdock.state.store import read, state_key
from tapdock.translate.catalogs.singer import message_names

__all__ = ["require_own_rows", "say_replaced"]


@dataclass(frozen=True, kw_only=True)
class _Output:
    """The table or file to which a run writes a stream; one of several if it is not known how a tap names the stream.

    `owner` distinguishes targets; it is empty for a file whose path is known. If `timed`, the file has the time in its
    name, so that only a run in the same second replaces it.
    """

    owner: str
    names: frozenset[str]
    places: frozenset[str]
    is_file: bool
    replaced: bool
    timed: bool
    incremental: bool


def require_own_rows(context: Context, pipelines: Sequence[Pipeline], options: Options, *, concurrent: bool) -> None:
    """Raise UsageError if one of the pipelines would replace rows of another; report it if that is not certain.

    Pipelines that may write to the same place are prepared for this. If that fails, their runs report it. Two pipelines
    of one source write the same rows, so that only one of them may write at a time.
    """
    plans: dict[Pipeline, PreparedRun | None] = {}

    def planned(pipeline: Pipeline) -> PreparedRun | None:
        if pipeline not in plans:
            plans[pipeline] = None
            with suppress(TapdockError):
                plans[pipeline] = prepare(context, pipeline, options)
        return plans[pipeline]

    for pair in combinations(pipelines, 2):
        if _may_meet(context, *pair, concurrent=concurrent) and any(_may_replace(context, each) for each in pair):
            one, other = map(planned, pair)
            if one and other:
                _require_apart(context, one, other, concurrent=concurrent)


def _may_meet(context: Context, one: Pipeline, other: Pipeline, *, concurrent: bool) -> bool:
    if one == other or (one.source == other.source and not concurrent):
        return False
    first, second = (context.project.targets[each.target] for each in (one, other))
    return places(first, context.project) == places(second, context.project) or _share_a_folder(first, second)


def _share_a_folder(one: Connector, other: Connector) -> bool:
    mine, theirs = ([f"{mount.source}/" for mount in each.mounts if not mount.read_only] for each in (one, other))
    return any(a.startswith(b) or b.startswith(a) for a in mine for b in theirs)


def _may_replace(context: Context, pipeline: Pipeline) -> bool:
    target, source = context.project.targets[pipeline.target], context.project.sources[pipeline.source]
    overwrites = any(each.destination_sync_mode == "overwrite" for each in source.streams.values())
    if overwrites or "load_method" in target.config:
        return True
    with suppress(TapdockError):
        return quirks_of(operations.prepare(context, target).facts).replaces_files is not None
    return False


def _require_apart(context: Context, one: PreparedRun, other: PreparedRun, *, concurrent: bool) -> None:
    mine, theirs = list(_outputs(context, one)), list(_outputs(context, other))
    names = f"pipelines `{one.pipeline.name}` and `{other.pipeline.name}`"
    if not (mine and theirs) and (_replaces(mine) or _replaces(theirs) or drops_rows(one) or drops_rows(other)):
        unknown = (other if mine else one).source.connector.name
        context.once(f"warning: {names} may replace rows of each other: the streams of `{unknown}` are not known yet")
    for first, second in product(mine, theirs):
        lasting = one.pipeline.source != other.pipeline.source and (
            second.replaced or (first.replaced and second.incremental)
        )
        at_once = concurrent and (first.replaced or second.replaced or first.timed)
        shared = first.places & second.places if first.owner == second.owner else frozenset()
        if not shared or not (lasting or at_once):
            continue
        if not _is_certain(one, other, first, second):
            context.once(f"warning: {names} may both write `{min(shared)}`, and rows of one may replace the other's")
            continue
        winner, loser = (other, one) if second.replaced else (one, other)
        where = f"the {'file' if first.is_file else 'table'} `{min(shared)}`"
        raise UsageError(
            f"{names} both write {where}, and {_reason(winner, first, second)}, so rows of `{loser.pipeline.name}`"
            " would be lost",
            hint="run them without `--concurrency`, or " * (not lasting) + _way_out(context, other),
        )


def _reason(winner: PreparedRun, first: _Output, second: _Output) -> str:
    if not (first.replaced or second.replaced):
        return "they would run at the same time"
    if first.is_file:
        return f"target `{winner.target.connector.name}` replaces its files in every run"
    return f"`{winner.pipeline.name}` overwrites it"


def _replaces(outputs: Sequence[_Output]) -> bool:
    return any(each.replaced for each in outputs)


def _is_certain(one: PreparedRun, other: PreparedRun, first: _Output, second: _Output) -> bool:
    """Return True if both outputs are certainly the same: taps of one program use the same one of their names."""
    alone = len(first.names) == len(second.names) == 1 or one.source.program == other.source.program
    same_target = not first.owner or one.target.connector == other.target.connector
    return alone and same_target and first.places == second.places


def _way_out(context: Context, run: PreparedRun) -> str:
    """Return how the second of two pipelines gets tables or files of its own."""
    name, target, files = run.pipeline.name, run.target.connector.name, run.translation.quirks.replaces_files
    if run.route != "singer-singer" and name in context.project.pipelines:
        return f"set `pipelines.{name}.prefix: {name}_`"
    if files:
        return own_file(run.target, run.target_config, name, files)
    if run.route == "singer-singer":
        return f"write `{name}` to a copy of `targets.{target}` with another schema"
    return f"define `{name}` under `pipelines`, with a `prefix`"


def _outputs(context: Context, run: PreparedRun) -> Iterator[_Output]:
    quirks, known = run.translation.quirks, names_of(run)
    files, drops = quirks.replaces_files, drops_rows(run) and not quirks.ignores_load_method
    for one in run.streams:
        key = str(one.stream.key)
        names = frozenset((known[key],) if known else message_names(one.stream))
        owner, found = _places(context, run, names)
        yield _Output(
            owner=owner,
            names=names,
            places=found,
            is_file=files is not None,
            replaced=drops or one.destination_sync_mode == "overwrite",
            timed=files is not None and not drops,
            incremental=one.sync_mode == "incremental",
        )


def _places(context: Context, run: PreparedRun, names: frozenset[str]) -> tuple[str, frozenset[str]]:
    """Return the tables or files for these names of a stream, and the target that owns them."""
    owner = str(sorted(places(run.target.connector, context.project).items()))
    if files := run.translation.quirks.replaces_files:
        local = context.engine.name == "local"
        found = [file_of(run.target, run.target_config, name, files, local=local) for name in names]
        return "" if all(known for _, known in found) else owner, frozenset(path for path, _ in found)
    tables = [table for name in names for table in run.translation.tables.tables(name)]
    return owner, frozenset(".".join(part for part in table if part) for table in tables) or names


def say_replaced(context: Context, run: PreparedRun) -> None:
    """Warn if this run replaces what another pipeline of the project has written, as far as its state shows."""
    target, project = run.target.connector, context.project
    replaced = [each for each in _outputs(context, run) if each.replaced]
    for key in _states_beside(context, run) if replaced else ():
        envelope = None
        with suppress(StateError):  # the other pipeline reports it
            envelope = read(context.backend, key)
        if envelope is None or not envelope.places or moved(target, project, envelope.places):
            continue
        written = set(envelope.names.values() or envelope.generations)
        found = next((min(each.places) for each in replaced if each.names & written), None)
        if found:
            lost = f"the rows of the state `{key}` there are lost"
            context.progress(f"warning: this run replaces `{found}`, so {lost}")
            context.progress(f"hint: {_way_out(context, run)}")


def _states_beside(context: Context, run: PreparedRun) -> list[str]:
    """Return the states of other sources of the project that are written to the same target."""
    project, target = context.project, run.pipeline.target
    pairs = [(each.source, each.state_suffix) for each in project.pipelines.values() if each.target == target]
    others = [(source, suffix) for source, suffix in (*pairs, *((name, None) for name in project.sources))]
    keys = [
        state_key(source, target, environment=project.environment, suffix=suffix)
        for source, suffix in others
        if source != run.pipeline.source
    ]
    return list(dict.fromkeys(keys))
