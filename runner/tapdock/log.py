"""Events with keys, for people on stderr and as JSON lines in a file; connectors' text made harmless."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import orjson

__all__ = ["Format", "Level", "Log", "Redactor", "clean", "log_to"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
RANKS: dict[str, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31"}
MASK = "[secret]"
SHORTEST_SECRET = 6  # shorter ones stand in too many words

ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS
    r"|\x1b[ -/]*[0-~]?"
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# GitHub reads `::word` at a line's start and `##[`, Azure `##vso[`, TeamCity `##teamcity[` anywhere in it
COMMAND_AT_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
COMMAND_ANYWHERE = re.compile(r"##(?=\w*\[)")


def clean(text: str) -> str:
    """Text without terminal escapes and control characters, and without commands to a CI that reads the log.

    >>> clean("\\x1b[31mred\\x1b[0m\\r\\n::set-output name=a::b")
    'red\\n: :set-output name=a::b'
    """
    text = CONTROL.sub("", ESCAPE.sub("", text))
    return COMMAND_ANYWHERE.sub("# #", COMMAND_AT_START.sub(r"\1: ", text))


class Redactor:
    """Replaces secret values in text: the second net, for connectors that print them. Used by several threads."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace these as well from now on; what is short stays, as it stands in too many words."""
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
        with self._lock:
            if forms <= self._forms:
                return
            self._forms |= forms
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def __call__(self, text: str) -> str:
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text

    def __repr__(self) -> str:
        return "Redactor()"


def _forms(secret: str) -> set[str]:
    """The value as it is, as JSON writes it, and its lines one by one."""
    lines = {line.strip() for line in secret.splitlines()}
    return {secret, *lines, orjson.dumps(secret.encode(errors="replace").decode()).decode()[1:-1]}


@contextmanager
def log_to(path: Path) -> Iterator[TextIO]:
    """A log file for its owner only, written line by line; what a full disk does to it harms nobody else."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", buffering=1)
    try:
        yield file
    finally:
        try:
            file.close()
        except OSError:
            pass  # `Log` has told of it already


class Log:
    """A log bound to one run; safe to use from several threads.

    `write` takes whole lines for people, `file` JSON lines of everything; both may be missing.
    """

    def __init__(
        self,
        run_id: str | None,
        *,
        write: Callable[[str], object] | None = None,
        file: TextIO | None = None,
        format: Format = "text",  # noqa: A002 - the option's own name
        colour: bool = False,
        level: Level = "info",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run_id = run_id
        self._write = write
        self._file = file
        self._format = format
        self._colour = colour
        self._rank = RANKS[level]
        self._clock = clock
        self._lock = threading.Lock()

    def debug(self, event: str, **fields: Any) -> None:
        self._emit("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._emit("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._emit("error", event, fields)

    def line(self, side: str, level: Level, text: str) -> None:
        """A line of one side's, cleaned."""
        self._emit(level, "line", {"side": side, "message": clean(text.rstrip())})

    def _emit(self, level: Level, event: str, fields: Mapping[str, Any]) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        bound = {"run_id": self._run_id} if self._run_id else {}
        entry = {
            "time": now.isoformat(timespec="milliseconds"),
            "level": level,
            "event": event,
            **bound,
            **fields,
        }
        as_json = orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        with self._lock:
            if self._file:
                try:
                    self._file.write(as_json + "\n")
                except OSError as error:
                    self._file = None  # a full disk loses the log, not the run
                    self._say(f"the log file is no longer written: {error.strerror}\n")
            if RANKS[level] >= self._rank:
                text = as_json if self._format == "json" else self._human(now, level, event, fields)
                self._say(text + "\n")

    def _say(self, text: str) -> None:
        if self._write:
            try:
                self._write(text)
            except OSError:
                self._write = None  # nobody reads it any more

    def _human(self, now: datetime, level: Level, event: str, fields: Mapping[str, Any]) -> str:
        start, end = (f"\x1b[{COLOURS[level]}m", "\x1b[0m") if self._colour else ("", "")
        head = f"{now.astimezone():%H:%M:%S} {start}{level:<7}{end} "
        if event == "line":
            message = str(fields["message"]).replace("\n", f"\n{' ' * 17}{fields['side']} | ")
            return f"{head}{fields['side']} | {message}"
        pairs = "".join(f"  {key}={_shown(value)}" for key, value in fields.items() if value is not None)
        return f"{head}{event}{pairs}"


def _shown(value: Any) -> str:
    text = clean(str(value))
    return f'"{text}"' if " " in text else text
