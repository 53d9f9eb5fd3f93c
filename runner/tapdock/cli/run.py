"""`tapdock run`: run pipelines, show their progress and print their records."""

import queue
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import not_removed, operations_of, said
from tapdock.cli.display import Display, Screen, View
from tapdock.cli.session import Session, shared
from tapdock.connectors.about import about
from tapdock.connectors.context import Context as Operations
from tapdock.connectors.paths import unmounted
from tapdock.errors import Interrupted, TapdockError, UsageError, unforeseen
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Pipeline, Project
from tapdock.relay.signals import Signals
from tapdock.runs import attempts
from tapdock.runs.prepare import Options, PreparedRun, added_fields, prepare
from tapdock.runs.records import ErrorRecord, RunRecord
from tapdock.runs.replaced_rows import require_own_rows
from tapdock.runs.schema_policy import report, require_accepted
from tapdock.runs.target_modes import target_mode
from tapdock.state.store import read
from tapdock.text.clean import one_line
from tapdock.text.output import out, print_json, print_table

__all__ = ["run"]

_MOST_LEFT = 20


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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what a run would read, and stop.")] = False,
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

    Example: tapdock run faker lake --select 'users.*' --json
    """
    options = Options(
        full_refresh=full_refresh,
        save_state=not no_state_update,
        select=(*(select or ()), *(f"!{pattern.removeprefix('!')}" for pattern in exclude or ())),
        refresh_catalog=refresh_catalog,
        strict_counts=strict_counts,
        accept_schema_changes=accept,
    )
    if verbose and quiet:
        raise UsageError("`--verbose` and `--quiet` exclude each other")
    session = shared(ctx)
    view = View(
        log_format=session.log_format,
        level="warning" if quiet else "info",
        lines="info" if verbose or session.log_format == "json" else "warning",
        progress=not quiet,
        table=not as_json,
        several=concurrency > 1,
    )
    try:
        code = _perform(
            session, blocks or [], options, dry_run=dry_run, view=view, concurrency=concurrency, locked=locked
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
    dry_run: bool,
    view: View,
    concurrency: int,
    locked: bool,
) -> int:
    as_json = not view.table
    if not blocks:
        raise _nothing_named(session.project, as_json=as_json)
    pipelines = parse_blocks(session.project, blocks)
    records: list[RunRecord] = []
    screen = Screen()
    with Signals(screen.say) as signals:
        operations = operations_of(session, signals, locked=locked, quiet=not view.progress)
        require_own_rows(operations, pipelines, options, concurrent=concurrency > 1)
        if dry_run:
            plans = [prepare(operations, wanted, options) for wanted in pipelines]
            _show_plans(operations, plans, as_json=as_json)
            return 0
        for name, reason in operations.engine.sweep().kept:
            said(not_removed(name, reason))

        def show(wanted: Pipeline) -> Display:
            return Display(wanted.name, view, screen, colour=session.colour)

        with suppress(Interrupted):  # between two blocks; `signals.code` has the exit code
            _run_all(operations, pipelines, options, records, show=show, concurrency=concurrency)
    code = next((r.exit_code for r in records if r.exit_code), None) or signals.code or 0
    left = list((Counter(wanted.name for wanted in pipelines) - Counter(done.pipeline for done in records)).elements())
    if as_json:
        print_json(_as_json(records, code, left, blocks=len(pipelines)))
    elif left:
        said(f"not started: {', '.join(left)}")
    return code


def _nothing_named(project: Project, *, as_json: bool) -> UsageError:
    """List the pipelines. Return the error for a call without any: a script with an empty variable must not succeed."""
    if not as_json and project.pipelines:
        rows = [[name, each.source, each.target] for name, each in project.pipelines.items()]
        print_table(["pipeline", "source", "target"], rows)
    first = next(iter(project.pipelines), "SOURCE TARGET")
    return UsageError("name what to run: pipelines, or a source and a target", hint=f"`tapdock run {first}`")


def parse_blocks(project: Project, words: Sequence[str]) -> list[Pipeline]:
    """Return the pipelines that the words name; a source followed by a target makes an unnamed pipeline.

    Raises UsageError for an unknown name and for a source or a target alone.
    """
    pipelines: list[Pipeline] = []
    left = list(words)
    while left:
        name = left.pop(0)
        if name in project.pipelines:
            pipelines.append(project.pipelines[name])
        elif name in project.sources:
            target = left.pop(0) if left else ""
            if target not in project.targets:
                raise _no_target(project, name, target)
            pipelines.append(Pipeline(name=f"{name}-to-{target}", source=name, target=target))
        else:
            raise _unknown(project, name)
    return pipelines


def _no_target(project: Project, source: str, word: str) -> UsageError:
    known = ", ".join(project.targets) or "none yet"
    what = f"`{word}` is not a target" if word else "must be followed by a target"
    return UsageError(
        f"`{source}` is a source, and {what}", hint=did_you_mean(word, project.targets) or f"targets: {known}"
    )


def _unknown(project: Project, name: str) -> UsageError:
    if name in project.targets:
        return UsageError(f"`{name}` is a target, and must follow a source", hint=f"`tapdock run SOURCE {name}`")
    known = [*project.pipelines, *project.sources, *project.targets]
    hint = did_you_mean(name, known) or f"known: {', '.join(known) or 'nothing yet'}"
    return UsageError(f"there is no pipeline, source or target `{name}` in {project.file.name}", hint=hint)


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


def _show_plans(operations: Operations, plans: Sequence[PreparedRun], *, as_json: bool) -> None:
    for plan in plans:
        require_accepted(operations.project, plan.pipeline, plan.schema)
    described = [
        _described(operations, plan, has_state=read(operations.backend, plan.state_id) is not None) for plan in plans
    ]
    if as_json:
        print_json(described[0] if len(described) == 1 else described)
        return
    for plan, facts in zip(plans, described, strict=True):
        state = "resuming from the saved state" if facts["has_state"] else "starting from scratch: no state is saved"
        out(f"{plan.pipeline.name}: {facts['source']} -> {facts['target']}; {plan.state_id}: {state}")
        rows = [
            (s["stream"], s["sync_mode"], s["destination_sync_mode"] or "set by the target", *_key_and_cursor(s))
            for s in facts["streams"]
        ]
        print_table(["stream", "sync mode", "destination", "key", "cursor"], rows)
        if left := [f"{s['stream']}.{name}" for s in facts["streams"] for name in s["excluded"]]:
            more = f" and {len(left) - _MOST_LEFT} more" if len(left) > _MOST_LEFT else ""
            out(one_line(f"not read: {', '.join(left[:_MOST_LEFT])}{more}"))
        for kind, found in report(plan.schema).items():
            out(one_line(f"schema changes since run {plan.schema.since}, {kind.replace('_', ' ')}: {found}"))
        if added := added_fields(plan.streams):
            out(one_line(f"read although not selected, because they are keys or cursors: {added}"))
        for each in facts["paths_without_mount"]:
            said(f"warning: `{each}` is a path in the container, and no mount covers it")


def _key_and_cursor(stream: dict[str, Any]) -> tuple[str, str]:
    return ", ".join(stream["key"]), ".".join(stream["cursor"])


def _described(operations: Operations, plan: PreparedRun, *, has_state: bool) -> dict[str, Any]:
    target = about(operations, plan.target)
    return {
        "pipeline": plan.pipeline.name,
        "source": plan.source.facts.image,
        "target": plan.target.facts.image,
        "state_id": plan.state_id,
        "has_state": has_state,
        "paths_without_mount": [
            each.place for ready in (plan.source, plan.target) for each in unmounted(operations.engine, ready.connector)
        ],
        "schema_changes": msgspec.to_builtins(plan.schema.changes),
        "streams": [
            {
                "stream": str(stream.stream.key),
                "sync_mode": stream.sync_mode,
                "destination_sync_mode": target_mode(plan, target, stream),
                "key": [".".join(path) for path in stream.primary_key],
                "cursor": list(stream.cursor_field),
                "excluded": list(stream.excluded),
                "added": list(stream.added),
            }
            for stream in plan.streams
        ],
    }
