"""`tapdock run`: run pipelines, show their progress and print their records."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import not_removed, operations_of, said
from tapdock.cli.display import Display, Screen, View
from tapdock.cli.observing import observe
from tapdock.cli.plans import own_file, show_given, show_plans
from tapdock.cli.session import Session, shared
from tapdock.cli.spools import blocks_of, not_started, options_of_batches, read_batches, read_into
from tapdock.connectors.context import Context as Operations
from tapdock.errors import Interrupted, TapdockError, UsageError, unforeseen
from tapdock.project.blocks import parse_blocks, pipelines_of
from tapdock.project.model import Pipeline, Project
from tapdock.relay.signals import Signals
from tapdock.runs import attempts
from tapdock.runs.given import Part
from tapdock.runs.prepare import Options, prepare
from tapdock.runs.records import ErrorRecord, RunRecord
from tapdock.runs.replaced_rows import require_own_rows
from tapdock.runs.replay import require_all_spooled
from tapdock.runs.spool_files import Batch
from tapdock.text.output import print_json, print_table

__all__ = ["run"]


def run(
    ctx: typer.Context,
    blocks: Annotated[list[str] | None, typer.Argument(help="Pipelines, or a source followed by a target.")] = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Read every stream from its beginning.")] = False,
    no_state_update: Annotated[bool, typer.Option("--no-state-update", help="Do not change the saved state.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(help="Read only this of what the project selects: `users.*`, `users.email`; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out this of what the project selects: `users.email`; repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Write at most N records of each stream.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DIR", help="Read a source into files in this folder: a spool.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DIR", help="Run the files of a spool into a target.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what a run would read, and stop.")] = False,
    dump: Annotated[
        Part | None, typer.Option(help="Print what each side would be given, with secrets masked, and stop.")
    ] = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="FILE", help="Use this file, as `discover --json` prints it, not discovery.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="FILE", help="Start from this state, as `state get` prints it; save none.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run's record as one JSON object.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="How many blocks run at the same time.")] = 1,
    refresh_catalog: Annotated[
        bool, typer.Option("--refresh-catalog", help="Discover the source's streams again.")
    ] = False,
    accept: Annotated[bool, typer.Option("--accept-schema-changes", help="Read what the source offers now.")] = False,
    strict_counts: Annotated[
        bool, typer.Option("--strict-counts", help="Fail if a connector's counts of records differ from tapdock's.")
    ] = False,
    locked: Annotated[bool, typer.Option("--locked", help="Refuse images other than those in tapdock.lock.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the INFO lines of connectors as well.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only warnings, errors and the result.")] = False,
) -> None:
    """Run pipelines, or sources into targets, one after the other

    tapdock saves the states that the target acknowledged, and the next run resumes from the last one. If a block fails,
    the following blocks do not start. Without arguments, the pipelines of the project are listed.

    Of the connectors' own log lines, only warnings and errors are printed. The run's log has all lines; if a run fails,
    the last ones of the side that failed are printed too. With `--log-format json`, INFO lines are always printed,
    except with `--quiet`.

    Example: tapdock run demo

    With `--state FILE`, the saved state is not changed: after a later run, rows may be in the target twice, but none is
    missing. `--dump` prints the config, the catalog or the state for each side, or the messages for the target, made of
    the first 100 records. It starts the source for discovery and for `messages`, and never the target.

    With `--limit N`, at most N records of each stream are written, and then the source is stopped. Only states that
    cover no record beyond the limit are saved, so a later run misses none. Streams that overwrite are refused.

    With `--to DIR`, a source is read into files, from where the files end. `--from DIR` runs them into a target, as
    often as you like. If the saved state is at the end of a batch of files, only later batches are run.

    Example: tapdock run faker --to spool

    Example: tapdock run --from spool lake

    Example: tapdock run faker lake --select 'users.*' --json

    Example: tapdock run demo --dump catalog
    """
    options = Options(
        full_refresh=full_refresh,
        save_state=not no_state_update and state is None,
        select=(*(select or ()), *(f"!{pattern.removeprefix('!')}" for pattern in exclude or ())),
        refresh_catalog=refresh_catalog,
        strict_counts=strict_counts,
        accept_schema_changes=accept,
        catalog=own_file(catalog),
        state=own_file(state),
        limit=limit,
        scheduled=shared(ctx).environ.get("TAPDOCK_SCHEDULED"),
    )
    if verbose and quiet:
        raise UsageError("`--verbose` and `--quiet` exclude each other")
    _require_fitting(options, dry_run=dry_run, dump=dump)
    _require_spoolable(options, to=to, from_=from_, other=bool(dry_run or dump or concurrency > 1))
    session = shared(ctx)
    observe(ctx, session)
    view = View(
        log_format=session.log_format,
        level="warning" if quiet else session.log_level or "info",
        lines="info" if verbose else session.log_level or ("info" if session.log_format == "json" else "warning"),
        progress=not quiet,
        table=not as_json,
        several=concurrency > 1,
    )
    try:
        if to is not None:
            code = read_into(session, blocks or [], options, Path(to), as_json=as_json, locked=locked)
        else:
            code = _perform(
                session,
                blocks or [],
                options,
                batches=() if from_ is None else read_batches(Path(from_)),
                dry_run=dry_run,
                dump=dump,
                view=view,
                concurrency=concurrency,
                locked=locked,
            )
    except (TapdockError, Interrupted) as error:
        if as_json:
            print_json(_refusal(session, error))
        raise
    except Exception as error:
        if as_json:
            print_json(_refusal(session, unforeseen(error)))
        raise
    raise typer.Exit(code)


def _perform(
    session: Session,
    blocks: Sequence[str],
    options: Options,
    *,
    batches: Sequence[Batch],
    dry_run: bool,
    dump: Part | None,
    view: View,
    concurrency: int,
    locked: bool,
) -> int:
    as_json = not view.table
    if batches:
        blocks = blocks_of(session.project, batches, blocks)
    if not blocks:
        raise _nothing_named(session.project, as_json=as_json)
    pipelines = list(pipelines_of(parse_blocks(session.project, blocks)))
    if len(pipelines) > 1 and (dump or options.catalog is not None or options.state is not None):
        raise UsageError("`--dump`, `--catalog` and `--state` need a single pipeline, or a source and a target")
    records: list[RunRecord] = []
    screen = Screen()
    with Signals(screen.say) as signals:
        operations = operations_of(session, signals, locked=locked, quiet=not view.progress)
        require_own_rows(operations, pipelines, options, concurrent=concurrency > 1)
        if dry_run:
            plans = [prepare(operations, wanted, options) for wanted in pipelines]
            show_plans(operations, plans, options, as_json=as_json)
            return 0
        if dump:
            show_given(operations, prepare(operations, pipelines[0], options), options, dump)
            return 0
        for name, reason in operations.engine.sweep().kept:
            said(not_removed(name, reason))

        def show(wanted: Pipeline) -> Display:
            return Display(wanted.name, view, screen, colour=session.colour)

        chosen = options_of_batches(operations, pipelines[0], batches, options) if batches else [options]
        if batches:
            require_all_spooled(operations, pipelines[0], chosen)
        with suppress(Interrupted):  # between two blocks; `signals.code` has the exit code
            for each in chosen:
                _run_all(operations, pipelines, each, records, show=show, concurrency=concurrency)
    code = next((r.exit_code for r in records if r.exit_code), None) or signals.code or 0
    left = not_started(pipelines, chosen, records)
    if as_json:
        print_json(_as_json(records, code, left, blocks=len(pipelines) * len(chosen)))
    elif left:
        said(f"not started: {', '.join(left)}")
    return code


def _require_fitting(options: Options, *, dry_run: bool, dump: Part | None) -> None:
    """Raise UsageError for options of which one would have no effect."""
    pairs = {
        "`--state` and `--full-refresh`": options.state is not None and options.full_refresh,
        "`--catalog` and `--refresh-catalog`": options.catalog is not None and options.refresh_catalog,
        "`--dump` and `--dry-run`": dump and dry_run,
        "`--dump` and `--limit`": dump and options.limit is not None,
    }
    if found := next((pair for pair, given in pairs.items() if given), None):
        raise UsageError(f"{found} exclude each other")


def _require_spoolable(options: Options, *, to: str | None, from_: str | None, other: bool) -> None:
    """Raise UsageError for options that have no meaning together with `--to` or `--from`."""
    if to is None and from_ is None:
        return
    name = "--to" if to is not None else "--from"
    given = {
        "`--from`": to is not None and from_ is not None,
        "`--limit`": options.limit is not None,
        "`--catalog`": options.catalog is not None,
        "`--state`": options.state is not None,
        "`--full-refresh`": to is not None and options.full_refresh,
        "`--no-state-update`": to is not None and not options.save_state,
        "`--strict-counts`": to is not None and options.strict_counts,
        "`--accept-schema-changes`": to is not None and options.accept_schema_changes,
        "`--refresh-catalog`": from_ is not None and options.refresh_catalog,
        "`--dry-run`, `--dump` or `--concurrency`": other,
    }
    if found := next((option for option, is_given in given.items() if is_given), None):
        hint = "name a new folder to read everything again" if "full" in found else None
        raise UsageError(f"`{name}` cannot be used together with {found}", hint=hint)


def _nothing_named(project: Project, *, as_json: bool) -> UsageError:
    """List the pipelines. Return the error for a call without any: a script with an empty variable must not succeed."""
    if not as_json and project.pipelines:
        rows = [[name, each.source, each.target] for name, each in project.pipelines.items()]
        print_table(["pipeline", "source", "target"], rows)
    first = next(iter(project.pipelines), "SOURCE TARGET")
    return UsageError("name what to run: pipelines, or a source and a target", hint=f"`tapdock run {first}`")


def _run_all(
    operations: Operations,
    pipelines: Sequence[Pipeline],
    options: Options,
    records: list[RunRecord],
    *,
    show: Callable[[Pipeline], Display],
    concurrency: int,
) -> None:
    """Run the pipelines in order and append to `records`. After a failure or a signal, no further block starts."""

    def one(wanted: Pipeline) -> RunRecord | None:
        if operations.signals.code or any(known.exit_code for known in records):
            return None
        with show(wanted) as display:
            named = replace(operations, progress=display.say)
            done = attempts.run(named, wanted, options, make_log=display.log, show=display.progress)
            records.append(done)
            over = "printing the result of the run"
            with operations.signals.orders(queue.SimpleQueue(), doing=over):  # a signal must not interrupt it
                display.ended(done)
        return done

    if concurrency == 1:
        for wanted in pipelines:
            one(wanted)
    else:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(one, pipelines))


def _refusal(session: Session, error: TapdockError | Interrupted) -> Any:
    """Return what `--json` prints if no run started, so that there is no record."""
    message, hint = session.redacted(error.message), error.hint and session.redacted(error.hint)
    told = ErrorRecord(side=error.side, message=message, hint=hint, retryable=error.retryable)
    return {"status": "failed", "exit_code": error.exit_code, "error": msgspec.to_builtins(told)}


def _as_json(records: Sequence[RunRecord], code: int, left: Sequence[str], *, blocks: int) -> Any:
    """Return the record of a single block, or one object with the records of all blocks, and names of those `left`."""
    if blocks == 1 and records:
        return msgspec.to_builtins(records[0])
    return {"exit_code": code, "runs": [msgspec.to_builtins(done) for done in records], "not_started": list(left)}
