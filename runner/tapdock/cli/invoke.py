"""`tapdock invoke`: run a connector's image, or a task, by hand."""

import sys
from typing import Annotated

import typer

from tapdock.cli.assembly import operations_of
from tapdock.cli.connectors import in_pipeline
from tapdock.cli.session import Session, shared
from tapdock.cli.state import print_exactly
from tapdock.connectors import operations
from tapdock.engines.attended import Stdio
from tapdock.errors import UsageError
from tapdock.project.blocks import parse_task
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Command, Connector, Pipeline
from tapdock.project.named import alone
from tapdock.project.row import split_name
from tapdock.project.task_rows import require_row
from tapdock.relay.signals import Signals
from tapdock.runs import by_hand, tasks
from tapdock.runs.given import FilePart, shown_file
from tapdock.text.output import said_at_once

__all__ = ["invoke"]


def invoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A source, a target, a task, or `TASK:COMMAND`.")],
    args: Annotated[list[str] | None, typer.Argument(help="Arguments of the connector, after `--`.")] = None,
    *,
    dump: Annotated[
        FilePart | None, typer.Option(help="Print a file for the connector, with secrets masked, and stop.")
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            help="The pipeline whose catalog and state it gets, or a row (`shop[acme]`). Default: the only one."
        ),
    ] = None,
) -> None:
    """Run a connector's image or a task by hand

    The connector gets its config, variables, mounts and network as in a run. Write `{config}`, `{catalog}` or `{state}`
    at the end of an argument for the path of that file: in the container, files are in /tapdock/files, in memory.
    In a terminal, the connector has the terminal. Otherwise stdin, stdout and stderr are passed on unchanged, also
    with secrets and records in them. The exit code is the connector's own.

    Example: tapdock invoke faker -- read --config {config} --catalog {catalog}

    Example: tapdock invoke faker --dump catalog

    For a command of a task, the arguments follow its own ones. For a task without a command, they are all arguments.

    Example: tapdock invoke dbt:build -- --full-refresh
    """
    session = shared(ctx)
    session.choose_row(pipeline)
    if ":" in name or name in session.project.tasks:
        if dump:
            raise UsageError("`--dump` is for connectors, not for tasks")
        if pipeline and split_name(pipeline)[1] is None:
            hint = "leave it out, or name a row of a matrix: `--pipeline 'shop[acme]'`"
            raise UsageError("`--pipeline` of a task can only name a row, whose values the task gets", hint=hint)
        if pipeline and pipeline not in session.project.pipelines:
            raise UsageError(f"there is no pipeline `{split_name(pipeline)[0]}` with a matrix")
        raise typer.Exit(_invoke_task(session, name, args or []))
    connector = in_pipeline(session, name, None)
    words = args or []
    if dump and words:
        raise UsageError("`--dump` prints a file and does not run the connector, so it takes no arguments")
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, quiet=True)
        chosen = _pipeline(session, connector, pipeline)
        ready = operations.prepare(needed, alone(session.project, connector, now=needed.now(), pipeline=chosen))
        wanted = frozenset((f"{dump}.json",) if dump else ())
        launch, config = by_hand.launch_by_hand(needed, ready, words, pipeline=chosen, wanted=wanted)
        if dump:
            print_exactly(shown_file(needed, ready, launch, dump))
            return
        sys.stdout.flush()
        code = by_hand.invoke(needed, ready, config, launch, _stdio())
    raise typer.Exit(code)


def _invoke_task(session: Session, name: str, words: list[str]) -> int:
    task, command = _task_of(session, name)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, quiet=True)
        sys.stdout.flush()
        return tasks.invoke_task(needed, task, command, words, _stdio())


def _task_of(session: Session, name: str) -> tuple[Connector, Command | None]:
    project = session.project
    if name in project.tasks:
        return project.tasks[name], None
    block = parse_task(project, name)
    require_row(project, block)
    task = project.tasks[block.task]
    return task, task.commands[block.command]


def _pipeline(session: Session, connector: Connector, wanted: str | None) -> Pipeline | None:
    """Return the pipeline that is named, else the only one with this connector. Raises UsageError."""
    pipelines = session.project.pipelines
    if wanted is None:
        using = [each for each in pipelines.values() if connector.name in (each.source, each.target)]
        using = [each for each in using if not each.is_template]
        return using[0] if len(using) == 1 else None
    found = pipelines.get(wanted)
    if found is None:
        hint = did_you_mean(wanted, pipelines) or f"known: {', '.join(pipelines) or 'none yet'}"
        raise UsageError(f"there is no pipeline `{wanted}`", hint=hint)
    if connector.name not in (found.source, found.target):
        raise UsageError(f"pipeline `{wanted}` does not use `{connector.name}`")
    return found


def _stdio() -> Stdio:
    """Return the descriptors. A terminal is only given to the connector if it is its input and its output."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    has_input = sys.stdin is not None and (terminal or not sys.stdin.isatty())
    return Stdio(stdin=0 if has_input else None, stdout=1, stderr=2, terminal=terminal)
