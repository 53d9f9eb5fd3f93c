"""How a run handles a source whose catalog differs from that of the last successful run (`schema_changes`)."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.schema_changes import SchemaChange, changes, fields_of, is_inside, named, seen
from tapdock.connectors.schema_types import ARRAY, differences
from tapdock.connectors.selection import select_streams
from tapdock.errors import StateError, UsageError
from tapdock.project.blocks import block_of
from tapdock.project.model import Connector, Namespacing, Pipeline, Project, SchemaPolicy
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.patterns import Path
from tapdock.protocol.schema_edits import pruned
from tapdock.state import catalogs
from tapdock.state.catalogs import Found, KeptCatalog, SeenStream

__all__ = ["SchemaFacts", "applied", "asks_again", "is_namespaced", "keep", "report", "require_accepted"]

_ACCEPT = "--accept-schema-changes"


class SchemaFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the source's catalog and of its changes.

    `streams` is what the next run compares with if this one succeeds; None if nothing is kept. `since` is the run with
    which this one compares, None for a first run. `found` is what is stored now.
    """

    policy: SchemaPolicy = "evolve"
    changes: tuple[SchemaChange, ...] = ()
    since: str | None = None
    streams: tuple[SeenStream, ...] | None = None
    namespaced: bool = False
    found: Found = msgspec.field(default_factory=Found)


def is_namespaced(source: PreparedConnector, namespacing: Namespacing) -> bool:
    """Return True if the schemas of a tap's streams are their namespaces."""
    return source.kind == "singer" and namespacing.kind in ("source", "customformat")


def asks_again(source: Connector, policy: SchemaPolicy, *, wanted: bool) -> bool:
    """Return True if a cached catalog must not be used: it would hide the changes that a policy is about.

    `wanted`: the user asks for a new discovery. Raises UsageError if the catalog is committed, so that none is used.
    """
    if source.discovery.mode != "committed":
        return wanted or policy != "evolve"
    if wanted:
        raise UsageError(
            f"`--refresh-catalog` has no effect for source `{source.name}`, whose catalog is committed",
            hint=f"`tapdock catalog commit {source.name}` replaces catalogs/{source.name}.json",
        )
    return False


def applied(
    context: Context,
    source: Connector,
    policy: SchemaPolicy,
    offered: Sequence[Stream],
    chosen: tuple[ConfiguredStream, ...],
    state_id: str,
    *,
    namespaced: bool,
    only: Sequence[str] = (),
) -> tuple[tuple[ConfiguredStream, ...], SchemaFacts]:
    """Return the streams to read under a policy, and what has changed since the last successful run.

    Both catalogs are whole: what the source offers, whatever is selected. A stream or field counts as read if the
    project selects it, also in a run whose options (`only`) select less. Raises UsageError and StateError for a policy
    that cannot be kept.
    """
    if not source.reports_streams:
        if policy != "evolve":
            raise UsageError(
                f"`schema_changes: {policy}` has no effect for source `{source.name}`: with `discovery: false`, its"
                " streams are not known before the run",
                hint="write a catalog with the streams and fields, and name it with `catalog: FILE`",
            )
        return chosen, SchemaFacts()
    selected = _of_project(source, offered) if only else chosen
    now = seen(offered, chosen if selected is None else selected)
    try:
        found = _found(context, state_id, policy)
    except StateError as error:
        if policy != "evolve":
            raise
        context.once(f"warning: schema changes are not known: {context.message(error.message)}")
        return chosen, SchemaFacts()
    keeps = selected is not None and not found.is_newer
    if found.catalog is None:
        return chosen, SchemaFacts(policy=policy, streams=now if keeps else None, namespaced=namespaced, found=found)
    differences = changes(found.catalog.streams, now)
    if policy == "freeze":
        differences = _marked(differences)
        chosen, now = _frozen(chosen, now, found.catalog.streams)
    return chosen, SchemaFacts(
        policy=policy,
        changes=differences,
        since=found.catalog.run_id,
        streams=now if keeps else None,
        namespaced=namespaced,
        found=found,
    )


def _of_project(source: Connector, offered: Sequence[Stream]) -> tuple[ConfiguredStream, ...] | None:
    """Return the streams that the project selects, without the options of this run.

    None if they cannot be read, because of a stream that the options leave out.
    """
    try:
        return select_streams(offered, source.select, source.streams)
    except UsageError:
        return None


def _found(context: Context, state_id: str, policy: SchemaPolicy) -> Found:
    """Return what is kept. Raises StateError if a policy other than `evolve` cannot compare with it."""
    found = catalogs.find(context.backend, state_id)
    if found.damage is None:
        return found
    message = f"the catalog that is kept beside the state `{state_id}` cannot be read: {found.damage}"
    if policy != "evolve":
        hint = f"`tapdock run … {_ACCEPT}` reads what the source offers now, and keeps that"
        raise StateError(message, hint="use the newer tapdock that wrote it" if found.is_newer else hint)
    context.once(f"warning: {message}; this run compares with nothing")
    return found


def _marked(differences: tuple[SchemaChange, ...]) -> tuple[SchemaChange, ...]:
    """Return the changes with a mark at those that are left out: selected streams and fields that are new."""
    return tuple(
        msgspec.structs.replace(each, left_out=each.change == "added" and each.is_read) for each in differences
    )


def _frozen(
    chosen: tuple[ConfiguredStream, ...], now: tuple[SeenStream, ...], before: tuple[SeenStream, ...]
) -> tuple[tuple[ConfiguredStream, ...], tuple[SeenStream, ...]]:
    """Return the streams to read and those to keep, without what is new. Raises UsageError if nothing is left."""
    known = {each.key: each for each in before}
    new = {each.key: _new_paths(known[each.key], each) for each in now if each.key in known}
    left = tuple(_without(one, new[one.stream.key]) for one in chosen if one.stream.key in known)
    if not left:
        raise UsageError(
            "`schema_changes: freeze` leaves out all selected streams, which are new: "
            + ", ".join(str(one.stream.key) for one in chosen),
            hint=f"`tapdock run … {_ACCEPT}` reads them",
        )
    kept = (each for each in now if each.key in known or each.read is None)
    return left, tuple(_seen_without(each, new.get(each.key, frozenset())) for each in kept)


def _new_paths(old: SeenStream, new: SeenStream) -> frozenset[Path]:
    """Return the selected fields that are new, also those inside of other fields. Arrays have no name in a path."""
    before, now = fields_of(old.json_schema), fields_of(new.json_schema)
    paths: set[Path] = {(name,) for name in new.read or () if name not in before}
    for name in set(new.read or ()) & before.keys() & now.keys():
        found = (each.path for each in differences(before[name], now[name]) if each.kind == "added")
        paths |= {(name, *(part for part in path if part != ARRAY)) for path in found}
    return frozenset(path for path in paths if not is_inside(path, new.unread))


def _without(one: ConfiguredStream, new: frozenset[Path]) -> ConfiguredStream:
    """Return the stream without new fields, as if the user had excluded them. Raises UsageError if a run needs them."""
    if not new:
        return one
    names = {path[0] for path in new if len(path) == 1}
    needed = sorted(".".join(path) for path in (one.cursor_field, *one.primary_key) if is_inside(path, new))
    properties = fields_of(one.stream.json_schema)
    excluded = (*one.excluded, *sorted(names - set(one.excluded)))
    if needed or (properties and not properties.keys() - set(excluded)):
        what = f"the field `{needed[0]}`, a part of its key or its cursor" if needed else "all fields that are selected"
        raise UsageError(
            f"`schema_changes: freeze` leaves out what is new of stream `{one.stream.key}`, also {what}",
            hint=f"`tapdock run … {_ACCEPT}` reads it",
        )
    inside = {path for path in new if len(path) > 1 and not is_inside(path, one.exclusion.paths)}
    nested = (*(path for path in one.nested if not is_inside(path, new)), *sorted(inside))
    denied = (*one.denied, *sorted(names - set(one.denied)))
    return msgspec.structs.replace(one, excluded=excluded, denied=denied, nested=nested)


def _seen_without(stream: SeenStream, new: frozenset[Path]) -> SeenStream:
    if not new:
        return stream
    names = {path[0] for path in new if len(path) == 1}
    exclusion = Exclusion(names, [path for path in new if len(path) > 1])
    schema = msgspec.json.decode(pruned(msgspec.Raw(msgspec.json.encode(stream.json_schema)), exclusion)[0])
    read = tuple(name for name in stream.read if name not in names) if stream.read is not None else None
    return msgspec.structs.replace(stream, json_schema=schema, read=read)


def require_accepted(project: Project, pipeline: Pipeline, facts: SchemaFacts) -> None:
    """Raise UsageError for changes that the policy does not allow. It names them and how to accept them."""
    where = f" --environment {project.environment}" if project.environment else ""
    run = f"tapdock run {block_of(project, pipeline)} {_ACCEPT}{where}"
    of_row = f" --pipeline {block_of(project, pipeline)}" if pipeline.row else ""
    diff = f"tapdock catalog diff {pipeline.source}{of_row}{where}"
    hint = f"`{run}` reads on with what the source offers now; `{diff}` shows all changes"
    found = [each for each in facts.changes if each.is_read]
    if facts.policy == "fail" and found:
        raise UsageError(
            f"the schema of source `{pipeline.source}` has changed since run {facts.since}: {named(found)}", hint=hint
        )
    breaking = [each for each in found if each.breaking]
    if facts.policy == "freeze" and breaking:
        raise UsageError(
            f"source `{pipeline.source}` has changed since run {facts.since} in a way that `schema_changes: freeze`"
            f" cannot leave out: {named(breaking)}",
            hint=hint,
        )


def report(facts: SchemaFacts) -> dict[str, str]:
    """Return the changes for one line of the log, by kind; empty without changes. Each of them is in one kind."""
    groups: dict[str, list[SchemaChange]] = {}
    for each in facts.changes:
        kind = (
            "not_selected"
            if not each.is_read
            else "breaking"
            if each.breaking
            else "left_out"
            if each.left_out
            else each.change
        )
        groups.setdefault(kind, []).append(each)
    order = ("breaking", "removed", "changed", "added", "left_out", "not_selected")
    return {kind: named(groups[kind]) for kind in order if kind in groups}


def keep(context: Context, facts: SchemaFacts, *, state_id: str, run_id: str) -> None:
    """Keep the catalog of a successful run beside its state. Raises StateError."""
    if facts.streams is None:
        return
    saved_at = f"{datetime.fromtimestamp(context.now(), UTC):%Y-%m-%dT%H:%M:%SZ}"
    kept = KeptCatalog(
        key=state_id, run_id=run_id, saved_at=saved_at, namespaced=facts.namespaced, streams=facts.streams
    )
    catalogs.keep(context.backend, kept, expected=facts.found.version)
