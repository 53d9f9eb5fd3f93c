"""`tapdock catalog`: what a source offers, compared with what it offered before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import operations_of
from tapdock.cli.change_rows import COLUMNS, change_rows
from tapdock.cli.connectors import AsJson, InPipeline, Verbose, in_pipeline, print_streams
from tapdock.cli.session import Session, shared
from tapdock.connectors import catalog_files, operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.schema_changes import SchemaChange, changes, seen
from tapdock.connectors.selection import select_streams
from tapdock.errors import SourceError, UsageError
from tapdock.project.model import Connector
from tapdock.project.named import is_namespaced
from tapdock.protocol.catalog import Stream
from tapdock.relay.signals import Signals
from tapdock.state import catalogs
from tapdock.state.catalogs import SeenStream
from tapdock.text.output import err, out, print_json, print_table, said_at_once

__all__ = ["commit", "diff", "refresh", "show"]

DIFFERENT = 9
"""The exit code of `diff --exit-code` if there are differences."""

Source = Annotated[str, typer.Argument(help="A source of the project.")]


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A source whose image is present. `namespaced`: a pipeline uses the schemas of its streams as namespaces."""

    session: Session
    context: Context
    ready: PreparedConnector
    namespaced: bool

    @property
    def connector(self) -> Connector:
        return self.ready.connector

    def streams(self, *, refresh: bool) -> tuple[Stream, ...]:
        return operations.discover(self.context, self.ready, refresh=refresh, namespaced=self.namespaced)


@contextmanager
def _asked(ctx: typer.Context, name: str, pipeline: str | None, *, verbose: bool) -> Iterator[_Asked]:
    """Yield the source `name`. Raises UsageError for a target, and for a source that is never discovered."""
    session = shared(ctx)
    connector = in_pipeline(session, name, pipeline)
    if connector.role != "source":
        raise UsageError(f"`{name}` is a {connector.role}; only sources have catalogs")
    if not connector.reports_streams:
        raise UsageError(f"`{name}` does not support discovery: it reports its streams only during a run")
    with Signals(said_at_once) as signals:
        context = msgspec.structs.replace(operations_of(session, signals, verbose=verbose), note=err)
        ready = operations.prepare(context, connector)
        namespaced = ready.kind == "singer" and is_namespaced(session.project, name)
        yield _Asked(session=session, context=context, ready=ready, namespaced=namespaced)


def show(
    ctx: typer.Context, name: Source, as_json: AsJson = False, verbose: Verbose = False, pipeline: InPipeline = None
) -> None:
    """Show the catalog that the next run of a source uses

    That is a committed or a cached catalog, as `discovery` of the source says; without one, the source is asked.

    Example: tapdock catalog show faker
    """
    with _asked(ctx, name, pipeline, verbose=verbose) as asked:
        streams = asked.streams(refresh=False)
    if asked.connector.discovery.mode == "committed":
        err(f"using the committed catalog {_file(name)}")
    singer = asked.ready.kind == "singer"
    print_streams(asked.session, asked.connector, streams, singer=singer, as_json=as_json)


def refresh(
    ctx: typer.Context, name: Source, as_json: AsJson = False, verbose: Verbose = False, pipeline: InPipeline = None
) -> None:
    """Discover the streams of a source again

    The next runs use the result, until it is as old as `discovery` of the source allows.

    Example: tapdock catalog refresh faker
    """
    with _asked(ctx, name, pipeline, verbose=verbose) as asked:
        _require_discovered(asked.connector)
        streams = asked.streams(refresh=True)
    if as_json:
        print_json({"source": name, "streams": len(streams)})
    else:
        out(f"{name} offers {_count(streams)}; `tapdock catalog show {name}` lists them")


def diff(
    ctx: typer.Context,
    name: Source,
    as_json: AsJson = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {DIFFERENT} if there are differences.")
    ] = False,
    verbose: Verbose = False,
    pipeline: InPipeline = None,
) -> None:
    """Compare what a source offers now with its committed or its last catalog

    The source is asked. The result is compared with `catalogs/NAME.json`; without this file, with the catalog of the
    last successful run. Without differences, the exit code is 0, and with `--exit-code` it is 9 if there are any.

    Example: tapdock catalog diff faker --exit-code
    """
    with _asked(ctx, name, pipeline, verbose=verbose) as asked:
        before, what, asked = _before(asked)
        now = asked.streams(refresh=True)
        found = changes(before, seen(now, _selected(asked.connector, now)))
    if as_json:
        print_json({"source": name, "compared_with": what, "changes": msgspec.to_builtins(found)})
    else:
        _print(found, what)
    if found and exit_code:
        raise typer.Exit(DIFFERENT)


def commit(
    ctx: typer.Context, name: Source, as_json: AsJson = False, verbose: Verbose = False, pipeline: InPipeline = None
) -> None:
    """Write what a source offers now into `catalogs/NAME.json`

    The file is beside the project file, in an order that does not depend on the source, so that git shows what has
    changed. Runs use it if the source has `discovery: committed`.

    Example: tapdock catalog commit faker
    """
    with _asked(ctx, name, pipeline, verbose=verbose) as asked:
        _require_discovered(asked.connector, committed=True)
        folder, connector = asked.session.project.folder, asked.connector
        old = _committed(asked)
        streams = asked.streams(refresh=True)
        if not streams:
            hint = "check its config: its user may lack the permission to read"
            raise SourceError(f"source `{name}` offers no streams, so nothing is written", hint=hint)
        found = changes(old, seen(streams, _selected(connector, streams))) if old is not None else ()
        raws = [msgspec.Raw(stream.raw.encode()) for stream in streams]
        is_new = catalog_files.write(folder, name, msgspec.json.encode({"streams": raws}))
    if as_json:
        print_json({"source": name, "file": _file(name), "written": is_new, "changes": msgspec.to_builtins(found)})
    else:
        out(f"{_file(name)} has {_count(streams)}" + ("" if is_new else ", as before"))
        if found:
            print_table(COLUMNS, change_rows(found))
    if connector.discovery.mode != "committed":
        err(f"hint: runs use it after you set `discovery: committed` of source `{name}`")


def _require_discovered(connector: Connector, *, committed: bool = False) -> None:
    """Raise UsageError for a source whose runs would not use a discovery."""
    name = connector.name
    if connector.catalog:
        raise UsageError(f"the streams of `{name}` come from {connector.catalog.file}", hint="change that file")
    if connector.discovery.mode == "committed" and not committed:
        hint = f"`tapdock catalog diff {name}` compares it with the source, `tapdock catalog commit {name}` replaces it"
        raise UsageError(f"runs of `{name}` use the committed catalog {_file(name)}", hint=hint)


def _before(asked: _Asked) -> tuple[tuple[SeenStream, ...], dict[str, str], _Asked]:
    """Return the catalog to compare with, what it is, and how the source's streams must be named for that."""
    committed = _committed(asked, strict=True)
    if committed is not None:
        return committed, {"file": _file(asked.connector.name)}, asked
    project, name = asked.session.project, asked.connector.name
    kept = catalogs.latest(asked.context.backend, name, project.environment, pipelines=project.pipelines)
    if kept is None:
        raise UsageError(
            f"there is nothing to compare source `{name}` with: no committed catalog, and no successful run",
            hint=f"`tapdock catalog commit {name}` writes {_file(name)}",
        )
    return kept.streams, {"run": kept.run_id}, msgspec.structs.replace(asked, namespaced=kept.namespaced)


def _committed(asked: _Asked, *, strict: bool = False) -> tuple[SeenStream, ...] | None:
    """Return the committed catalog; None if there is none, or if it cannot be read and is not needed (`strict`)."""
    connector = asked.connector
    if not catalog_files.file_of(asked.session.project.folder, connector.name).exists():
        return None
    try:
        streams = operations.committed(asked.context, asked.ready, namespaced=asked.namespaced)
    except UsageError:
        if strict:
            raise
        return None
    return seen(streams, _selected(connector, streams))


def _selected(connector: Connector, streams: tuple[Stream, ...]) -> Any:
    """Return the streams that a run would read; all if the selection does not fit these streams."""
    try:
        return select_streams(streams, connector.select, connector.streams)
    except UsageError:
        return select_streams(streams, (), {}) if streams else ()


def _print(found: tuple[SchemaChange, ...], what: dict[str, str]) -> None:
    compared = what.get("file") or f"the catalog of run {what['run']}"
    if found:
        err(f"differences from {compared}:")
        print_table(COLUMNS, change_rows(found))
    else:
        err(f"no differences from {compared}")


def _file(name: str) -> str:
    return f"{catalog_files.FOLDER}/{name}.json"


def _count(streams: tuple[Stream, ...]) -> str:
    return f"{len(streams)} stream{'s' * (len(streams) != 1)}"
