"""Read the entries under `jobs:`, the hooks of pipelines and jobs, and the commands of tasks."""

from collections.abc import Mapping
from typing import Any

from tapdock.project.fields import Field
from tapdock.project.interpolate import Unset
from tapdock.project.keys import COMMAND, JOB, names
from tapdock.project.notify import notify
from tapdock.project.steps import After, Command, Job, Parallel, Step

__all__ = ["after", "commands", "job"]

_CASES = ("always", "success", "failure")


def job(field: Field) -> Job:
    """Return a job: a list of steps, or a mapping with them. Its names are not looked up yet."""
    if isinstance(field.value, list | str):
        return Job(name=str(field.path[-1]), steps=_steps(field))
    keys = field.keys(names(JOB), instead={"tasks": "write `steps`", "blocks": "write `steps`"})
    if "steps" not in keys:
        raise field.error("has no `steps`", hint="for example `steps: [demo, dbt:build]`")
    given = {key.name: keys[key.name].read(key) for key in JOB if key.name in keys and key.form in ("texts", "labels")}
    if "after" in keys:
        given["after"] = after(keys["after"])
    if "notify" in keys:
        given["notify"] = notify(keys["notify"])
    return Job(name=str(field.path[-1]), steps=_steps(keys["steps"]), **given)


def _steps(field: Field) -> tuple[Step, ...]:
    found = tuple(_step(item) for item in field.items())
    if not found:
        raise field.error("is empty", hint="name what runs: pipelines, `SOURCE TARGET` or `TASK:COMMAND`")
    return found


def _step(field: Field) -> Step:
    if not isinstance(field.value, dict):
        return " ".join(field.text().split())
    keys = field.keys(("parallel",))
    if "parallel" not in keys:
        raise field.error("is empty", hint="for example `{parallel: [shop, crm]}`")
    members = keys["parallel"].items()
    if not members:
        raise keys["parallel"].error("is empty", hint="for example `{parallel: [shop, crm]}`")
    return Parallel(tuple(_steps(item) if isinstance(item.value, list) else (_step(item),) for item in members))


def after(field: Field) -> After:
    """Return the commands that run after a pipeline or a job. A list runs in every case."""
    if not isinstance(field.value, dict):
        return After(always=field.texts())
    return After(**{name: inner.texts() for name, inner in field.keys(_CASES).items()})


def commands(field: Field) -> Mapping[str, Command]:
    """Return the commands of a task by name. Text or a list is arguments."""
    found: dict[str, Command] = {}
    for name, inner in field.entries().items():
        if unset := _unset(inner.value):
            found[name] = Command(args=(str(unset),), unset=unset)
            continue
        if not isinstance(inner.value, dict | None):
            found[name] = Command(args=inner.words())
            continue
        keys = inner.keys(names(COMMAND), instead={"description": "write a comment"})
        args = keys["args"].words() if "args" in keys else ()
        found[name] = Command(args=args, executable=keys["executable"].text() if "executable" in keys else None)
    return found


def _unset(value: Any) -> Unset | None:
    """Return the first value of a command that only a row of a matrix has; None if it has all of them."""
    if isinstance(value, Unset):
        return value if value.is_of_row else None
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_unset, inner)), None)
