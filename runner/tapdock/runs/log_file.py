"""A run's log on disk, as JSON lines. Of a long log, the beginning and the end are kept."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["LIMIT", "MARK", "LogFile", "log_lines", "log_to", "pieces_of", "shortened"]

LIMIT = 64 << 20
_SHORTENED = "log shortened"
MARK = f'"event":"{_SHORTENED}"'.encode()


class LogFile:
    """A log file of at most `limit` bytes.

    The first half goes into the file itself. Later lines go into pieces of a quarter each. A piece is named by the
    number of its first line, and only the last two are kept. So a connector that floods its log cannot fill the disk,
    and the last lines of a killed run are kept.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path = path
        self._room = limit // 2
        self._piece = limit // 4
        self._lines = 0
        self._pieces: list[Path] = []
        self._file = _opened(path)

    def write(self, line: str) -> None:
        """Write a line with its line feed. Raises OSError."""
        data = line.encode(errors="backslashreplace")
        if len(data) > self._room:
            self._begin_piece()
        self._file.write(data)
        self._file.flush()
        self._room -= len(data)
        self._lines += 1

    def _begin_piece(self) -> None:
        self._file.close()
        piece = self._path.with_name(f"{self._path.name}.{self._lines + 1}")
        self._file = _opened(piece)
        self._pieces.append(piece)
        self._room = self._piece
        if len(self._pieces) > 2:
            self._pieces.pop(0).unlink(missing_ok=True)

    def close(self) -> None:
        """Join the pieces into one file. If the disk is full, the pieces stay, and `log_lines` joins them."""
        self._file.close()
        if not self._pieces:
            return
        joined = self._path.with_name(f".{self._path.name}.joined")
        try:
            with _opened(joined) as file:
                file.writelines(_joined(self._path))
            joined.replace(self._path)
        except OSError:
            joined.unlink(missing_ok=True)
        else:
            for piece in self._pieces:
                piece.unlink(missing_ok=True)


@contextmanager
def log_to(path: Path, *, limit: int = LIMIT) -> Iterator[LogFile]:
    """Open a log file that only its owner can read, written line by line. Raises OSError if it cannot be opened."""
    file = LogFile(path, limit=limit)
    try:
        yield file
    finally:
        with suppress(OSError):  # `Log` has reported it already
            file.close()


def log_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a run's log, each a JSON object; one line replaces all that were dropped. Raises OSError."""
    for line in _joined(path):
        yield line.decode(errors="replace").rstrip("\n")


def _joined(path: Path) -> Iterator[bytes]:
    count = 0
    is_joined = False
    with path.open("rb") as lines:
        for line in lines:
            count += 1
            is_joined = is_joined or MARK in line
            yield line
    for first, piece in pieces_of(path):
        if is_joined or first <= count:
            return  # pieces that were joined but not removed
        with suppress(FileNotFoundError), piece.open("rb") as lines:
            for place, line in enumerate(lines):
                if not place and first > count + 1:
                    yield shortened(line, first - count - 1)
                yield line
                count = first + place


def pieces_of(path: Path) -> list[tuple[int, Path]]:
    """Return the pieces of a log that are not joined, each with the number of its first line."""
    name = re.compile(rf"{re.escape(path.name)}\.(\d+)")
    found = [(name.fullmatch(each.name), each) for each in path.parent.iterdir()]
    return sorted((int(match[1]), each) for match, each in found if match)


def shortened(following: bytes, lines: int) -> bytes:
    """Return the line that replaces `lines` lines before the following one."""
    try:
        time = json.loads(following).get("time")
    except (ValueError, AttributeError):
        time = None
    entry = {"time": time, "level": "warning", "event": _SHORTENED, "lines_left_out": lines}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
