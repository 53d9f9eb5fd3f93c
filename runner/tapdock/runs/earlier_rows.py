"""Warn about rows of earlier runs that stay as they are, although this run writes the stream in another way."""

from collections.abc import Collection, Iterator, Sequence

from tapdock.connectors.context import Context
from tapdock.errors import StateError
from tapdock.project.blocks import block_of
from tapdock.project.row import split_name
from tapdock.protocol.patterns import Path
from tapdock.runs.begin import drops_rows
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.target_place import moved
from tapdock.runs.written import effects_of, written
from tapdock.state import catalogs
from tapdock.state.catalogs import KeptCatalog, SeenStream, Written
from tapdock.state.store import read
from tapdock.text.listed import listed
from tapdock.translate.maps.landing import Landed
from tapdock.translate.maps.settings import MapSettings

__all__ = ["earlier_rows"]


def earlier_rows(context: Context, run: PreparedRun, *, resumes: bool) -> Iterator[str]:
    """Yield the warnings, each with a hint behind it. `resumes`: incremental streams are not read from the beginning.

    Nothing is known about a stream that no run of this version of tapdock has written.
    """
    name = split_name(run.pipeline.name)[0] if run.pipeline.row else block_of(context.project, run.pipeline)
    again = f"tapdock run {name} --full-refresh"  # of all rows of a matrix, so that it is said once
    own = run.schema.found.catalog
    before = {each.key: each for each in own.streams} if own else {}
    without_row = None if own else _of_pipeline(context, run)
    keys = {each.key: each for each in without_row.streams} if without_row else before
    now = {each.key: each for each in run.schema.streams or ()}
    for one in run.landed:
        key = one.source.stream.key
        old = keys[key].written.get(one.label) if key in keys else None
        if old is not None and _keeps_key(run, one):
            yield from _other_key(run, one, old, again)
        if not resumes or key not in before or one.source.sync_mode != "incremental":
            continue
        found = [*_other_maps(one, before[key], run.translation.maps), *_more_fields(before[key], now.get(key))]
        yield from found
        if found:
            yield f"hint: `{again}` reads all rows again; a target that only appends keeps the old rows beside them"


def _of_pipeline(context: Context, run: PreparedRun) -> KeptCatalog | None:
    """Return the catalog of the pipeline before it had a matrix, if it wrote to the same place."""
    if not run.pipeline.row or run.pipeline.state_id:
        return None
    key = run.state_id.rpartition(":")[0]
    try:
        envelope = read(context.backend, key)
        if envelope and envelope.places and not moved(run.target.connector, context.project, envelope.places):
            return catalogs.find(context.backend, key).catalog
    except StateError:  # that of another pipeline, which reports it
        pass
    return None


def _keeps_key(run: PreparedRun, one: Landed) -> bool:
    """Return True if the target keeps a table that may have a key. Destinations that only append use none."""
    mode = one.target.destination_sync_mode
    is_keyless = run.target.kind == "airbyte" and mode == "append"
    return not (mode == "overwrite" or is_keyless or drops_rows(run))


def _other_key(run: PreparedRun, one: Landed, old: Written, again: str) -> Iterator[str]:
    """Yield a warning if the key of a stream is another one, or if a constant in it has another value."""
    stream, key = one.source.stream.key, one.target.primary_key
    if old.key != key:
        yield (
            f"warning: the key of stream `{stream}` was {_key(old.key)} in its last run, and is {_key(key)} now: a"
            " table with the old key stays as it is, so that the target may fail (such as with `Duplicate key`) or"
            " write rows twice"
        )
        yield f"hint: remove the table from the target, and then `{again}`"
        return
    now, columns = written(one, run.translation.maps).maps, run.pipeline.key_columns
    names = [name for name in columns if (name,) in key and name in old.maps and now.get(name) != old.maps[name]]
    if names:
        has = "has" if len(names) == 1 else "have"
        yield (
            f"warning: {listed(names)} {has} another value than in the last run of `{run.pipeline.name}`, and the key"
            f" of stream `{stream}` has it: the old rows stay in the table beside those of this run"
        )
        yield "hint: remove the old rows from the table; a column that is `${matrix.name}` alone is the key of a row"


def _other_maps(one: Landed, before: SeenStream, maps: MapSettings | None) -> Iterator[str]:
    if not before.written:
        return
    old = before.written.get(one.label, Written()).maps
    now = written(one, maps).maps
    changed = sorted(name for name in {*old, *now} if old.get(name) != now.get(name))
    if not changed:
        return
    found = effects_of(one, maps)
    declared = one.map.declared if one.map else {}
    hidden = [name for name in changed if name in found and found[name].protects and _is_in(name, declared)]
    plain = f"; what is protected or removed now is still in them: {listed(hidden)}" if hidden else ""
    yield (
        f"warning: the maps of stream `{before.key}` have changed since its last run ({listed(changed)}): rows that"
        f" were read before keep their old values{plain}"
    )


def _is_in(field: str, declared: Collection[str]) -> bool:
    """Return True for a field of the source; a field that only the map makes was not there before."""
    return field in declared or field.partition(".")[0] in declared


def _more_fields(before: SeenStream, now: SeenStream | None) -> Iterator[str]:
    """Yield a warning about fields that were there in the last run, and are only selected since then."""
    if now is None or before.read is None:
        return
    known = before.json_schema.get("properties") or {}
    more = [name for name in now.read or () if name not in before.read and name in known]
    more += [".".join(path) for path in before.unread if path not in now.unread and path[0] in before.read]
    if more:
        yield (
            f"warning: more fields of stream `{before.key}` are selected since its last run ({listed(more)}): rows that"
            " were read before do not have them"
        )


def _key(key: Sequence[Path]) -> str:
    return f"[{', '.join('.'.join(path) for path in key)}]" if key else "not there"
