"""`tapdock elt` and `el`: Meltano's commands for one pair of a source and a target, as `tapdock run` performs it."""

import inspect
from typing import Annotated, Any, Literal, get_args

import typer

from tapdock.cli.assembly import said
from tapdock.cli.run import run
from tapdock.cli.session import Session, shared
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.state_keys import key_of, state_key
from tapdock.runs.given import Part

__all__ = ["elt"]

_CONFIGS = ("extractor-config", "loader-config")


def elt(
    ctx: typer.Context,
    extractor: Annotated[str, typer.Argument(help="A source of the project.")],
    loader: Annotated[str, typer.Argument(help="A target of the project.")],
    *,
    state_id: Annotated[
        str | None,
        typer.Option(
            "--state-id", "--job_id", envvar="MELTANO_STATE_ID", help="The state of the pair, or of a pipeline."
        ),
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", help="Read only this of what the project selects; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-e", help="Leave out this of what the project selects; repeatable."),
    ] = None,
    dump: Annotated[
        Literal["config", "catalog", "state", "messages", "extractor-config", "loader-config"] | None,
        typer.Option(help="Print what each side would be given, with secrets masked, and stop."),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry", help="The same as `--dry-run`.")] = False,
    transform: Annotated[
        Literal["skip", "run", "only"], typer.Option(help="Only `skip` is possible: a task transforms.")
    ] = "skip",
    force: Annotated[bool, typer.Option("--force", "-f", help="Refused: a state has one run at a time.")] = False,
    **options: Any,
) -> None:
    """Run a source into a target, with the options of `meltano elt`

    The options are those of `tapdock run`, and those of Meltano that mean something here. Without `--state-id`, the run
    resumes from the state of the pair; Meltano would start from scratch. `--state-id` names the state of the pair, such
    as `prod:faker-to-lake`, or the `state_id` of a pipeline with this source and this target.

    Example: tapdock elt faker lake --full-refresh

    Example: tapdock el faker lake --dump extractor-config
    """
    if transform != "skip":
        hint = "make it a task, and name its command after the pair: `tapdock run SOURCE TARGET dbt:build`"
        raise UsageError(f"`--transform {transform}` has no meaning here: tapdock has no transforms", hint=hint)
    if force:
        hint = (
            "`tapdock state show NAME` shows which run holds it, and `tapdock state unlock NAME` releases a dead run's"
        )
        raise UsageError("`--force` is refused: two runs with one state would lose or repeat rows", hint=hint)
    session = shared(ctx)
    blocks = _blocks(session, extractor, loader, state_id)
    if state_id is None and not (options["full_refresh"] or options["quiet"] or options["as_json"]):
        said("note: without `--state-id`, this run uses the state of the pair; `--full-refresh` starts from scratch")
    part: Part | None = "config" if dump in _CONFIGS else next((each for each in get_args(Part) if each == dump), None)
    options["dry_run"] = options["dry_run"] or dry
    run(ctx, blocks, select=select, exclude=exclude, dump=part, **options)


def _blocks(session: Session, source: str, target: str, state_id: str | None) -> list[str]:
    """Return what to run: the pair, or the pipeline with this state. Raises UsageError."""
    project = session.project
    for role, name, known in (("source", source, project.sources), ("target", target, project.targets)):
        if name not in known:
            hint = did_you_mean(name, known) or f"{role}s: {', '.join(known) or 'none yet'}"
            raise UsageError(f"there is no {role} `{name}` in {project.file.name}", hint=hint)
    if state_id in (None, state_key(source, target, environment=project.environment)):
        return [source, target]
    for pipeline in project.pipelines.values():
        if (pipeline.source, pipeline.target) == (source, target) and key_of(pipeline, project.environment) == state_id:
            return [pipeline.name]
    hint = f"add a pipeline that has it: `NAME: {{source: {source}, target: {target}, state_id: {state_id}}}`"
    raise UsageError(f"no pipeline of `{source}` and `{target}` has the state `{state_id}`", hint=hint)


def _with_options_of_run() -> None:
    """Give the command all options of `run` that it does not define itself."""
    own = inspect.signature(elt)
    kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    names = {each.name for each in kept} | {"blocks"}
    more = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(run).parameters.values()
        if each.name not in names
    ]
    elt.__signature__ = own.replace(parameters=[*kept, *more])  # type: ignore[attr-defined]
    elt.__annotations__ |= {each.name: each.annotation for each in more}


_with_options_of_run()
