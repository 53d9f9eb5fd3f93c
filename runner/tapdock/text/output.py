"""The only module that writes text to stdout and stderr. Its output cannot control a terminal or a CI."""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import TextIO

from tapdock.text.clean import clean, harmless_json, one_line

__all__ = [
    "err",
    "failed",
    "has_colour",
    "log_text",
    "out",
    "out_json",
    "print_json",
    "print_table",
    "result",
    "said_at_once",
]

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_GAP = "  "
_NARROWEST = 8


def out(text: str) -> None:
    """Write lines for people to stdout."""
    _write(sys.stdout, clean(text) + "\n")


def err(text: str) -> None:
    """Write lines for people to stderr."""
    _say(clean(text) + "\n")


def said_at_once(line: str) -> None:
    """Print one line from a signal handler, which may interrupt a write: bypass the buffer, ignore a closed stderr.

    A terminal has printed `^C` at the start of the line, which is overwritten.
    """
    with suppress(OSError):
        start = "\r" if os.isatty(2) else ""
        os.write(2, (start + clean(line) + "\n").encode())


def failed(message: str, hint: str | None) -> None:
    """Write an error to stderr in one line, and its hint in another."""
    err(f"error: {one_line(message)}")
    if hint:
        err(f"hint: {one_line(hint)}")


def has_colour(environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Return True if text has colors: in a terminal, and anywhere if FORCE_COLOR is set and not `0`.

    NO_COLOR has priority over both.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environ.get("TERM") != "dumb"


def result(name: str, status: str, rest: str, *, good: bool) -> None:
    """Write the result of a run to stdout in one line. With colors, its status is green or red."""
    status = clean(status)
    if has_colour(os.environ, terminal=sys.stdout.isatty()):
        status = f"\x1b[{32 if good else 31}m{status}\x1b[0m"
    _write(sys.stdout, f"{one_line(name)} {status} {one_line(rest)}\n")
    sys.stdout.flush()  # errors follow on stderr


def log_text(text: str) -> None:
    """Write text of a `Log` to stderr. It is already clean, and contains only our own colors."""
    _say(text)


def out_json(text: str) -> None:
    """Write JSON text to stdout, with `\\u` escapes for characters that control a terminal."""
    text = harmless_json(text)
    if not _is_unicode(sys.stdout):
        text = _NOT_ASCII.sub(lambda one: json.dumps(one[0])[1:-1], text)
    _write(sys.stdout, text + "\n")


def print_json(value: object) -> None:
    """Write one JSON document to stdout, indented if stdout is a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    out_json(json.dumps(value, indent=indent, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout. In a terminal, cells are wrapped to its width; nothing is cut."""
    table = [list(columns), *(["" if cell is None else one_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    if sys.stdout.isatty():
        widths = _fitting(widths, shutil.get_terminal_size().columns - len(_GAP) * (len(columns) - 1))
    for row in table:
        cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            out(_GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())


def _fitting(widths: list[int], room: int) -> list[int]:
    """Return widths whose sum is `room` if possible: the widest columns are narrowed first, to no less than 8."""
    narrowed = list(widths)
    while sum(narrowed) > room and max(narrowed) > _NARROWEST:
        widest = max(narrowed)
        next_width = max([_NARROWEST, *(width for width in narrowed if width < widest)])
        many = narrowed.count(widest)
        least = max(next_width, widest - -(-(sum(narrowed) - room) // many))
        narrowed = [least if width == widest else width for width in narrowed]
    return narrowed


def _wrapped(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, max(width, 1), break_on_hyphens=False) or [""]


def _say(text: str) -> None:
    """Write to stderr. A closed stderr is not an error: a run does not end because its reader is gone."""
    try:
        _write(sys.stderr, text)
        sys.stderr.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().replace("-", "").startswith("utf")


def _write(stream: TextIO, text: str) -> None:
    if not _is_unicode(stream):
        text = text.encode(stream.encoding, "backslashreplace").decode(stream.encoding)
    stream.write(text)
