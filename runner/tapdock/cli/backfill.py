"""`tapdock backfill`: read a range of time of a pipeline in steps, and list what was read."""

import queue
import shlex
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import not_removed, operations_of, said
from tapdock.cli.display import Display, Screen, View
from tapdock.cli.run_options import view_of
from tapdock.cli.session import Session, shared
from tapdock.errors import Interrupted, TapdockError, UsageError, unforeseen
from tapdock.project.blocks import RowsBlock, parse_blocks
from tapdock.project.model import Pipeline
from tapdock.project.rows import named_pipeline
from tapdock.project.window import Window
from tapdock.project.window_steps import parse_by
from tapdock.relay.signals import Signals
from tapdock.runs import attempts
from tapdock.runs.backfill import Backfilled, Range, run_steps
from tapdock.runs.options import Options
from tapdock.runs.records import ErrorRecord, RunRecord
from tapdock.state import backfills
from tapdock.text.clean import one_line
from tapdock.text.output import failed, out, print_json, print_table

__all__ = ["backfill"]


def backfill(
    ctx: typer.Context,
    blocks: Annotated[list[str], typer.Argument(help="A pipeline, a row of a matrix, or a source and a target.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="DATE", help="The start of the range.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="The end of the range, which is not read.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="STEP", help="`month`, `week`, `day`, `hour`, or a duration: `6h`, `10d`.")
    ] = "month",
    again: Annotated[bool, typer.Option("--again", help="Read also what was read before.")] = False,
    status: Annotated[bool, typer.Option("--status", help="List what was read, and stop.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(help="Read only these streams of what the project selects: `users.*`; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out these streams of what the project selects; repeatable.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with the records of all runs.")
    ] = False,
    strict_counts: Annotated[
        bool, typer.Option("--strict-counts", help="Fail if a connector's counts of records differ from tapdock's.")
    ] = False,
    locked: Annotated[bool, typer.Option("--locked", help="Refuse images other than those in tapdock.lock.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the INFO lines of connectors as well.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only warnings, errors and the result.")] = False,
) -> None:
    """Read a range of time of a pipeline in steps, beside its state

    The source needs `window` in the project file. Each step is a run of its own, in order. Steps that have succeeded
    are noted beside the states, so that the same command resumes behind them, and a longer range reads only what is
    missing. The first failure ends it. The saved state of the pipeline is neither used nor changed.

    Dates are in UTC. Months, weeks (from Monday), days and hours are those of the calendar.

    Example: tapdock backfill demo --from 2026-01-01 --to 2026-07-01 --by month

    Example: tapdock backfill demo --status
    """
    session = shared(ctx)
    view = view_of(session, verbose=verbose, quiet=quiet, table=not as_json)
    result = Backfilled()
    try:
        wanted = _pipeline(session, blocks)
        if status:
            _print_status(session, wanted, as_json=as_json)
            return
        if from_ is None or to is None:
            raise UsageError(
                "a backfill needs `--from` and `--to`", hint="for example `--from 2026-01-01 --to 2026-07-01`"
            )
        words = ["tapdock", "backfill", *blocks, "--from", from_, "--to", to, "--by", by]
        words += [word for each in select or () for word in ("--select", each)]
        words += [word for each in exclude or () for word in ("--exclude", each)]
        asked = Range(window=Window.of(from_, to), by=parse_by(by), again=again, command=shlex.join(words))
        options = Options(
            select=(*(select or ()), *(f"!{pattern.removeprefix('!')}" for pattern in exclude or ())),
            strict_counts=strict_counts,
        )
        if wanted.tasks and not quiet:
            said(f"note: a backfill does not run the tasks in `before` and `after` of `{wanted.name}`")
        code = _run(session, wanted, options, asked, view=view, result=result, locked=locked)
    except (TapdockError, Interrupted) as error:
        if as_json:
            print_json(_facts(session, result, error.exit_code, error))
        raise
    except Exception as error:
        if as_json:
            print_json(_facts(session, result, 1, unforeseen(error)))
        raise
    if as_json:
        print_json(_facts(session, result, code, None))
    else:
        _print_result(wanted, asked, result, code)
    raise typer.Exit(code)


def _pipeline(session: Session, blocks: list[str]) -> Pipeline:
    found = parse_blocks(session.project, blocks)
    if len(found) == 1 and isinstance(found[0], Pipeline):
        return found[0]
    if len(found) == 1 and isinstance(found[0], RowsBlock) and len(blocks) == 1:
        row = named_pipeline(session.project, blocks[0])
        assert row is not None, "the name of a matrix, or of a row of one"
        return row
    raise UsageError(
        "a backfill is of one pipeline, or of one row of a matrix, or of a source and a target",
        hint="`tapdock list` lists them",
    )


def _run(
    session: Session, wanted: Pipeline, options: Options, asked: Range, *, view: View, result: Backfilled, locked: bool
) -> int:
    """Run the steps, and return the exit code."""
    screen = Screen()
    with Signals(screen.say) as signals:
        operations = operations_of(session, signals, locked=locked, quiet=not view.progress).of(wanted)
        for name, reason in operations.engine.sweep().kept:
            said(not_removed(name, reason))

        def perform(step: Options, number: str) -> RunRecord:
            if view.progress:
                said(f"{wanted.name}: {number}: {step.window}")
            with Display(wanted.name, view, screen, colour=session.colour) as display:
                named = msgspec.structs.replace(operations, progress=display.say)
                done = attempts.run(named, wanted, step, make_log=display.log, show=display.progress)
                with signals.orders(queue.SimpleQueue(), doing="printing the result of the run"):
                    display.ended(done)
            return done

        with suppress(Interrupted):  # between two steps; `signals.code` has the exit code
            run_steps(operations, wanted, options, asked, perform=perform, result=result)
    return next((each.exit_code for each in result.records if each.exit_code), None) or signals.code or 0


def _facts(session: Session, result: Backfilled, code: int, error: TapdockError | Interrupted | None) -> dict[str, Any]:
    told = None
    if error:
        message, hint = session.redacted(error.message), error.hint and session.redacted(error.hint)
        told = ErrorRecord(side=error.side, message=message, hint=hint, retryable=error.retryable)
    return {
        "exit_code": code,
        "error": msgspec.to_builtins(told),
        "steps": result.total,
        "done": result.done,
        "runs": [msgspec.to_builtins(each) for each in result.records],
    }


def _print_result(wanted: Pipeline, asked: Range, result: Backfilled, code: int) -> None:
    ran = sum(not each.exit_code for each in result.records)
    before = "" if ran == result.done else f", {result.done - ran:,} of them before"
    line = f"{wanted.name}: {result.done:,} of {result.total:,} steps are done{before}"
    if not result.total:
        line = f"{wanted.name}: stopped before the first step"
    if code == 0:
        out(one_line(line))
    else:
        failed(one_line(line), f"`{asked.command}` continues with the next one")


def _print_status(session: Session, wanted: Pipeline, *, as_json: bool) -> None:
    key = backfills.key_of(wanted.name, session.project.environment)
    progress, holder = backfills.read(session.backend, key), session.backend.holder(backfills.PREFIX + key)
    if as_json:
        streams = {
            name: [{"from": start, "to": end} for start, end in windows] for name, windows in progress.streams.items()
        }
        held = msgspec.to_builtins(holder) if holder else None
        print_json({"key": key, "saved_at": progress.saved_at or None, "held_by": held, "streams": streams})
        return
    rows = [(name, *window) for name, windows in progress.streams.items() for window in windows]
    if rows:
        print_table(("STREAM", "FROM", "TO"), rows)
    else:
        out(f"no step of a backfill of {wanted.name} was read yet")
    if holder:
        out(f"a backfill is running since {holder.since} (process {holder.pid} on {holder.host})")
