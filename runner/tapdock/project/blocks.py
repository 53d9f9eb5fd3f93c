"""Blocks of a run: what a user names on the command line, and what the steps of a job name."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.mapping import is_mapper, unfit, usable
from tapdock.project.model import Pipeline, Project
from tapdock.project.row import row_name, split_name
from tapdock.project.steps import Hooks, Job, Parallel

__all__ = [
    "Block",
    "Group",
    "JobBlock",
    "RowsBlock",
    "TaskBlock",
    "block_of",
    "parse_blocks",
    "parse_task",
    "parse_tasks",
    "pipelines_of",
]


class TaskBlock(msgspec.Struct, frozen=True):
    """A command of a task. `row` is the row of a matrix around which it runs: `dbt:build[acme]` is one for `acme`."""

    task: str
    command: str
    row: Pipeline | None = None

    @property
    def name(self) -> str:
        name = f"{self.task}:{self.command}"
        return row_name(name, self.row.row) if self.row and self.row.row else name


class Group(msgspec.Struct, frozen=True):
    """Sequences of blocks that may run at the same time. A block that fails ends its own sequence."""

    members: tuple[tuple["Block", ...], ...]


class JobBlock(msgspec.Struct, frozen=True):
    """A job: blocks that run one after the other. A block that fails ends the job."""

    name: str
    blocks: tuple["Block", ...]
    hooks: Hooks


@dataclass(frozen=True)
class RowsBlock:
    """Rows of the pipeline's matrix, each a pipeline: `names`, or all (None). A row that fails does not stop others."""

    pipeline: Pipeline
    names: tuple[str, ...] | None
    project: Project = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.pipeline.name

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The pipelines of the rows, which are read here. Raises UsageError."""
        rows = self.project.rows
        return rows.pipelines(self.project, self.pipeline, self.names) if rows else ()


Block = Pipeline | RowsBlock | TaskBlock | JobBlock | Group


def parse_blocks(project: Project, words: Sequence[str]) -> list[Block]:
    """Return the blocks that the words name: pipelines, commands of tasks (`TASK:COMMAND`), jobs, and a source followed
    by a target, which make an unnamed pipeline. Between them may be a mapper.

    Raises UsageError for an unknown name, for a source or a target alone, and for a job that contains itself.
    """
    return _parsed(project, words, ())


def _parsed(project: Project, words: Sequence[str], jobs: tuple[str, ...]) -> list[Block]:
    """`jobs` are the names of the jobs around these words."""
    blocks: list[Block] = []
    left = list(words)
    while left:
        name = left.pop(0)
        if rows := _rows(project, name):
            before = blocks[-1] if blocks else None
            if isinstance(before, RowsBlock) and before.pipeline == rows.pipeline and before.names and rows.names:
                rows = RowsBlock(rows.pipeline, (*before.names, *rows.names), project)
                blocks.pop()
            blocks.append(rows)
        elif name in project.pipelines:
            blocks.append(project.pipelines[name])
        elif name in project.jobs:
            blocks.append(_job(project, project.jobs[name], jobs))
        elif ":" in name or name in project.tasks:
            blocks.append(parse_task(project, name))
        elif name in project.sources:
            mappers = _mappers(project, name, left)
            target = left.pop(0) if left else ""
            if target not in project.targets:
                raise _no_target(project, name, target)
            _require_no_maps(project, name, target)
            blocks.append(Pipeline(name=f"{name}-to-{target}", source=name, target=target, mappers=mappers))
        else:
            raise _unknown(project, name)
    return blocks


def _rows(project: Project, name: str) -> RowsBlock | None:
    """Return the rows that `shop` or `shop[acme]` names; None for other names. Raises UsageError."""
    pipeline, row = split_name(name)
    found = project.pipelines.get(pipeline)
    if found is None or (name in project.pipelines and not found.is_template):
        return None
    if not found.is_template:
        raise UsageError(f"`{name}` names a row, but pipeline `{pipeline}` has no `matrix`", hint=f"write `{pipeline}`")
    return RowsBlock(found, None if row is None else (row,), project)


def _job(project: Project, job: Job, jobs: tuple[str, ...]) -> JobBlock:
    if job.name in jobs:
        chain = " -> ".join((*jobs[jobs.index(job.name) :], job.name))
        raise UsageError(f"job `{job.name}` contains itself: {chain}", hint="remove it from one of the jobs")
    parse_tasks(project, job.tasks)
    inside = (*jobs, job.name)
    blocks = tuple(block for step in job.steps for block in _step(project, step, inside))
    return JobBlock(job.name, blocks, Hooks(before=job.before, after=job.after))


def _step(project: Project, step: str | Parallel, jobs: tuple[str, ...]) -> list[Block]:
    if isinstance(step, str):
        return _parsed(project, step.split(), jobs)
    members = (tuple(block for inner in member for block in _step(project, inner, jobs)) for member in step.members)
    return [Group(tuple(members))]


def parse_tasks(project: Project, words: Sequence[str]) -> tuple[TaskBlock, ...]:
    """Return the commands of tasks that hooks name. Raises UsageError for an unknown one."""
    return tuple(parse_task(project, word) for word in words)


def parse_task(project: Project, word: str) -> TaskBlock:
    """Return the command of a task for `TASK:COMMAND`. Raises UsageError if there is no such task or command."""
    name, _, command = word.partition(":")
    task = project.tasks.get(name)
    if task is None:
        hint = did_you_mean(name, project.tasks) or f"known tasks: {', '.join(project.tasks) or 'none yet'}"
        raise UsageError(f"there is no task `{name}`", hint=hint)
    if command in task.commands:
        return TaskBlock(name, command)
    known = ", ".join(f"{name}:{each}" for each in task.commands)
    near = did_you_mean(command, task.commands)
    hint = near or (f"commands: {known}" if known else f"add one: `tasks.{name}.commands`")
    what = f"has no command `{command}`" if command else "needs a command"
    raise UsageError(f"task `{name}` {what}", hint=hint)


def pipelines_of(blocks: Sequence[Block]) -> Iterator[Pipeline]:
    """Yield the pipelines in blocks, in order."""
    for block in blocks:
        match block:
            case Pipeline():
                yield block
            case RowsBlock():
                yield from block.pipelines
            case JobBlock(blocks=inner):
                yield from pipelines_of(inner)
            case Group(members=members):
                for member in members:
                    yield from pipelines_of(member)


def block_of(project: Project, pipeline: Pipeline) -> str:
    """Return the words that name this pipeline in a command."""
    return shlex.quote(pipeline.name) if pipeline.name in project.pipelines else " ".join(pipeline.connectors)


def _mappers(project: Project, source: str, left: list[str]) -> tuple[str, ...]:
    """Take the names of mappers from the beginning of a list. Raises UsageError for more than one."""
    names: list[str] = []
    while left and is_mapper(left[0], project.mappers):
        names.append(left.pop(0))
    for name in names:
        if problem := unfit(name, project.mappers):
            raise UsageError(f"`{source}` is followed by `{name}`, {problem[0]}", hint=problem[1])
    if len(names) > 1:
        said = ", ".join(f"`{name}`" for name in names)
        raise UsageError(f"a run has at most one mapper, not {said}", hint="put the settings of all into one mapping")
    return tuple(names)


def _require_no_maps(project: Project, source: str, target: str) -> None:
    """Raise UsageError if a pipeline of this source and target has maps or columns: other rows would be written."""
    users = [one for one in project.pipelines.values() if (one.source, one.target) == (source, target)]
    if found := next((one.name for one in users if one.has_maps), None):
        raise UsageError(
            f"pipeline `{found}` maps what `{source}` writes to `{target}`, and `{source} {target}` would not",
            hint=f"`tapdock run {found}`; or move the maps to `sources.{source}`, where they hold for each of its runs",
        )
    if found := next((one.name for one in users if one.columns), None):
        raise UsageError(
            f"the matrix of pipeline `{found}` adds columns to what `{source}` writes to `{target}`, and"
            f" `{source} {target}` would write rows without them",
            hint=f"`tapdock run {found}` runs its rows",
        )


def _no_target(project: Project, source: str, word: str) -> UsageError:
    known = ", ".join(project.targets) or "none yet"
    what = f"`{word}` is not a target" if word else "must be followed by a target"
    return UsageError(
        f"`{source}` is a source, and {what}",
        hint=did_you_mean(word, (*project.targets, *usable(project.mappers))) or f"targets: {known}",
    )


def _unknown(project: Project, name: str) -> UsageError:
    if is_mapper(name, project.mappers):
        return UsageError(f"`{name}` is a mapper, and must follow a source", hint=f"`tapdock run SOURCE {name} TARGET`")
    if name in project.targets:
        return UsageError(f"`{name}` is a target, and must follow a source", hint=f"`tapdock run SOURCE {name}`")
    known = [*project.pipelines, *project.jobs, *project.sources, *project.targets, *project.tasks]
    hint = did_you_mean(name, known) or f"known: {', '.join(known) or 'nothing yet'}"
    what = "pipeline, job, task, source or target" if project.jobs or project.tasks else "pipeline, source or target"
    return UsageError(f"there is no {what} `{name}` in {project.file.name}", hint=hint)
