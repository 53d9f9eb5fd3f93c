"""Find pipelines of one command of which one replaces the rows of another: both write to one table or file."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import chain, combinations
from typing import Any

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.context import Context
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.errors import TapdockError, UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.project.named import sides
from tapdock.project.row import split_name
from tapdock.project.rows import same_matrix
from tapdock.runs.begin import drops_rows, names_of
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, prepare
from tapdock.runs.target_files import file_of, own_file
from tapdock.runs.target_place import places
from tapdock.translate.catalogs.singer import message_names

__all__ = ["Output", "outputs", "require_own_rows", "way_out"]


class Output(msgspec.Struct, frozen=True, kw_only=True):
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


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    run: PreparedRun
    outputs: tuple[Output, ...]

    @property
    def replaces(self) -> bool:
        return any(each.replaced for each in self.outputs) or drops_rows(self.run)


def require_own_rows(
    context: Context,
    pipelines: Sequence[Pipeline],
    options: Options,
    *,
    at_once: Collection[frozenset[Pipeline]] = (),
) -> None:
    """Raise UsageError if one of the pipelines would replace rows of another; report it if that is not certain.

    `at_once` are the pairs that may run at the same time. Pipelines that may write to the same place are prepared for
    this. If that fails, their runs report it. Two pipelines of one source write the same rows, so that only one of them
    may write at a time. Rows of a matrix are of different sources.
    """
    pairs = list(_pairs(context, tuple(dict.fromkeys(pipelines)), at_once))
    replacing = {each for each in dict.fromkeys(chain(*pairs)) if _may_replace(context, each)}
    plans: dict[Pipeline, _Plan | None] = {}
    for pair in pairs:
        if replacing.isdisjoint(pair):
            continue
        for each in pair:
            if each not in plans:
                plans[each] = _planned(context, each, options)
        one, other = (plans[each] for each in pair)
        if one and other:
            _require_apart(context, one, other, concurrent=frozenset(pair) in at_once)


def _pairs(
    context: Context, pipelines: Sequence[Pipeline], at_once: Collection[frozenset[Pipeline]]
) -> Iterator[tuple[Pipeline, Pipeline]]:
    """Yield the pipelines that may write to the same place.

    The rows of a matrix, of which there may be hundreds, are put into groups by their place. In a group, each row is
    compared with the first one.
    """
    groups: dict[Any, Pipeline] = {}
    others: list[Pipeline] = []
    for each in pipelines:
        first = groups.setdefault(_place(context, each), each) if each.row else each
        if first is each:
            others.append(each)
        elif first != each:
            _warn_of_same_keys(context, first, each)
            yield first, each
    for pair in combinations(others, 2):
        is_matrix = pair[0].row and same_matrix(pair[0].name, pair[1].name)
        if not is_matrix and _may_meet(context, *pair, concurrent=frozenset(pair) in at_once):
            yield pair


def _warn_of_same_keys(context: Context, one: Pipeline, other: Pipeline) -> None:
    """Warn of rows in one place without a column that tells them apart. Once for each matrix."""
    pipeline = split_name(one.name)[0]
    if not one.columns and pipeline not in context.reported:
        context.reported.add(pipeline)
        context.progress(
            f"warning: `{one.name}` and `{other.name}` write to the same place in `{one.target}`, where rows of two"
            " tenants with the same key replace each other"
        )
        fix = f"add `pipelines.{pipeline}.matrix.columns: {{tenant: ${{matrix.name}}}}`, or separate their tables"
        context.progress(f"hint: {fix}")


def _place(context: Context, row: Pipeline) -> Any:
    """Return what the rows of a matrix have in common that write to the same tables or files."""
    project = context.of(row).project
    try:
        found = places(sides(project, row, now=context.now())[1], project)
    except UsageError:  # a variable or a file is missing, which the run reports
        return row.name
    return split_name(row.name)[0], tuple(sorted(found.items())), row.namespacing


def _planned(context: Context, pipeline: Pipeline, options: Options) -> _Plan | None:
    try:
        run = prepare(context, pipeline, options)
    except TapdockError:
        return None
    return _Plan(run=run, outputs=tuple(outputs(context.of(pipeline), run)))


def _may_meet(context: Context, one: Pipeline, other: Pipeline, *, concurrent: bool) -> bool:
    if one == other or (one.source == other.source and one.variant is other.variant and not concurrent):
        return False
    here, there = context.of(one).project, context.of(other).project
    first, second = sides(here, one, now=context.now())[1], sides(there, other, now=context.now())[1]
    if (one.target == other.target and here is there) or _share_a_folder(first, second):
        return True
    try:
        return places(first, here) == places(second, there)
    except UsageError:  # a variable or a file is missing, which the run reports
        return True


def _share_a_folder(one: Connector, other: Connector) -> bool:
    mine, theirs = ([f"{mount.source}/" for mount in each.mounts if not mount.read_only] for each in (one, other))
    return any(a.startswith(b) or b.startswith(a) for a in mine for b in theirs)


def _may_replace(context: Context, pipeline: Pipeline) -> bool:
    context = context.of(pipeline)
    source, target = sides(context.project, pipeline, now=context.now())
    overwrites = any(each.destination_sync_mode == "overwrite" for each in source.streams.values())
    if overwrites or "load_method" in target.config:
        return True
    with suppress(TapdockError):
        return quirks_of(operations.prepare(context, target).facts).replaces_files is not None
    return False


def _require_apart(context: Context, one: _Plan, other: _Plan, *, concurrent: bool) -> None:
    names = f"pipelines `{one.run.pipeline.name}` and `{other.run.pipeline.name}`"
    if not (one.outputs and other.outputs) and (one.replaces or other.replaces):
        unknown = (other if one.outputs else one).run.source.connector.name
        context.once(f"warning: {names} may replace rows of each other: the streams of `{unknown}` are not known yet")
    mine, theirs = one.run.pipeline, other.run.pipeline
    elsewhere = mine.source != theirs.source or mine.variant is not theirs.variant
    for place, first, second in _shared(one, other):
        lasting = elsewhere and (second.replaced or (first.replaced and second.incremental))
        if not lasting and not (concurrent and (first.replaced or second.replaced or first.timed)):
            continue
        if not _is_certain(one.run, other.run, first, second):
            context.once(f"warning: {names} may both write `{place}`, and rows of one may replace the other's")
            continue
        winner, loser = (other.run, one.run) if second.replaced else (one.run, other.run)
        where = f"the {'file' if first.is_file else 'table'} `{place}`"
        raise UsageError(
            f"{names} both write {where}, and {_reason(winner, first, second)}, so rows of `{loser.pipeline.name}`"
            " would be lost",
            hint="`--concurrency 1` runs them one after the other, or " * (not lasting) + way_out(context, other.run),
        )


def _shared(one: _Plan, other: _Plan) -> Iterator[tuple[str, Output, Output]]:
    """Yield the places to which both write, each with an output of either."""
    written = {(each.owner, place): each for each in one.outputs for place in each.places}
    for second in other.outputs:
        for place in sorted(second.places):
            if first := written.get((second.owner, place)):
                yield place, first, second


def _reason(winner: PreparedRun, first: Output, second: Output) -> str:
    if not (first.replaced or second.replaced):
        return "they would run at the same time"
    if first.is_file:
        return f"target `{winner.target.connector.name}` replaces its files in every run"
    return f"`{winner.pipeline.name}` overwrites it"


def _is_certain(one: PreparedRun, other: PreparedRun, first: Output, second: Output) -> bool:
    """Return True if both outputs are certainly the same: taps of one program use the same one of their names."""
    alone = len(first.names) == len(second.names) == 1 or one.source.program == other.source.program
    rows = same_matrix(one.pipeline.name, other.pipeline.name)  # of one program, in one place
    same_target = not first.owner or rows or one.target.connector == other.target.connector
    return alone and same_target and first.places == second.places


def way_out(context: Context, run: PreparedRun) -> str:
    """Return how the second of two pipelines gets tables or files of its own."""
    name, target, files = run.pipeline.name, run.target.connector.name, run.translation.quirks.replaces_files
    if run.pipeline.row:
        name = split_name(name)[0]
        if run.route != "singer-singer":
            return f"give each row tables of its own: `pipelines.{name}.prefix: ${{matrix.name}}_`"
        what = "folder" if files else "schema"
        return f"give each row a {what} of its own: refer to `${{matrix.name}}` in the config of `targets.{target}`"
    if run.route != "singer-singer" and name in context.project.pipelines:
        return f"set `pipelines.{name}.prefix: {name}_`"
    if files:
        return own_file(run.target, run.target_config, name, files)
    if run.route == "singer-singer":
        return f"write `{name}` to a copy of `targets.{target}` with another schema"
    return f"define `{name}` under `pipelines`, with a `prefix`"


def outputs(context: Context, run: PreparedRun) -> Iterator[Output]:
    quirks, known = run.translation.quirks, names_of(run)
    files, drops = quirks.replaces_files, drops_rows(run) and not quirks.ignores_load_method
    owner = str(sorted(places(run.target.connector, context.project).items()))
    for landed in run.landed:
        one = landed.target
        names = frozenset((known[landed.label],) if landed.label in known else message_names(one.stream))
        found, is_known = _places(run, names, local=context.engine.name == "local")
        yield Output(
            owner="" if is_known else owner,
            names=names,
            places=found,
            is_file=files is not None,
            replaced=drops or one.destination_sync_mode == "overwrite",
            timed=files is not None and not drops,
            incremental=one.sync_mode == "incremental",
        )


def _places(run: PreparedRun, names: frozenset[str], *, local: bool) -> tuple[frozenset[str], bool]:
    """Return the tables or files for these names of a stream, and whether they are files whose paths are known."""
    if files := run.translation.quirks.replaces_files:
        found = [file_of(run.target, run.target_config, name, files, local=local) for name in names]
        return frozenset(path for path, _ in found), all(known for _, known in found)
    tables = [table for name in names for table in run.translation.tables.tables(name)]
    return frozenset(".".join(part for part in table if part) for table in tables) or names, False
