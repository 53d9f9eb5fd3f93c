"""The structured log: events with fields, as text for people on stderr and as JSON lines in a file."""

import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import orjson

from tapdock.text.clean import clean, harmless_json, one_line
from tapdock.text.own_lines import without_time

__all__ = ["Format", "Level", "Log", "Sink", "clean"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
RANKS: dict[str, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_TAIL = 10
COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31"}


class Sink(Protocol):
    """An output for whole lines. `write` raises OSError."""

    def write(self, text: str, /) -> object: ...


class Log:
    """A log bound to one run. It is safe to use from several threads.

    `write` gets whole lines for people, `file` gets JSON lines of all levels. Both are optional. Apart from our own
    colors, the text cannot control a terminal or a CI. `level` is the lowest level that is written for people, `lines`
    that of lines of connectors, if there is a file to read the others in. Lines of tasks are all written, as our own.
    `folded` counts those that are not written, by side. `pipeline` is part of each line, for several runs on one
    screen. `notes`: people see notes as well.
    """

    def __init__(
        self,
        run_id: str | None,
        *,
        write: Callable[[str], object] | None = None,
        file: Sink | None = None,
        format: Format = "text",  # noqa: A002 - the option's own name
        colour: bool = False,
        level: Level = "info",
        lines: Level = "info",
        pipeline: str | None = None,
        notes: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folded: Counter[str] = Counter()
        self._is_over = False
        self._tails: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_TAIL))
        self._bound = {name: value for name, value in (("run_id", run_id), ("pipeline", pipeline)) if value}
        self._pipeline = f"{one_line(pipeline)}: " if pipeline else ""
        self._notes = notes
        self._write = write
        self._file = file
        self._format = format
        self._colour = colour
        self._rank = RANKS[level]
        self._rank_of_lines = max(RANKS[level], RANKS[lines])
        self._clock = clock
        self._lock = threading.Lock()
        self._listener: Callable[[Level, Mapping[str, Any]], None] | None = None

    def listen(self, listener: Callable[[Level, Mapping[str, Any]], None]) -> None:
        """Call `listener` with each entry, of all levels. It must not raise, and gets entries from several threads."""
        self._listener = listener

    def debug(self, event: str, **fields: Any) -> None:
        self._emit("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._emit("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._emit("error", event, fields)

    def note(self, event: str) -> None:
        """Log an event with level `info` that only people read: it is written for them if the log has `notes`."""
        self._emit("info", event, {}, to_people=self._notes)

    def line(self, side: str, level: Level, text: str) -> None:
        """Log a line of one side, cleaned."""
        self._emit(level, "line", {"side": side, "message": clean(text.rstrip())})

    def unfold(self, *sides: str) -> None:
        """Write the last lines of these sides that were not written for people, apart from those of level `debug`."""
        with self._lock:
            for side in sides:
                for text in self._tails.pop(side, ()):
                    self._say(text + "\n")

    def end(self, event: str, **fields: Any) -> None:
        """Log the last event of the run. Lines of a container that the engine delivers later are dropped."""
        self._emit("info", event, fields, is_last=True)

    def _emit(
        self, level: Level, event: str, fields: Mapping[str, Any], *, is_last: bool = False, to_people: bool = True
    ) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        entry = {
            "time": now.isoformat(timespec="milliseconds"),
            "level": level,
            "event": event,
            **self._bound,
            **fields,
        }
        as_json = harmless_json(_json(entry))
        if self._listener and not self._is_over:
            self._listener(level, entry)
        with self._lock:
            if self._is_over:
                return
            self._is_over = is_last
            if self._file:
                try:
                    self._file.write(as_json + "\n")
                except OSError as error:
                    self._file = None  # a full disk loses the log, not the run
                    self._say(f"warning: the log file is no longer written: {error.strerror}\n")
            side = fields["side"] if event == "line" else "runner"
            is_of_connector = side != "runner"
            least = self._rank_of_lines if side not in ("runner", "task") and self._file else self._rank
            if not to_people or (RANKS[level] < least and not is_of_connector):
                return
            text = as_json if self._format == "json" else self._human(now, level, event, fields)
            if RANKS[level] >= least:
                self._say(text + "\n")
            else:
                self._fold(fields["side"], level, text)

    def _fold(self, side: str, level: Level, text: str) -> None:
        if self._file:
            self.folded[side] += 1
        if level != "debug":
            self._tails[side].append(text)

    def _say(self, text: str) -> None:
        if self._write:
            try:
                self._write(text)
            except OSError:
                self._write = None  # the reader is gone

    def _human(self, now: datetime, level: Level, event: str, fields: Mapping[str, Any]) -> str:
        start, end = (f"\x1b[{COLOURS[level]}m", "\x1b[0m") if self._colour else ("", "")
        head = f"{now.astimezone():%H:%M:%S} {start}{level:<7}{end} "
        if event == "line":
            side = f"{self._pipeline}{fields['side']} | "
            return head + side + without_time(clean(str(fields["message"]))).replace("\n", f"\n{' ' * 17}{side}")
        pairs = "".join(f"  {key}={_shown(value)}" for key, value in fields.items() if value is not None)
        return f"{head}{self._pipeline}{one_line(event)}{pairs}"


def _json(entry: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # text with one half of a surrogate pair
        return json.dumps(entry, default=str)


def _shown(value: Any) -> str:
    text = one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return f'"{text}"' if " " in text else text
