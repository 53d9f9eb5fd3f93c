"""The records of a source as an iterator, which never ends as if it were complete when it is not."""

import weakref
from collections.abc import Generator, Iterator
from contextlib import suppress

from tapdock.errors import UsageError
from tapdock.runs.source_records import SourceRecord

__all__ = ["Records"]


class Records(Iterator[SourceRecord]):
    """The records of a source. A context manager: when its block ends, the source is stopped.

    The source is also stopped when nothing refers to this object any more, and at the exit of the program. After an
    error, and after `close` before the end, the next record is an error: a part of the data never looks like all of it.
    """

    def __init__(self, found: Generator[SourceRecord, None, None]) -> None:
        self._found = found
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._finalizer = weakref.finalize(self, _close, found)

    def __iter__(self) -> "Records":
        return self

    def __next__(self) -> SourceRecord:
        if self._error:
            raise self._error
        if self._closed and not self._ended:
            raise UsageError("the records were closed before their end", hint="read them again with `read`")
        try:
            return next(self._found)
        except StopIteration:
            self._ended = True
            raise
        except BaseException as error:
            self._error = error
            raise

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the source and remove its container, if it still runs."""
        self._closed = True
        self._found.close()


def _close(found: Generator[SourceRecord, None, None]) -> None:
    with suppress(ValueError):  # another thread waits for the next record; its process ends
        found.close()
