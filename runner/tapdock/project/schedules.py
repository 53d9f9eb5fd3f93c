"""Read the entries under `schedules:`, and what they run. Mistakes are reported with their place."""

from collections.abc import Collection, Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.blocks import parse_blocks
from tapdock.project.connectors import variables
from tapdock.project.cron import BadCron, require_cron, require_zone
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.keys import SCHEDULE, names
from tapdock.project.layers import Layer, cut, dotted
from tapdock.project.model import Pipeline, Project
from tapdock.project.steps import Schedule

__all__ = ["FLAGS", "REFUSED", "VALUES", "is_one_pipeline", "names_by_environment", "require_runnable", "schedule"]

_INSTEAD = {
    "interval": "write `cron`",
    "schedule": "write `cron`",
    "job": "write `run`",
    "pipeline": "write `run`",
    "extractor": "write `run: SOURCE TARGET`",
    "loader": "write `run: SOURCE TARGET`",
    "tz": "write `timezone`",
    "time_zone": "write `timezone`",
}
FLAGS = (
    "--full-refresh", "--no-state-update", "--refresh-catalog", "--accept-schema-changes", "--strict-counts",
    "--locked", "--verbose", "--quiet",
)  # fmt: skip
VALUES = ("--select", "--exclude", "--limit", "--concurrency", "--log-format", "--log-level")
"""The options of `tapdock run` that a schedule may have: without and with a value."""
REFUSED = {
    "--environment": "write `environment`",
    "--project": "a schedule runs in its own project",
    "--env-file": "give it to `tapdock schedule` itself",
    "--json": "`tapdock runs show` has the record of each run",
    "--dry-run": "a schedule runs; try it with `tapdock run --dry-run`",
    "--dump": "a schedule runs; try it with `tapdock run --dump`",
    "--state": "a schedule resumes from the saved state",
    "--catalog": "commit the catalog: `discovery: committed`",
    "--from": "run it by hand",
    "--to": "run it by hand",
}
_NUMBERS = ("--limit", "--concurrency")


def schedule(field: Field, environments: Collection[str]) -> Schedule:
    """Return a schedule. `environments` are those of the project file. What it runs is not looked up yet."""
    keys = field.keys(names(SCHEDULE), instead=_INSTEAD)
    for name, example in (("run", "`run: demo`"), ("cron", '`cron: "0 3 * * *"` or `cron: "@daily"`')):
        if name not in keys:
            raise field.error(f"has no `{name}`", hint=f"for example {example}")
    given: dict[str, Any] = {}
    for name in ("jitter", "catch_up", "enabled"):
        if name in keys:
            given[name] = keys[name].duration() if name == "jitter" else keys[name].flag()
    if "environment" in keys:
        given["environment"] = _environment(keys["environment"], environments)
    return Schedule(
        name=str(field.path[-1]),
        run=_run(keys["run"]),
        cron=_cron(keys["cron"]),
        timezone=_zone(keys["timezone"]) if "timezone" in keys else "UTC",
        options=_options(keys["options"]) if "options" in keys else (),
        env=variables(keys["env"]) if "env" in keys else {},
        **given,
    )


def names_by_environment(layer: Layer) -> dict[str, set[str]]:
    """Return the names of what can run that the block of each environment defines, by environment."""
    blocks = cut(layer, ("environments",))
    groups = ("sources", "mappers", "targets", "pipelines", "tasks", "jobs")
    return {name: {each for group in groups for each in cut(blocks, (name, group)).tree} for name in blocks.tree}


def _run(field: Field) -> tuple[str, ...]:
    words = field.words()
    if not words:
        raise field.error("is empty", hint="name what runs: a pipeline, a job, or a source and a target")
    if words[:2] == ("tapdock", "run"):
        raise field.error("begins with `tapdock run`", hint=f"write only `{' '.join(words[2:])}`")
    if option := next((word for word in words if word.startswith("-")), None):
        raise field.error(f"has the option `{option}`", hint=f'write it under `options: ["{option}"]`')
    return words


def _cron(field: Field) -> str:
    text = " ".join(field.text().split())
    try:
        require_cron(text)
    except BadCron as bad:
        raise field.error(f"is `{text}`, which {bad.problem}", hint=bad.hint) from None
    return text


def _zone(field: Field) -> str:
    text = field.text()
    try:
        require_zone(text)
    except BadCron as bad:
        raise field.error(f"is `{text}`, which {bad.problem}", hint=bad.hint) from None
    return text


def _environment(field: Field, environments: Collection[str]) -> str:
    name = field.text()
    if name not in environments:
        hint = did_you_mean(name, environments) or f"known: {', '.join(environments) or 'none'}"
        raise field.error(f"is `{name}`, but there is no such environment", hint=hint)
    return name


def _options(field: Field) -> tuple[str, ...]:
    words = field.words()
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in REFUSED:
            raise field.error(f"has `{name}`, which a schedule cannot have", hint=REFUSED[name])
        if name not in (*FLAGS, *VALUES):
            known = (*FLAGS, *VALUES)
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise field.error(f"has `{word}`, which is not an option of `tapdock run`", hint=hint)
        if name in FLAGS:
            if equals:
                raise field.error(f"has `{word}`, but `{name}` takes no value", hint=f"write `{name}`")
            continue
        if not equals:
            if not left:
                raise field.error(f"has `{name}` without a value", hint=f'for example `["{name}", "10"]`')
            value = left.pop(0)
        if name in _NUMBERS and not (value.isdecimal() and int(value) > 0):
            raise field.error(f"has `{name} {value}`, which is not a number", hint=f'for example `["{name}", "10"]`')
    return words


def is_one_pipeline(project: Project, schedule: Schedule) -> bool:
    """Return True for a schedule whose exit code 7 means that nothing has run, because another run holds the state.

    A job may have run a part of its steps, or another step may have failed. For a task, 7 is a code of its program.
    """
    try:
        blocks = parse_blocks(project, schedule.run)
    except UsageError:
        return False
    return len(blocks) == 1 and isinstance(blocks[0], Pipeline)


def require_runnable(
    project: Project, fields: Mapping[str, Field], elsewhere: Mapping[str, Collection[str]] | None = None
) -> None:
    """Raise UsageError, with its place, if a schedule names what does not exist.

    `elsewhere` has names that are defined only in an environment, by environment. A schedule of that environment which
    uses them is looked up there, when it is listed or run.
    """
    for schedule in project.schedules.values():
        try:
            parse_blocks(project, schedule.run)
        except UsageError as error:
            names = (elsewhere or {}).get(schedule.environment or "", ())
            if schedule.environment != project.environment and any(
                word.partition(":")[0] in names for word in schedule.run
            ):
                continue
            field = fields[schedule.name]
            place = f"{field.origin}: `{dotted((*field.path, 'run'))}`"
            raise UsageError(f"{place}: {error.message}", hint=error.hint) from None
