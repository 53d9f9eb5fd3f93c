"""`tapdock select`: show which streams and fields a run reads and why, and change `select` in the project file."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from tapdock.cli.assembly import said
from tapdock.cli.connectors import offered_by
from tapdock.cli.session import Session, shared
from tapdock.connectors.explained import ExplainedStream, explained
from tapdock.connectors.matching import Offered
from tapdock.connectors.select_edit import SelectEdit
from tapdock.connectors.selection import select_streams
from tapdock.errors import UsageError
from tapdock.project.layers import dotted
from tapdock.project.model import Connector, Kind
from tapdock.protocol.catalog import Stream
from tapdock.protocol.patterns import is_glob
from tapdock.text.clean import one_line
from tapdock.text.output import err, out, print_json

__all__ = ["select"]


def select(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of the project.")],
    patterns: Annotated[
        list[str] | None, typer.Argument(help="Patterns to add: `users`, `users.email`, `*.*_url`.")
    ] = None,
    *,
    show: Annotated[
        bool, typer.Option("--list", help="List the streams and fields that a run reads, and why.")
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="With --list, also list what is not read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list, print JSON.")] = False,
    exclude: Annotated[bool, typer.Option("--exclude", help="Add the patterns as exclusions, with `!`.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the patterns, as they are written.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all patterns: everything is read.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the connector's log lines.")] = False,
) -> None:
    """Show which streams and fields a run reads, and change that

    Patterns are written into `select` of the source in the project file; nothing else in it changes. With
    `--environment NAME`, they are written into the block of that environment. The streams are those of the last
    discovery, if it is less than a day old: `tapdock discover NAME` asks again.

    Example: tapdock select faker --list --all
    """
    given = tuple(patterns or ())
    _require_one(name, given, show=show, show_all=show_all or as_json, exclude=exclude, remove=remove, clear=clear)
    session = shared(ctx)
    if show:
        connector, kind, streams = offered_by(session, name, refresh=False, verbose=verbose)
        _list(session, connector, kind, streams, show_all=show_all, as_json=as_json)
    elif remove or clear:
        _remove(session, name, given)
    else:
        connector, _, streams = offered_by(session, name, refresh=False, verbose=verbose)
        added = [f"!{pattern.removeprefix('!')}" if exclude else pattern for pattern in given]
        _add(session, connector, streams, added)


def _require_one(
    name: str, given: Sequence[str], *, show: bool, show_all: bool, exclude: bool, remove: bool, clear: bool
) -> None:
    """Raise UsageError unless the options ask for one thing."""
    hint = f"for example `tapdock select {name} --list`, or `tapdock select {name} 'users.*'`"
    options = {"--list": show, "--exclude": exclude, "--remove": remove, "--clear": clear}
    chosen = [option for option, value in options.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} cannot be used together", hint=hint)
    if show_all and not show:
        raise UsageError("`--all` and `--json` are options of `--list`", hint=hint)
    if given and (show or clear):
        raise UsageError(f"{chosen[0]} takes no pattern", hint=hint)
    if not given and not show and not clear:
        raise UsageError("there is no pattern", hint=hint)


def _add(session: Session, connector: Connector, streams: Sequence[Stream], patterns: Sequence[str]) -> None:
    edit = _edit(session, connector)
    offered = Offered(streams)
    for pattern in patterns:
        _require_match(offered, connector.name, pattern)
    added = [pattern for pattern in patterns if edit.add(pattern)]
    select_streams(streams, edit.patterns, connector.streams)  # a run must be possible
    _write(edit, added, "added", "has them already")
    _tell_targets_that_merge(streams, edit.patterns, connector)
    whole = next((each for each in edit.patterns if each in ("*", "*.*")), None)
    if whole and any(not pattern.startswith("!") and pattern != whole for pattern in added):
        said(
            f"note: `{whole}` still selects everything; `tapdock select {connector.name} --remove '{whole}'` removes it"
        )


def _tell_targets_that_merge(streams: Sequence[Stream], patterns: Sequence[str], connector: Connector) -> None:
    """Tell that runs into some targets are not possible any more: which ones, only a run knows."""
    try:
        select_streams(streams, patterns, connector.streams, modes={})
    except UsageError as error:
        said(f"note: a run into a target that merges rows by their key fails: {error.message}")
        said(f"hint: {error.hint}")


def _require_match(offered: Offered, name: str, pattern: str) -> None:
    """Raise UsageError for a pattern that matches nothing."""
    plain = pattern.removeprefix("!")
    if offered.matches(plain, excludes=pattern.startswith("!")):
        return
    if is_glob(plain):
        hint = f"`tapdock discover {name}` shows the streams; `*` stands for any text"
        raise UsageError(f"the pattern `{pattern}` matches no stream and no field of `{name}`", hint=hint)
    raise offered.unknown(plain)


def _remove(session: Session, name: str, patterns: Sequence[str]) -> None:
    """Remove patterns, or all if none is named. The source is not asked, so that this always works."""
    connector = session.project.sources.get(name)
    if connector is None:
        known = ", ".join(session.project.sources) or "none"
        raise UsageError(f"there is no source `{name}` in {session.project.file.name}", hint=f"sources: {known}")
    edit = _edit(session, connector)
    before = list(edit.patterns)
    if patterns:
        for pattern in dict.fromkeys(patterns):
            edit.remove(pattern)
        _write(edit, list(dict.fromkeys(patterns)), "removed", "")
    else:
        edit.clear()
        _write(edit, before, "removed", "has no patterns")


def _edit(session: Session, connector: Connector) -> SelectEdit:
    return SelectEdit(session.project, connector, session.chosen_environment or None, session.environ)


def _write(edit: SelectEdit, changed: Sequence[str], verb: str, otherwise: str) -> None:
    place = f"{edit.label}: {dotted(edit.place)}"
    if not changed:
        said(f"{place} {otherwise}: nothing has changed")
        return
    edit.write()
    rest = "everything is read now" if not edit.patterns else f"{len(edit.patterns)} patterns in total"
    said(f"{place}: {verb} {', '.join(f'`{pattern}`' for pattern in changed)} ({rest})")


def _list(
    session: Session, connector: Connector, kind: Kind, streams: Sequence[Stream], *, show_all: bool, as_json: bool
) -> None:
    warnings: list[str] = []
    origins, above = session.project.origins, ("sources", connector.name, "select")
    places = {
        pattern: origins.get(dotted((*above, index))) or origins.get(dotted(above))
        for index, pattern in reversed(list(enumerate(connector.select)))
    }
    found = explained(streams, connector, origin=places.get, singer=kind == "singer", warn=warnings.append)
    shown = [one for one in found if one.is_read or show_all]
    if as_json:
        print_json({"source": connector.name, "streams": [_described(one, show_all=show_all) for one in shown]})
    else:
        rows = [row for one in shown for row in _rows(one, show_all=show_all)]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for first, second, third in rows:
            out(f"{first.ljust(widths[0])}  {second.ljust(widths[1])}  {third}".rstrip())
    for warning in warnings:
        err(one_line(session.redacted(warning)))


def _rows(one: ExplainedStream, *, show_all: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of a stream: name, type, and why it is read or not."""
    key = ", ".join(".".join(path) for path in one.key)
    facts = [one.sync_mode, f"key {key}" if key else "", f"cursor {'.'.join(one.cursor)}" if one.cursor else ""]
    yield one_line(str(one.stream.key)), one_line(", ".join(fact for fact in facts if fact)), one_line(one.reason)
    for field in one.fields:
        if field.is_read or show_all:
            indent = "  " * len(field.path)
            yield indent + one_line(field.path[-1]), one_line(", ".join(field.types)), one_line(field.reason)


def _described(one: ExplainedStream, *, show_all: bool) -> dict[str, Any]:
    return {
        "stream": str(one.stream.key),
        "name": one.stream.name,
        "namespace": one.stream.namespace,
        "tap_stream_id": one.tap_stream_id,
        "is_read": one.is_read,
        "reason": one.reason,
        "sync_mode": one.sync_mode,
        "key": [list(path) for path in one.key],
        "cursor": list(one.cursor),
        "fields": [
            {"path": list(each.path), "types": list(each.types), "is_read": each.is_read, "reason": each.reason}
            for each in one.fields
            if each.is_read or show_all
        ],
    }
