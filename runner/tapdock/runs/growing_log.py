"""Read the log of a run while it is written."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tapdock.runs.log_file import MARK, pieces_of, shortened

__all__ = ["GrowingLog", "followed"]


class GrowingLog:
    """The log at a path, which may not exist yet. Its lines are counted, because its pieces are joined and removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0
        self._places: dict[tuple[int, int], tuple[int, int]] = {}

    def new(self, *, is_over: bool) -> Iterator[str]:
        """Yield the whole lines that were written since the last call. If `is_over`, also an incomplete last line."""
        pieces = pieces_of(self._path) if self._path.parent.is_dir() else []
        for first, file in [(1, self._path), *pieces]:
            with suppress(FileNotFoundError):  # not written yet, or the joined file has it
                yield from self._lines_of(file, first, is_over=is_over)

    def _lines_of(self, file: Path, first: int, *, is_over: bool) -> Iterator[str]:
        with file.open("rb") as lines:
            key = first, os.fstat(lines.fileno()).st_ino
            offset, number = self._places.get(key, (0, first - 1))
            lines.seek(offset)
            for line in lines:
                if not (line.endswith(b"\n") or is_over):
                    break
                offset += len(line)
                number += int(json.loads(line)["lines_left_out"]) if MARK in line else 1
                self._places[key] = offset, number
                if MARK not in line:
                    yield from self._counted(line, number)

    def _counted(self, line: bytes, number: int) -> Iterator[str]:
        """Yield a line if it is a new one, after a line that replaces those that were removed before they were read."""
        if number <= self._last:
            return
        missed = number - self._last - 1
        self._last = number
        for each in (*([shortened(line, missed)] if missed else []), line):
            yield each.decode(errors="replace").rstrip("\n")


def followed(
    log: GrowingLog, *, tail: int | None, is_over: Callable[[], bool], wait: Callable[[], None]
) -> Iterator[str | None]:
    """Yield the last `tail` lines of a log (all if None), then each new line until the run is over.

    None is yielded before each `wait`: all lines that exist were yielded. A run is over if `is_over` is true twice,
    because a run that begins is for a moment not marked yet.
    """
    times = 0
    yield from deque(log.new(is_over=False), maxlen=tail)
    while times < 2:
        yield None
        wait()
        times = times + 1 if is_over() else 0  # asked before the lines are read, so that none is missed
        yield from log.new(is_over=times == 2)
