"""Commands of tasks that depend on the row of a matrix: they run as hooks of a row only."""

from collections.abc import Iterator, Sequence

from tapdock.errors import UsageError
from tapdock.project.blocks import Block, Group, JobBlock, TaskBlock, parse_blocks, parse_tasks
from tapdock.project.interpolate import Unset
from tapdock.project.model import Connector, Pipeline, Project

__all__ = ["require_row", "require_rows"]


def require_row(project: Project, block: TaskBlock) -> None:
    """Raise UsageError for a command that refers to a row, but runs without one, or whose row has no such value."""
    tasks = block.row.variant.tasks if block.row and block.row.variant else project.tasks
    unset = _unset(tasks[block.task], block.command)
    if unset is None:
        return
    error = unset.error()
    if block.row:
        raise error
    name = f"{block.task}:{block.command}"
    example = next((each.name for each in project.pipelines.values() if each.is_template), "PIPELINE")
    raise UsageError(
        f"{error.message}, but `{name}` runs without a row",
        hint=f"name it under `before` or `after` of a pipeline with a `matrix`, which runs it for each row;"
        f" or `tapdock invoke {name} --pipeline '{example}[ROW]'`",
    )


def _unset(task: Connector, command: str) -> Unset | None:
    """Return the first value of a command that only a row has, or that its row does not have."""
    values = (task.unset, task.commands[command].unset, *task.env.values())
    return next((each for each in values if isinstance(each, Unset) and each.is_of_row), None)


def require_rows(project: Project) -> None:
    """Raise UsageError if a job, or a hook of a pipeline without a matrix, names a command that refers to a row."""
    for name in project.jobs:
        _require(project, f"jobs.{name}", _tasks(project, parse_blocks(project, [name])))
    for name, each in project.pipelines.items():
        if each.matrix is None:
            _require(project, f"pipelines.{name}", parse_tasks(project, each.tasks))


def _require(project: Project, path: str, blocks: Sequence[TaskBlock] | Iterator[TaskBlock]) -> None:
    for block in blocks:
        try:
            require_row(project, block)
        except UsageError as error:
            place = project.origins.get(path, project.file.name)
            raise UsageError(f"{place}: `{path}`: {error.message}", hint=error.hint) from None


def _tasks(project: Project, blocks: Sequence[Block]) -> Iterator[TaskBlock]:
    """Yield the commands in the steps and hooks of jobs. Those around a row run with it."""
    for block in blocks:
        match block:
            case TaskBlock():
                yield block
            case JobBlock(blocks=inner, hooks=hooks):
                yield from parse_tasks(project, hooks.tasks)
                yield from _tasks(project, inner)
            case Group(members=members):
                for member in members:
                    yield from _tasks(project, member)
            case Pipeline():
                yield from parse_tasks(project, block.tasks)
