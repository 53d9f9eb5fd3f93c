"""The tasks of an Airflow DAG: one for each block, in the order in which a job runs them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

import msgspec

from tapdock.project.blocks import Block, Group, JobBlock, RowsBlock, TaskBlock, block_of
from tapdock.project.model import Pipeline, Project
from tapdock.project.row import row_name

__all__ = ["DagTask", "Facts", "dag_tasks", "identifier", "title_of"]

Rule = Literal["all_success", "all_done", "one_failed"]
_NOT_ALLOWED = re.compile(r"[^\w-]+")


class DagTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a DAG. `words` are the arguments of `tapdock run`; without any, the task only joins others.

    `after` are the ids of the tasks before it. `is_pipeline`: the exit codes are those of tapdock, not of a command of
    the project. `is_matrix`: it runs several rows, so exit code 7 of one of them does not say that nothing has run.
    `outlets` are the URIs of the streams that it writes.
    """

    task_id: str
    words: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    is_pipeline: bool = False
    is_matrix: bool = False
    group: str | None = None
    pool: str | None = None
    outlets: tuple[str, ...] = ()
    rule: Rule = "all_success"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of a pipeline have beside its name: a pool, the arguments of a window, and the URIs of streams."""

    pool: Callable[[Pipeline], str]
    window: Callable[[Pipeline], tuple[str, ...]]
    outlets: Callable[[Pipeline], tuple[str, ...]]


def identifier(text: str) -> str:
    """Return text as Airflow allows it in the id of a DAG or a task, and in the name of a pool.

    >>> identifier("dbt:build"), identifier("shop[acme]")
    ('dbt_build', 'shop_acme')
    """
    return _NOT_ALLOWED.sub("_", text).strip("_") or "_"


def title_of(block: Pipeline | RowsBlock | TaskBlock | JobBlock) -> str:
    """Return the name of a block: some rows of a matrix have the names of these rows."""
    if isinstance(block, RowsBlock) and block.names:
        return " ".join(row_name(block.name, row) for row in block.names)
    return block.name


def dag_tasks(project: Project, block: Block, facts: Facts) -> tuple[DagTask, ...]:
    """Return the tasks of one block. A job has a task for each of its blocks."""
    plan = _Plan(project, facts)
    if isinstance(block, JobBlock):
        plan.job(block, (), None)
    else:
        plan.add(block, (), None)
    return tuple(plan.tasks)


@dataclass
class _Plan:
    """Collects tasks. Each method takes the ids of the tasks before a block, and returns those of its last tasks."""

    project: Project
    facts: Facts
    tasks: list[DagTask] = field(default_factory=list)

    def add(self, block: Block, after: tuple[str, ...], group: str | None) -> tuple[str, ...]:
        match block:
            case Pipeline():
                return self._pipeline(block, tuple(block_of(self.project, block).split()), after, group)
            case RowsBlock():  # in one task: which rows there are may be known only when it runs
                words = tuple(row_name(block.name, row) for row in block.names or ()) or (block.name,)
                uris = dict.fromkeys(uri for row in block.pipelines for uri in self.facts.outlets(row))
                return self._pipeline(block.pipeline, words, after, group, outlets=tuple(uris))
            case TaskBlock():
                return self._task(block.name, after, group)
            case Group():
                return tuple(last for member in block.members for last in self._sequence(member, after, group))
            case JobBlock():
                inner = self._unique(block.name, group)
                return self.job(block, after, inner)
            case _:
                assert_never(block)

    def _pipeline(
        self,
        pipeline: Pipeline,
        words: tuple[str, ...],
        after: tuple[str, ...],
        group: str | None,
        *,
        outlets: tuple[str, ...] | None = None,
    ) -> tuple[str, ...]:
        return self._append(
            DagTask(
                task_id=self._unique(pipeline.name, group),
                words=(*words, *self.facts.window(pipeline)),
                after=after,
                is_pipeline=True,
                is_matrix=pipeline.is_template and (len(words) > 1 or words == (pipeline.name,)),
                group=group,
                pool=self.facts.pool(pipeline),
                outlets=self.facts.outlets(pipeline) if outlets is None else outlets,
            )
        )

    def job(self, block: JobBlock, after: tuple[str, ...], group: str | None) -> tuple[str, ...]:
        """Add the blocks of a job with its hooks.

        What follows is after `done`, not after the hooks alone: a hook that runs in every case succeeds also after a
        failure, and Airflow takes the state of a DAG from its last tasks.
        """
        for name in block.hooks.before:
            after = self._task(name, after, group)
        first = len(self.tasks)
        last = self._sequence(block.blocks, after, group)
        hooks = block.hooks.after
        if not hooks:
            return last
        inside = tuple(task.task_id for task in self.tasks[first:])
        done = self._join("done", last, group, "all_success")
        for name in hooks.failure:
            self._task(name, inside, group, rule="one_failed")
        ends = [*done]
        before = done
        for name in hooks.success:
            before = self._task(name, before, group)
        ends += before if before != done else ()
        over = self._join("over", inside, group, "all_done") if hooks.always else ()
        for name in hooks.always:
            ends += self._task(name, over, group)
        return tuple(ends)

    def _sequence(self, blocks: Iterable[Block], after: tuple[str, ...], group: str | None) -> tuple[str, ...]:
        for block in blocks:
            after = self.add(block, after, group)
        return after

    def _task(
        self, name: str, after: tuple[str, ...], group: str | None, rule: Rule = "all_success"
    ) -> tuple[str, ...]:
        task_id = self._unique(name, group)
        return self._append(DagTask(task_id=task_id, words=(name,), after=after, group=group, rule=rule))

    def _join(self, name: str, after: tuple[str, ...], group: str | None, rule: Rule) -> tuple[str, ...]:
        return self._append(DagTask(task_id=self._unique(name, group), after=after, group=group, rule=rule))

    def _append(self, task: DagTask) -> tuple[str, ...]:
        self.tasks.append(task)
        return (task.task_id,)

    def _unique(self, name: str, group: str | None) -> str:
        """Return an id that no task and no group has yet."""
        wanted = f"{group}.{identifier(name)}" if group else identifier(name)
        used = _ids(self.tasks)
        return next(each for each in (wanted, *(f"{wanted}_{number}" for number in range(2, 9999))) if each not in used)


def _ids(tasks: Sequence[DagTask]) -> set[str]:
    return {task.task_id for task in tasks} | {task.group for task in tasks if task.group}
