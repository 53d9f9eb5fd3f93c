"""The steps of a run as a tree of values: what runs in which order, at the same time, and around what."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Literal

import msgspec

from tapdock.errors import UsageError
from tapdock.project.blocks import Block, Group, JobBlock, RowsBlock, TaskBlock, parse_tasks
from tapdock.project.model import Pipeline, Project
from tapdock.project.state_keys import key_of
from tapdock.project.steps import Hooks, Notify
from tapdock.project.task_rows import require_row

__all__ = [
    "AT_ONCE",
    "InOrder",
    "JobStep",
    "Node",
    "Order",
    "RowsStep",
    "Step",
    "Together",
    "When",
    "Wrap",
    "at_once",
    "jobs_of",
    "pipelines_in",
    "require_own_states",
    "steps_of",
    "together",
    "tree_of",
]

AT_ONCE = 4
"""How many pipelines and commands of tasks run at the same time in the groups of jobs, without `--concurrency`."""

When = Literal["always", "success", "failure"]
Order = Literal["in order", "at once"]


class Wrap(msgspec.Struct, frozen=True, kw_only=True):
    """The commands of tasks that run around a pipeline or a job."""

    before: tuple[TaskBlock, ...] = ()
    after: tuple[tuple[When, TaskBlock], ...] = ()

    def due(self, *, succeeded: bool) -> list[tuple[When, TaskBlock]]:
        """Return what runs after a success or a failure, in order. What always runs is last, as cleaning up is."""
        other = "failure" if succeeded else "success"
        return [each for each in self.after if each[0] != other]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline with its hooks, or a command of a task. `place` is its position: `2`, or `nightly/2/1` in a job.

    It is `#1/nightly/2/1` in a job that runs twice.
    """

    block: Pipeline | TaskBlock
    place: str
    wrap: Wrap = Wrap()

    @property
    def name(self) -> str:
        return self.block.name


class InOrder(msgspec.Struct, frozen=True):
    """Nodes that run one after the other. After one that fails, no later one starts."""

    members: tuple["Node", ...]


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that run at the same time. If it `stops`, no further node starts after one has failed."""

    members: tuple["Node", ...]
    stops: bool = False


class JobStep(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its hooks, and who is told of its end."""

    name: str
    place: str
    body: InOrder
    wrap: Wrap
    notify: tuple[Notify, ...] = ()


class RowsStep(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a matrix: all that run after one that fails, too. `names_all`: the user did not choose some of them."""

    name: str
    members: tuple[Step, ...]
    names_all: bool
    at_once: bool


Node = Step | InOrder | Together | JobStep | RowsStep


def tree_of(project: Project, blocks: Sequence[Block], *, order: Order = "in order") -> InOrder | Together:
    """Return the steps of a run. Blocks that run at the same time start no further one after a failure."""
    jobs = [block.name for block in blocks if isinstance(block, JobBlock)]

    def place(number: int, block: Block) -> str:
        is_repeated = isinstance(block, JobBlock) and jobs.count(block.name) > 1
        return f"#{number}" if is_repeated else str(number)

    nodes = tuple(_node(project, block, place(number, block), order) for number, block in enumerate(blocks, 1))
    return InOrder(nodes) if order == "in order" else Together(members=nodes, stops=True)


def _node(project: Project, block: Block, place: str, order: Order) -> Node:
    match block:
        case Pipeline():
            return Step(block=block, place=place, wrap=_wrap(project, block))
        case RowsBlock(pipelines=rows):
            steps = (Step(block=row, place=f"{place}/{row.row}", wrap=_wrap(project, row)) for row in rows)
            is_all = block.names is None
            return RowsStep(name=block.name, members=tuple(steps), names_all=is_all, at_once=order == "at once")
        case TaskBlock():
            require_row(project, block)
            return Step(block=block, place=place)
        case JobBlock(name=name, blocks=inner, hooks=hooks):
            within = name if place.isdecimal() else f"{place}/{name}"
            return JobStep(
                name=name,
                place=within,
                body=_nodes(project, inner, within, order),
                wrap=_wrap(project, hooks),
                notify=project.jobs[name].notify,
            )
        case Group(members=members):
            places = ((f"{place}/{number}", member) for number, member in enumerate(members, 1))
            return Together(members=tuple(_member(project, member, within, order) for within, member in places))


def _member(project: Project, blocks: Sequence[Block], place: str, order: Order) -> Node:
    return _node(project, blocks[0], place, order) if len(blocks) == 1 else _nodes(project, blocks, place, order)


def _nodes(project: Project, blocks: Sequence[Block], place: str, order: Order) -> InOrder:
    return InOrder(tuple(_node(project, block, f"{place}/{number}", order) for number, block in enumerate(blocks, 1)))


def _wrap(project: Project, hooks: Hooks) -> Wrap:
    cases: tuple[tuple[When, tuple[str, ...]], ...] = (
        ("success", hooks.after.success),
        ("failure", hooks.after.failure),
        ("always", hooks.after.always),
    )
    after = tuple((when, block) for when, words in cases for block in _hooks(project, hooks, words))
    return Wrap(before=_hooks(project, hooks, hooks.before), after=after)


def _hooks(project: Project, owner: Hooks, words: Sequence[str]) -> tuple[TaskBlock, ...]:
    """Return the commands around a pipeline or a job. Around a row, they have the values of the row."""
    row = owner if isinstance(owner, Pipeline) and owner.row else None
    found = tuple(msgspec.structs.replace(block, row=row) for block in parse_tasks(project, words))
    for block in found:
        require_row(project, block)
    return found


def steps_of(node: Node) -> Iterator[Step]:
    """Yield all steps in order."""
    match node:
        case Step():
            yield node
        case JobStep(body=body):
            yield from steps_of(body)
        case InOrder(members=members) | Together(members=members) | RowsStep(members=members):
            for member in members:
                yield from steps_of(member)


def jobs_of(node: Node) -> Iterator[JobStep]:
    """Yield all jobs, also those in others."""
    match node:
        case JobStep(body=body):
            yield node
            yield from jobs_of(body)
        case InOrder(members=members) | Together(members=members):
            for member in members:
                yield from jobs_of(member)


def together(node: Node, limit: int) -> Iterator[tuple[Step, Step]]:
    """Yield the pairs of steps that may run at the same time, if `limit` steps may; not of rows of one matrix."""
    if limit == 1 or isinstance(node, Step | RowsStep):
        return
    if isinstance(node, JobStep):
        yield from together(node.body, limit)
        return
    for member in node.members:
        yield from together(member, limit)
    if isinstance(node, Together):
        for one, other in combinations(node.members, 2):
            yield from product(steps_of(one), steps_of(other))


def pipelines_in(node: Node) -> list[Pipeline]:
    """Return the pipelines of all steps in order."""
    return [step.block for step in steps_of(node) if isinstance(step.block, Pipeline)]


def at_once(pairs: Sequence[tuple[Step, Step]]) -> set[frozenset[Pipeline]]:
    """Return the pairs of two different pipelines."""
    found = (frozenset(each.block for each in pair if isinstance(each.block, Pipeline)) for pair in pairs)
    return {pair for pair in found if len(pair) == 2}


def require_own_states(project: Project, pairs: Sequence[tuple[Step, Step]]) -> None:
    """Raise UsageError if two pipelines with one state may run at the same time: one would end with exit code 7."""
    for one, other in pairs:
        if isinstance(one.block, TaskBlock) or isinstance(other.block, TaskBlock):
            continue
        first, second = key_of(one.block, project.environment), key_of(other.block, project.environment)
        if first == second:
            names = f"`{one.name}` ({one.place}) and `{other.name}` ({other.place})"
            raise UsageError(
                f"{names} would run at the same time with one state, `{first}`",
                hint="run them one after the other (`--concurrency 1`), or set `state_suffix` of a pipeline",
            )
