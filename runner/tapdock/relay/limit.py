"""The limit of a run or a preview: at most so many records of each stream, and the end of the source after them."""

from collections.abc import Sequence

from tapdock.events import StreamReport
from tapdock.protocol.catalog import ConfiguredStream

__all__ = ["has_all"]


def has_all(reports: Sequence[StreamReport], streams: Sequence[ConfiguredStream], most: int) -> bool:
    """Return True if each configured stream has `most` records or is complete, so that nothing more is wanted.

    The reports of configured streams are the first ones. Without configured streams, more may always come.
    """
    first = reports[: len(streams)]
    return bool(first) and all(one.records >= most or one.status == "complete" for one in first)
