"""What `tapdock run` prints at the end about the rows of matrices."""

import textwrap
from collections.abc import Iterator

from tapdock.runs.performed import Ended
from tapdock.runs.steps import JobStep, Node, RowsStep, Step
from tapdock.text.clean import one_line

__all__ = ["row_steps", "row_summaries"]

_WIDTH = 80
_MOST = 20


def row_steps(node: Node) -> Iterator[RowsStep]:
    """Yield the matrices among the steps of a run."""
    match node:
        case RowsStep():
            yield node
        case JobStep(body=body):
            yield from row_steps(body)
        case Step():
            return
        case _:
            for member in node.members:
                yield from row_steps(member)


def row_summaries(tree: Node, ended: Ended) -> Iterator[str]:
    """Yield lines of at most 80 characters: how many rows of each matrix succeeded, and why others failed."""
    for rows in row_steps(tree):
        if rows.names_all or len(rows.members) > 1:
            yield from _summary(rows, ended)


def _summary(rows: RowsStep, ended: Ended) -> Iterator[str]:
    if not rows.members:
        yield f"warning: {rows.name} has no rows, so nothing was run"
        return
    by_place = {each.place: each.record for each in ended.runs if not each.is_hook}
    done = [(step, by_place[step.place]) for step in rows.members if step.place in by_place]
    failed = [(step, record) for step, record in done if record.exit_code]
    counts = [f"{len(done) - len(failed)} of {len(rows.members)} rows succeeded", f"{len(failed)} failed"]
    if left := len(rows.members) - len(done):
        counts.append(f"{left} not started")
    yield f"{rows.name}: {', '.join(counts)}"
    for step, record in failed[:_MOST]:
        text = record.error.message if record.error else "see its log"
        first = f"  {step.place.rpartition('/')[2]} (exit code {record.exit_code}): "
        yield from textwrap.wrap(first + one_line(text), _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    if len(failed) > _MOST:
        yield f"  and {len(failed) - _MOST} more: `tapdock runs list` shows them"
