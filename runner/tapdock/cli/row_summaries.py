"""What `tapdock run` prints at the end about the rows of matrices."""

import textwrap
from collections.abc import Iterator, Sequence

from tapdock.project.blocks import Block, RowsBlock
from tapdock.runs.records import RunRecord
from tapdock.text.clean import one_line

__all__ = ["row_summaries", "runs_all_rows"]

_WIDTH = 80
_MOST = 20


def runs_all_rows(blocks: Sequence[Block]) -> bool:
    """Return True if a block stands for all rows of a matrix, however many there are."""
    return any(isinstance(block, RowsBlock) and block.names is None for block in blocks)


def row_summaries(blocks: Sequence[Block], records: Sequence[RunRecord]) -> Iterator[str]:
    """Yield lines of at most 80 characters: how many rows of each matrix succeeded, and why others failed."""
    for block in blocks:
        if isinstance(block, RowsBlock) and len(block.names or ()) != 1:
            yield from _summary(block, records)


def _summary(block: RowsBlock, records: Sequence[RunRecord]) -> Iterator[str]:
    rows = {each.name: each.row or "" for each in block.pipelines}
    if not rows:
        yield f"warning: {block.name} has no rows, so nothing was run"
        return
    ended = {done.pipeline: done for done in records if done.pipeline in rows}
    failed = [done for name in rows if (done := ended.get(name)) and done.exit_code]
    counts = [f"{len(ended) - len(failed)} of {len(rows)} rows succeeded", f"{len(failed)} failed"]
    if left := len(rows) - len(ended):
        counts.append(f"{left} not started")
    yield f"{block.name}: {', '.join(counts)}"
    for done in failed[:_MOST]:
        text = done.error.message if done.error else "see its log"
        first = f"  {rows[done.pipeline]} (exit code {done.exit_code}): "
        yield from textwrap.wrap(first + one_line(text), _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    if len(failed) > _MOST:
        yield f"  and {len(failed) - _MOST} more: `tapdock runs list` shows them"
