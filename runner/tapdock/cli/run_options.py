"""Which options and blocks of `tapdock run` can be used together, and how much of a run is printed."""

import shlex

import typer

from tapdock.cli.display import View
from tapdock.cli.session import Session
from tapdock.errors import UsageError
from tapdock.project.model import Pipeline
from tapdock.project.schedules import REFUSED
from tapdock.runs.given import Part
from tapdock.runs.options import Options
from tapdock.runs.scheduled import MARK, marked
from tapdock.runs.steps import InOrder, JobStep, Node, RowsStep, Step, Together, steps_of

__all__ = ["require_fitting", "require_for_schedule", "require_for_steps", "require_spoolable", "view_of"]


def view_of(session: Session, *, verbose: bool, quiet: bool, table: bool) -> View:
    """Return how much of a run is printed. Raises UsageError for options that exclude each other."""
    if verbose and quiet:
        raise UsageError("`--verbose` and `--quiet` exclude each other")
    return View(
        log_format=session.log_format,
        level="warning" if quiet else session.log_level or "info",
        lines="info" if verbose else session.log_level or ("info" if session.log_format == "json" else "warning"),
        progress=not quiet,
        table=table,
    )


def require_for_schedule(ctx: typer.Context, session: Session) -> None:
    """Raise UsageError if a variable sets an option that a schedule cannot have: the run would be a plan, or a window.

    A schedule's own `options` are checked when the project is loaded.
    """
    name, _ = marked(session.environ.get(MARK))
    sources = {param.name: max(param.opts, key=len) for param in ctx.command.params if name}
    for parameter, option in sources.items():
        source = ctx.get_parameter_source(parameter) if parameter else None
        if option in REFUSED and option != "--json" and source and source.name == "DEFAULT_MAP":
            variable = f"TAPDOCK_RUN_{option[2:].replace('-', '_').upper()}"
            if ctx.params.get(parameter or ""):
                raise UsageError(f"{variable} sets `{option}`, which a schedule cannot have", hint=REFUSED[option])


def require_fitting(options: Options, *, dry_run: bool, dump: Part | None) -> None:
    """Raise UsageError for options of which one would have no effect."""
    pairs = {
        "`--state` and `--full-refresh`": options.state is not None and options.full_refresh,
        "`--catalog` and `--refresh-catalog`": options.catalog is not None and options.refresh_catalog,
        "`--dump` and `--dry-run`": dump and dry_run,
        "`--dump` and `--limit`": dump and options.limit is not None,
    }
    if found := next((pair for pair, given in pairs.items() if given), None):
        raise UsageError(f"{found} exclude each other")


def require_spoolable(options: Options, *, to: str | None, from_: str | None, other: bool) -> None:
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
        hint = "for a window, write both as dates: `2026-01-01`" if found == "`--from`" else hint
        raise UsageError(f"`{name}` cannot be used together with {found}", hint=hint)


def require_for_steps(node: InOrder | Together, options: Options, *, dump: Part | None) -> None:
    """Raise UsageError for options that do not apply to these steps: to jobs, or to commands of tasks alone."""
    blocks = node.members
    needs_one = dump or options.catalog is not None or options.state is not None
    single = blocks[0].members if len(blocks) == 1 and isinstance(blocks[0], RowsStep) else blocks
    if needs_one and not (len(single) == 1 and _is_pipeline(single[0])):
        raise UsageError("`--dump`, `--catalog` and `--state` need a single pipeline, or a source and a target")
    pipelines = [step for step in steps_of(node) if _is_pipeline(step)]
    jobs = [each for each in blocks if isinstance(each, JobStep)]
    if options.select and jobs and len(pipelines) > 1:
        raise UsageError(
            f"job `{jobs[0].name}` runs {len(pipelines)} pipelines; `--select` and `--exclude` choose streams of one",
            hint=f"run the pipeline alone: `tapdock run {shlex.quote(pipelines[0].name)}`",
        )
    given = {
        "`--full-refresh`": options.full_refresh,
        "`--no-state-update`": not options.save_state,
        "`--select` or `--exclude`": bool(options.select),
        "`--limit`": options.limit is not None,
        "`--accept-schema-changes`": options.accept_schema_changes,
        "`--strict-counts`": options.strict_counts,
    }
    if any(isinstance(each, RowsStep) for each in blocks):
        return  # a matrix may have no rows
    if not pipelines and (found := next((option for option, is_given in given.items() if is_given), None)):
        raise UsageError(f"{found} has no effect: no pipeline is run", hint="leave it out")


def _is_pipeline(node: Node) -> bool:
    return isinstance(node, Step) and isinstance(node.block, Pipeline)
