"""What `tapdock run` prints for all of its steps: the plan, the summary, one JSON object, or why nothing started."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tapdock.cli.assembly import said
from tapdock.cli.row_summaries import row_steps, row_summaries
from tapdock.cli.session import Session
from tapdock.errors import Interrupted, TapdockError, UsageError
from tapdock.project.model import Pipeline, Project
from tapdock.project.steps import in_words
from tapdock.runs.options import Options
from tapdock.runs.performed import Ended
from tapdock.runs.records import ErrorRecord
from tapdock.runs.steps import InOrder, JobStep, Node, RowsStep, Step, Together, Wrap, steps_of
from tapdock.text.output import err, out, print_json, print_table

__all__ = ["nothing_named", "refusal", "show_ended", "show_steps"]


def nothing_named(project: Project, *, as_json: bool) -> UsageError:
    """List pipelines and jobs. Return the error for a call without any: a script's empty variable must not succeed."""
    if not as_json and project.pipelines:
        rows = [[name, each.source, each.target] for name, each in project.pipelines.items()]
        print_table(["PIPELINE", "SOURCE", "TARGET"], rows)
    if not as_json and project.jobs:
        print_table(["JOB", "STEPS"], [[each.name, in_words(each.steps)] for each in project.jobs.values()])
    first = next(iter((*project.pipelines, *project.jobs)), "SOURCE TARGET")
    what = "pipelines, jobs, tasks" if project.jobs or project.tasks else "pipelines"
    return UsageError(f"name what to run: {what}, or a source and a target", hint=f"`tapdock run {first}`")


def show_ended(session: Session, tree: Node, ended: Ended, chosen: Mapping[str, Options], *, as_json: bool) -> None:
    """Print the records as JSON, or for people what has run and what has not."""
    _say_added(session.project, tree)
    left = [_label(step, chosen) for step in ended.not_started]
    if as_json:
        print_json(_as_json(session, tree, ended, left))
        return
    if any(isinstance(each, JobStep) for each in _members(tree)):
        _print_summary(tree, ended)
    counted = {step.place for rows in row_steps(tree) for step in rows.members}
    for line in row_summaries(tree, ended):
        err(line)
    left = [_label(step, chosen) for step in ended.not_started if step.place not in counted]
    if left:
        said(f"not started: {', '.join(left)}")


def _say_added(project: Project, tree: Node) -> None:
    """Warn about rows that were added to the file of a matrix during the run, for example by a task."""
    for name in dict.fromkeys(each.name for each in row_steps(tree) if each.names_all):
        added: tuple[str, ...] = ()
        with suppress(UsageError):  # the next run reports it
            added = project.rows.added(project.pipelines[name]) if project.rows else ()
        if added:
            said(
                f"warning: not run: rows that were added to the matrix of `{name}` during this run: {', '.join(added)}"
            )
            said(f"hint: rows are read before the first step; run `tapdock run {name}` again")


def _label(step: Step, chosen: Mapping[str, Options]) -> str:
    """Return the name of a step, or the folder of its batch."""
    options = chosen.get(step.place)
    return str(options.spool.folder) if options and options.spool else step.name


def _members(tree: Node) -> tuple[Node, ...]:
    return tree.members if isinstance(tree, InOrder | Together) else (tree,)


def _as_json(session: Session, tree: Node, ended: Ended, left: list[str]) -> Any:
    """Return the record of a single block, or one object with the records of all steps, and names of those `left`."""
    members = _members(tree)
    is_job = any(isinstance(each, JobStep) for each in members)
    is_single = not is_job and len(list(steps_of(tree))) == 1
    if is_single and not any(each.names_all for each in row_steps(tree)) and ended.records:
        return msgspec.to_builtins(ended.records[0])
    places = {} if not is_job else {id(each.record): each.place for each in ended.runs}
    runs = [
        {**msgspec.to_builtins(each.record), **({"place": places[id(each.record)]} if places else {})}
        for each in ended.runs
    ]
    whole = {"exit_code": ended.exit_code, "runs": runs, "not_started": left}
    if not is_job:
        return whole
    errors = [msgspec.to_builtins(_told(session, error)) for error in ended.errors]
    named = {"job": members[0].name} if len(members) == 1 and isinstance(members[0], JobStep) else {}
    return {**named, **whole, "errors": errors}


def _print_summary(tree: Node, ended: Ended) -> None:
    """Print one row for each step and each hook that has run, in the order of the project file."""
    by_place = {each.place: each.record for each in ended.runs if not each.is_hook}
    hooks = [each for each in ended.runs if each.is_hook]
    rows: list[list[str]] = []

    def add_hooks(place: str) -> None:
        rows.extend(
            [each.place, each.record.pipeline, each.record.status, _seconds(each.record.seconds.total)]
            for each in hooks
            if each.place == place
        )

    def add(node: Node) -> None:
        if isinstance(node, Step | JobStep):
            add_hooks(f"{node.place}/before")
        if isinstance(node, Step):
            record = by_place.get(node.place)
            seconds = _seconds(record.seconds.total) if record else ""
            rows.append([node.place, node.name, record.status if record else "not started", seconds])
        elif isinstance(node, JobStep):
            add(node.body)
        else:
            for member in node.members:
                add(member)
        if isinstance(node, Step | JobStep):
            add_hooks(f"{node.place}/after")

    add(tree)
    print_table(["STEP", "NAME", "STATUS", "TIME"], rows)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"


def show_steps(tree: Node, *, as_json: bool) -> None:
    """Print the steps of jobs and tasks, and hooks, as a dry run shows them. Pipelines alone have their plans."""
    steps = list(steps_of(tree))
    is_plain = all(isinstance(step.block, Pipeline) and step.wrap == Wrap() for step in steps)
    if as_json or (is_plain and all(isinstance(each, Step | RowsStep) for each in _members(tree))):
        return
    for line in _lines(tree, 0):
        out(line)


def _lines(node: Node, depth: int) -> Iterator[str]:
    space = "  " * depth
    match node:
        case Step():
            yield f"{space}{node.place}: {node.name}{_hooks(node.wrap)}"
        case JobStep():
            yield f"{space}{node.place}:{_hooks(node.wrap)}"
            yield from _lines(node.body, depth + 1)
        case InOrder(members=members) | RowsStep(members=members):
            for member in members:
                yield from _lines(member, depth)
        case Together(members=members):
            yield f"{space}at the same time:"
            for member in members:
                yield from _lines(member, depth + 1)


def _hooks(wrap: Wrap) -> str:
    before = f"; before it {', '.join(each.name for each in wrap.before)}" if wrap.before else ""
    named = ", ".join(each.name if when == "always" else f"{each.name} ({when})" for when, each in wrap.after)
    return before + (f"; after it {named}" if named else "")


def refusal(session: Session, error: TapdockError | Interrupted) -> Any:
    """Return what `--json` prints if no run started, so that there is no record."""
    return {"status": "failed", "exit_code": error.exit_code, "error": msgspec.to_builtins(_told(session, error))}


def _told(session: Session, error: TapdockError | Interrupted) -> ErrorRecord:
    message, hint = session.redacted(error.message), error.hint and session.redacted(error.hint)
    return ErrorRecord(side=error.side, message=message, hint=hint, retryable=error.retryable)
