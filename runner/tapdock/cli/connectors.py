"""`tapdock spec`, `check` (`test`) and `discover`."""

import time
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import operations_of
from tapdock.cli.session import Session, shared
from tapdock.cli.spec_rows import COLUMNS, spec_rows
from tapdock.cli.state import print_exactly
from tapdock.connectors import about, operations, selection
from tapdock.connectors import check as checks
from tapdock.connectors.known_streams import remember_offered
from tapdock.connectors.sample import Sample, sample
from tapdock.errors import SourceError, UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.mapping import mapper_of, usable
from tapdock.project.model import Connector, Kind, Project
from tapdock.project.named import alone
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.relay.signals import Signals
from tapdock.runs import check_write
from tapdock.runs.check_write import Written
from tapdock.text.clean import one_line
from tapdock.text.output import err, out, print_json, print_table, said_at_once
from tapdock.translate.catalogs.singer import unsupported_fields

__all__ = [
    "AsJson",
    "InPipeline",
    "Name",
    "Verbose",
    "check",
    "checked",
    "discover",
    "in_pipeline",
    "named",
    "offered_by",
    "print_streams",
    "spec",
]

Name = Annotated[str, typer.Argument(help="A source or a target of the project.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the connector's log lines.")]
InPipeline = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        help="The pipeline, or `shop[row]`, for `${SOURCE}` and the like in the config. Default: the only one.",
    ),
]


def spec(ctx: typer.Context, name: Name, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show which settings a connector takes

    Example: tapdock spec faker
    """
    session = shared(ctx)
    connector = named(session.project, name)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, verbose=verbose)
        schema = about.spec(needed, operations.prepare(needed, connector))
    if schema is None:
        raise UsageError(f"{connector.role} `{name}` cannot report its settings", hint="see its documentation")
    if as_json:
        print_json(schema)
    else:
        print_table(COLUMNS, spec_rows(schema))


def check(
    ctx: typer.Context,
    name: Name,
    as_json: AsJson = False,
    verbose: Verbose = False,
    read: Annotated[
        int | None, typer.Option("--read", metavar="N", min=1, help="Also read up to N records of a source.")
    ] = None,
    pipeline: InPipeline = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also write a few rows into a table of its own name in a target.")
    ] = False,
) -> None:
    """Check that a connector's config works

    For an Airbyte connector, tapdock runs its `check` command. A Singer tap is checked by discovery, which may not use
    the credentials. The config of a Singer connector is compared with the settings that it reports, if it reports any.
    Singer has no check for targets: for them, this is all, and nothing is contacted.
    For certainty, `--read 10` also reads ten records of the selected streams and stops the source. No state is saved.
    `--write` really writes to a target: a null, a text with letters of other languages, a decimal, a timestamp and an
    update of a row, into a table `tapdock_check_…`. tapdock cannot remove this table, and says what to remove.

    Example: tapdock check faker --read 10

    Example: tapdock check lake --write
    """
    checked(shared(ctx), name, pipeline=pipeline, as_json=as_json, verbose=verbose, read=read, write=write)


def checked(
    session: Session,
    name: str,
    *,
    pipeline: str | None = None,
    as_json: bool = False,
    verbose: bool = False,
    read: int | None = None,
    write: bool = False,
) -> None:
    """Check a connector, and print the result. Raises an error of its side if the check failed."""
    connector = in_pipeline(session, name, pipeline)
    if read and connector.role != "source":
        raise UsageError(f"`{name}` is a {connector.role}; only sources have records to read")
    if write and connector.role != "target":
        raise UsageError(f"`{name}` is a {connector.role}; only targets can be written to")
    found: Sample | Written | None = None
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, verbose=verbose)
        ready = operations.prepare(needed, connector)
        result = checks.check(needed, ready)
        if read and result.succeeded:
            try:
                found = sample(needed, ready, records=read)
            except SourceError as error:
                result = checks.Checked(succeeded=False, message=error.message, how="its records", hint=error.hint)
        if write and result.succeeded:
            found = check_write.write(needed, ready)
            how = "writing" if result.is_partial else f"{result.how}, and by writing"
            failed = found.message is not None
            result = checks.Checked(succeeded=not failed, message=found.message, how=how, hint=found.hint)
    _show(connector, result, found, as_json=as_json)


def _show(connector: Connector, result: checks.Checked, found: Sample | Written | None, *, as_json: bool) -> None:
    """Print the result. Raises an error of the connector's side if the check failed."""
    name = connector.name
    if as_json:
        answer: dict[str, Any] = {"succeeded": result.succeeded, "message": result.message, "checked_by": result.how}
        if isinstance(found, Written):
            answer["wrote"] = {"table": found.table, "records": found.records, "rows": found.rows, "mode": found.mode}
        elif found:
            answer["read"] = {"records": found.records, "streams": found.streams, "is_whole": found.is_whole}
        print_json(answer)
        raise typer.Exit(0 if result.succeeded else checks.failure(connector, result).exit_code)
    if isinstance(found, Written):
        _show_written(name, found)
    if not result.succeeded:
        raise checks.failure(connector, result)
    ending = f": {result.message}" if result.message else ""
    found_out = f"{name} works" if found or not result.is_partial else f"{name} was checked in part"
    out((f"{found_out} (checked by {result.how})" if result.how else f"{name} was not checked") + ending)
    if isinstance(found, Sample):
        all_of_them = ", which are all records of its selected streams" if found.is_whole else ""
        out(f"{name} printed {found.records} record{'s' * (found.records != 1)}{all_of_them}")
        print_table(["stream", "records"], [[stream, str(count)] for stream, count in found.streams.items()])
    elif result.hint and found is None:
        err(f"hint: {one_line(result.hint)}")


def _show_written(name: str, found: Written) -> None:
    """Print what was written, also after a failure, because the table may exist."""
    if not found.message:
        rows = "2 rows, or 3 if it appends" if found.rows is None else f"{found.rows} rows"
        how = {"append_dedup": " (it merges rows by their key)", "append": " (it appends)"}.get(found.mode or "", "")
        out(f"{name} acknowledged {found.records} records. Expect {rows} in `{found.table}`{how}:")
        columns = list(check_write.ROWS[0])
        rows_of_table = [
            ["null" if row[column] is None else row[column] for column in columns] for row in check_write.ROWS
        ]
        print_table(columns, rows_of_table)
    err(f"tapdock cannot remove `{found.table}`: drop this table, or delete this file, in the target yourself")


def discover(
    ctx: typer.Context,
    name: Name,
    as_json: AsJson = False,
    verbose: Verbose = False,
    cached: Annotated[
        bool, typer.Option("--cached", help="Use the result of a discovery of the last 24 hours.")
    ] = False,
    pipeline: InPipeline = None,
) -> None:
    """Show the streams that a source offers

    A `select` that does not fit the streams causes a warning, not an error, so that you can correct it.

    Example: tapdock discover faker
    """
    session = shared(ctx)
    connector, kind, streams = offered_by(session, name, refresh=not cached, verbose=verbose, pipeline=pipeline)
    print_streams(session, connector, streams, singer=kind == "singer", as_json=as_json)


def print_streams(
    session: Session, connector: Connector, streams: tuple[Stream, ...], *, singer: bool, as_json: bool
) -> None:
    """Print a catalog: as the source reported it, or as a table with what a run would read of it."""
    chosen = _selected(session, connector, streams)
    if as_json:
        print_exactly({"streams": [msgspec.Raw(stream.raw.encode()) for stream in streams]})
        return
    rows = []
    for stream in streams:
        configured = chosen.get(stream.key)
        key = configured.primary_key if configured else stream.source_defined_primary_key
        rows.append(
            [
                stream.key,
                configured.sync_mode if configured else "not selected",
                ", ".join(".".join(path) for path in key),
                ".".join(configured.cursor_field if configured else stream.default_cursor_field),
                _fields(stream, singer=singer),
            ]
        )
    print_table(["stream", "sync mode", "key", "cursor", "fields"], rows)


def offered_by(
    session: Session, name: str, *, refresh: bool, verbose: bool, pipeline: str | None = None
) -> tuple[Connector, Kind, tuple[Stream, ...]]:
    """Return a source, its kind and the streams that it offers. Raises UsageError for a target."""
    connector = in_pipeline(session, name, pipeline)
    if connector.role != "source":
        raise UsageError(f"`{name}` is a {connector.role}; only sources have streams")
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, verbose=verbose)
        ready = operations.prepare(needed, connector)
        streams = operations.discover(needed, ready, refresh=refresh)
        remember_offered(needed.cache, connector, session.project.environment, streams, now=needed.now())
    if not streams and not connector.reports_streams:
        raise UsageError(f"`{name}` does not support discovery: it reports its streams only during a run")
    return connector, ready.kind, streams


def _fields(stream: Stream, *, singer: bool) -> str:
    """Return the number of fields, with the names of those that the tap cannot read."""
    number = str(len(stream.json_schema.get("properties") or {}))
    unreadable = unsupported_fields(stream) if singer else ()
    return f"{number}, not readable: {', '.join(unreadable)}" if unreadable else number


def _selected(session: Session, connector: Connector, streams: tuple[Stream, ...]) -> dict[StreamKey, ConfiguredStream]:
    """Return the streams that a run would read. If `select` or `streams` do not fit, print a warning, return all."""

    def warn(said: str) -> None:
        err(one_line(session.redacted(said)))

    try:
        configured = selection.select_streams(streams, connector.select, connector.streams, warn=warn)
    except UsageError as error:
        where = f"{session.project.file.name}: sources.{connector.name}"
        err(f"warning: {where}: {one_line(session.redacted(error.message))}; a run would fail")
        if error.hint:
            err(f"hint: {one_line(session.redacted(error.hint))}")
        configured = selection.select_streams(streams, (), {})
    return {one.stream.key: one for one in configured}


def in_pipeline(session: Session, name: str, pipeline: str | None) -> Connector:
    """Return a connector, with the built-in variables of a pipeline. Raises UsageError if the pipeline lacks it.

    For a row of a matrix, the session gets the project of that row.
    """
    session.choose_row(pipeline)
    project = session.project
    if name not in project.mappers and name in usable(project.mappers):
        return mapper_of(name, project.mappers)
    connector = named(project, name)
    if pipeline is None:
        return connector
    users = {each.name: each for each in project.pipelines.values() if name in each.connectors}
    if pipeline not in users:
        hint = did_you_mean(pipeline, users) or f"pipelines with `{name}`: {', '.join(users) or 'none'}"
        raise UsageError(f"there is no pipeline `{pipeline}` with {connector.role} `{name}`", hint=hint)
    return alone(project, connector, now=time.time(), pipeline=users[pipeline])


def named(project: Project, name: str) -> Connector:
    """Return a source, a mapper or a target of the project. Raises UsageError if there is none."""
    task = name.partition(":")[0]
    if task in project.tasks:
        hint = f"`tapdock invoke {task} -- …` runs it by hand, and `tapdock run {task}:COMMAND` one of its commands"
        raise UsageError(f"`{task}` is a task, which has no config, no settings and no streams", hint=hint)
    connector = project.connector(name)
    if connector is None:
        known = [each.name for each in project.connectors]
        hint = did_you_mean(name, known) or f"known: {', '.join(known) or 'nothing yet'}"
        raise UsageError(f"there is no source, mapper or target `{name}` in {project.file.name}", hint=hint)
    return connector
