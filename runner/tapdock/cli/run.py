"""`tapdock run`: run pipelines, commands of tasks and jobs, show their progress and print their records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tapdock.cli.assembly import not_removed, operations_of, said
from tapdock.cli.display import Display, Screen, View
from tapdock.cli.observing import observe, observe_end
from tapdock.cli.plans import own_file, planned, show_given, show_plans
from tapdock.cli.run_options import (
    require_fitting,
    require_for_schedule,
    require_for_steps,
    require_spoolable,
    view_of,
)
from tapdock.cli.run_result import nothing_named, refusal, show_ended, show_steps
from tapdock.cli.session import Session, shared
from tapdock.cli.spools import blocks_of, options_of_batches, read_batches, read_into, without_hooks
from tapdock.cli.windows import with_window
from tapdock.connectors.context import Context as Operations
from tapdock.errors import Interrupted, TapdockError, unforeseen
from tapdock.project.blocks import TaskBlock, parse_blocks
from tapdock.project.model import Pipeline
from tapdock.relay.signals import Signals
from tapdock.runs.acts import RealActs
from tapdock.runs.given import Part
from tapdock.runs.job_notify import require_notifiable_jobs
from tapdock.runs.jobs import perform
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun, require_windows
from tapdock.runs.replaced_rows import require_own_rows
from tapdock.runs.replay import require_all_spooled
from tapdock.runs.spool_files import Batch
from tapdock.runs.steps import (
    AT_ONCE,
    Node,
    Order,
    at_once,
    pipelines_in,
    require_own_states,
    steps_of,
    together,
    tree_of,
)
from tapdock.text.output import print_json

__all__ = ["run"]


def run(
    ctx: typer.Context,
    blocks: Annotated[
        list[str] | None, typer.Argument(help="Pipelines, jobs, `TASK:COMMAND`, or a source followed by a target.")
    ] = None,
    full_refresh: Annotated[
        bool,
        typer.Option("--full-refresh", help="Remove the saved state first, and read every stream from its beginning."),
    ] = False,
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
        str | None, typer.Option("--to", metavar="DIR|DATE", help="A spool to write, or the end of a window.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DIR|DATE", help="A spool to run, or the start of a window.")
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
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="How many blocks run at the same time; in groups of jobs, 4.")
    ] = None,
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
    the following blocks do not start. Without arguments, the pipelines and jobs of the project are listed.

    A job runs its steps, and its groups at most four at a time, or as many as `--concurrency` says. A step that fails
    stops what follows it in its own sequence only.

    Of the connectors' own log lines, only warnings and errors are printed. The run's log has all lines; if a run fails,
    the last ones of the side that failed are printed too. With `--log-format json`, INFO lines are always printed,
    except with `--quiet`.

    Example: tapdock run demo

    With `--state FILE`, the saved state is not changed: after a later run, rows may be in the target twice, but none is
    missing. `--dump` prints the config, the catalog or the state for each side, or the messages for the target, made of
    the first 100 records. It starts the source for discovery and for `messages`, and never the target.

    With `--limit N`, at most N records of each stream are written, and then the source is stopped. Only states that
    cover no record beyond the limit are saved, so a later run misses none. Streams that overwrite are refused.

    With `--to DIR`, a source is read into files (a spool), from where the files end. `--from DIR` runs them into a
    target, as often as you like. If the saved state is at the end of a batch of files, only later batches are run.

    With two dates or times (`--from 2026-01-01 --to 2026-02-01`, UTC), only this window of the source is read, without
    the end, and the saved state is neither used nor changed. A folder with the name of a date is `./2026-01-01`.

    Example: tapdock run faker --to spool

    Example: tapdock run --from spool lake

    Example: tapdock run demo --dump catalog
    """
    session = shared(ctx)
    require_for_schedule(ctx, session)
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
    )
    options, to, from_ = with_window(options, to=to, from_=from_)
    require_fitting(options, dry_run=dry_run, dump=dump)
    require_spoolable(options, to=to, from_=from_, other=bool(dry_run or dump or (concurrency or 1) > 1))
    observe(ctx, session)
    view = view_of(session, verbose=verbose, quiet=quiet, table=not as_json)
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
            print_json(refusal(session, error))
        raise
    except Exception as error:
        if as_json:
            print_json(refusal(session, unforeseen(error)))
        raise
    observe_end(session, code)
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
    concurrency: int | None,
    locked: bool,
) -> int:
    as_json = not view.table
    if batches:
        blocks = blocks_of(session.project, batches, blocks)
    if not blocks:
        raise nothing_named(session.project, as_json=as_json)
    order: Order = "at once" if (concurrency or 1) > 1 else "in order"
    tree = tree_of(session.project, parse_blocks(session.project, blocks), order=order)
    require_for_steps(tree, options, dump=dump)
    limit = concurrency or AT_ONCE
    pairs = list(together(tree, limit))
    require_own_states(session.project, pairs)
    pipelines = pipelines_in(tree)
    screen, shown = Screen(), msgspec.structs.replace(view, several=bool(pairs) or order == "at once")
    with Signals(screen.say) as signals:
        operations = operations_of(session, signals, locked=locked, quiet=not view.progress)
        require_own_rows(operations, pipelines, options, at_once=at_once(pairs))
        if dry_run:
            _show_plans(operations, tree, options, as_json=as_json)
            return 0
        if dump:
            show_given(operations.of(pipelines[0]), planned(operations, pipelines[0], options), options, dump)
            return 0
        if options.window:
            require_windows(operations, pipelines, options)
        require_notifiable_jobs(tree)
        for name, reason in operations.engine.sweep().kept:
            said(not_removed(name, reason))
        chosen: dict[str, Options] = {}
        if batches:
            each = options_of_batches(operations, pipelines[0], batches, options)
            require_all_spooled(operations, pipelines[0], each)
            tree = without_hooks(pipelines[0], len(each))
            chosen = {step.place: its for step, its in zip(steps_of(tree), each, strict=True)}
        acts = RealActs(
            operations,
            lambda step: chosen.get(step.place, options),
            lambda name: Display(name, shown, screen, colour=session.colour),
        )
        ended = perform(tree, acts, limit=limit, received=signals)
    show_ended(session, tree, ended, chosen, as_json=as_json)
    return ended.exit_code


def _show_plans(operations: Operations, tree: Node, options: Options, *, as_json: bool) -> None:
    """Show what each pipeline would do. Raises the first error, after the plans of the other rows of a matrix."""
    plans, refused = _plans(operations, pipelines_in(tree), options)
    if refused and as_json:
        raise refused[0]
    show_steps(tree, as_json=as_json)
    tasks = [step.block for step in steps_of(tree) if isinstance(step.block, TaskBlock)]
    show_plans(operations, plans, options, as_json=as_json, tasks=tasks)
    for error in refused[1:]:
        said(f"error: {operations.message(error.message)}")
    if refused:
        raise refused[0]


def _plans(
    operations: Operations, pipelines: Sequence[Pipeline], options: Options
) -> tuple[list[PreparedRun], list[TapdockError]]:
    """Return the plans, and the errors of rows of a matrix, which do not stop the others. Each error names its row."""
    plans: list[PreparedRun] = []
    refused: list[TapdockError] = []
    for wanted in pipelines:
        try:
            plans.append(planned(operations, wanted, options))
        except TapdockError as error:
            if not wanted.row:
                raise
            error.message = f"{wanted.name}: {error.message}"
            refused.append(error)
    return plans, refused
