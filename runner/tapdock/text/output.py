"""The only module that writes text to stdout and stderr. Its output cannot control a terminal or a CI."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TextIO

from tapdock.text.clean import clean, harmless_json, one_line
from tapdock.text.table import table_lines

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
    """Write a table to stdout. In a terminal, it is laid out for its width; nothing is cut."""
    table = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(list(columns), table, width=width):
        out(line)


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
