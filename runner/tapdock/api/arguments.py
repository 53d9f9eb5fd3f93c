"""Check and convert the arguments of calls."""

from collections.abc import Iterable, Sequence

from tapdock.errors import UsageError
from tapdock.project.blocks import Block, JobBlock, RowsBlock, TaskBlock
from tapdock.project.model import Pipeline

__all__ = ["limit_of", "require_one", "texts_of"]


def require_one(found: Sequence[Block], blocks: Sequence[str]) -> None:
    """Raise UsageError unless there is one record of a run."""
    if len(found) == 1 and isinstance(found[0], Pipeline | TaskBlock):
        return
    if len(found) == 1 and isinstance(found[0], RowsBlock):
        if len(found[0].names or ()) == 1:
            return
        hint = f'run each row: `project.run("{found[0].name}[ROW]")`'
        raise UsageError(f"pipeline `{found[0].name}` has a matrix, and a call runs one row", hint=hint)
    if len(found) == 1 and isinstance(found[0], JobBlock):
        name = found[0].name
        raise UsageError(f"`{name}` is a job, which has several records", hint=f'`project.run_job("{name}")`')
    hint = 'for example `project.run("demo")`, or `project.run("faker", "lake")`'
    raise UsageError(f"a run needs one pipeline, or a source and a target, not {list(blocks)}", hint=hint)


def limit_of(given: int | None) -> int | None:
    """Return the limit of records. Raises UsageError for one that is not positive."""
    if given is not None and given < 1:
        raise UsageError(f"`limit` is {given}, but it must be at least 1")
    return given


def texts_of(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
