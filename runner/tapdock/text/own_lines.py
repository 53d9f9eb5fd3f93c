"""Read the level and the time that connectors write into their own log lines."""

import json
import re
from typing import Any, Literal

__all__ = ["OwnLevels", "level_in", "without_time"]

Level = Literal["debug", "info", "warning", "error"]

_LONGEST = 64 << 10
_LEVELS: dict[str, Level] = {
    **dict.fromkeys(("trace", "debug"), "debug"),
    **dict.fromkeys(("info", "notice"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "critical", "fatal", "severe", "panic", "exception"), "error"),
}
_NUMBERS: tuple[tuple[int, Level], ...] = ((50, "error"), (40, "warning"), (30, "info"))
_LEVEL = "(trace|debug|info|notice|warn(?:ing)?|error|critical|fatal|severe|panic|exception)"
_DAY = r"\d{4}[-/]\d\d[-/]\d\d"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_TIME = rf"(?:{_DAY}[T ]{_CLOCK}|{_CLOCK})"
_HEAD = re.compile(rf"\s*(?:(?:time|ts|timestamp|asctime)=)?[\[(\"']?{_TIME}[\])\"']?(?:\s*[|:,-]\s+|\s+)")
_END = r"(?![\w.=/\\-])"
# `INFO text`, `[INFO] text`, `WARNING:root:text`, `INFO | tap | text`
_AT_START = re.compile(rf"[|\[(<]*{_LEVEL}{_END}", re.IGNORECASE)
_BETWEEN = re.compile(rf"[\w.$/-]+ [-|] {_LEVEL} +[-|]", re.IGNORECASE)
# `[main] INFO a.B(c):1 - text`, only after a time: otherwise the text itself may contain the word
_SECOND = re.compile(rf"(?:\[[^\]]*\]|[\w.$/-]+ +[-|]|[\w.$/-]+:) +[\[(|]*{_LEVEL}{_END}", re.IGNORECASE)
_PAIR = re.compile(rf"(?:^|\s)(?:level|levelname|severity|lvl)=[\"']?{_LEVEL}\b", re.IGNORECASE)
_PYTHON_WARNING = re.compile(r"\S+\.py:\d+: (\w*Warning): ")
_FOR_DEVELOPERS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ResourceWarning")
_FAILURE = re.compile(
    r"Traceback \(most recent call last\)|Exception in thread |During handling of the above exception"
    r"|The above exception was the direct cause|[\w.]*(?:Error|Exception): |Caused by: |panic: |Killed$"
    r"|Segmentation fault"
)


def without_time(text: str) -> str:
    """Return a line without the time at its start: tapdock's log writes its own time in front of each line.

    >>> without_time("2026-01-02 10:11:12,345 | INFO     | tap-x | Starting sync")
    'INFO     | tap-x | Starting sync'
    """
    found = _HEAD.match(text)
    return text[found.end() :] if found and found.end() < len(text) else text


def level_in(line: str) -> Level | None:
    """Return the level that a line itself states, or None if it states none.

    A Python traceback and other reports of a crash are errors.

    >>> level_in("time=2026-01-02 10:11:12 name=tap_x level=WARNING message=slow")
    'warning'
    """
    line = line[:_LONGEST]
    if not line.strip() or line[0].isspace():
        return None  # an indented line belongs to the line before it, and may be source code in a traceback
    rest = without_time(line)
    if rest.startswith("{"):
        return _of_json(rest)
    found = _AT_START.match(rest) or _BETWEEN.match(rest) or (_SECOND.match(rest) if rest != line else None)
    if found := found or _PAIR.search(line):
        return _LEVELS[found[1].lower()]
    if found := _PYTHON_WARNING.match(rest):
        return "info" if found[1] in _FOR_DEVELOPERS else "warning"
    return "error" if _FAILURE.match(rest) else None


def _of_json(line: str) -> Level | None:
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(entry.get("log"), dict):  # Airbyte's LOG message, on stderr
        entry = entry["log"]
    for key in ("level", "levelname", "severity", "log.level", "lvl"):
        value = entry.get(key)
        if isinstance(value, str):
            return _LEVELS.get(value.lower())
        if isinstance(value, int):
            return next((level for least, level in _NUMBERS if value >= least), "debug")
    return None


class OwnLevels:
    """The levels of the lines of one output. A line that states none continues the line before it.

    After a warning or a line for debugging, only indented and empty lines continue it: otherwise all further lines of
    a program that writes a single one would have its level.
    """

    def __init__(self) -> None:
        self._last: Level = "info"

    def of(self, line: str) -> Level:
        """Return the level of the next line, which is `info` for a program that states none."""
        found = level_in(line)
        if found is None and self._last in ("warning", "debug") and line.strip() and not line[:1].isspace():
            found = "info"
        self._last = found or self._last
        return self._last
