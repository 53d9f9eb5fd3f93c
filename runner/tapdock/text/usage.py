"""Recognize what kind of connector a program is by the usage or the messages that it printed."""

import json
import re
from itertools import islice
from typing import Any, Literal

import msgspec

__all__ = ["Seen", "seen"]

_LONGEST = 256 << 10
_MOST_LINES = 50
_SHOWN = 120
# argparse of Airbyte's CDK: `usage: main.py [-h] {spec,check,write} ...`, `(choose from 'spec', 'check', 'write')`
_AIRBYTE = re.compile(
    r"\{spec,check,(?P<a>discover|write)\b[^}\n]{0,40}\}|choose from '?spec'?, '?check'?, '?(?P<b>discover|write)\b"
)
# argparse and click of taps and targets: `usage: tap-x [-h] -c CONFIG [-s STATE]`, `Usage: target-x [OPTIONS]`
_NAMED = re.compile(r"^usage: (?:\S*/)?(?P<role>tap|target)[-_][\w.-]+[^\S\n]+[\[-]", re.IGNORECASE | re.MULTILINE)
_OPTIONS = re.compile(r"^usage: \S+ (?:\[-h\] )?\[?-c CONFIG\]?(?P<tap>\s+\[-s STATE\])?", re.MULTILINE)
_SINGER = {"SCHEMA": ("stream", "schema"), "RECORD": ("stream", "record"), "STATE": ("value",)}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a program seems to be. `role` is None if only its kind is known. `text` is the part that shows it."""

    kind: Literal["airbyte", "singer"]
    role: Literal["source", "target"] | None
    text: str


def seen(printed: str) -> Seen | None:
    """Return what a program seems to be that has printed this text; None if the text does not show it.

    >>> seen("usage: main.py [-h] {spec,check,write} ...").role
    'target'
    """
    printed = printed[:_LONGEST]
    if found := _AIRBYTE.search(printed):
        is_target = "write" in (found["a"], found["b"])
        return Seen(kind="airbyte", role="target" if is_target else "source", text=_line(printed, found))
    if found := _NAMED.search(printed):
        is_target = found["role"].lower() == "target"
        return Seen(kind="singer", role="target" if is_target else "source", text=_line(printed, found))
    if found := _OPTIONS.search(printed):
        return Seen(kind="singer", role="source" if found["tap"] else None, text=_line(printed, found))
    lines = islice((line for line in printed.splitlines() if line.startswith("{")), _MOST_LINES)
    kind = next(filter(None, map(_of_tap, lines)), None)
    return Seen(kind="singer", role="source", text=f"a {kind} message of a Singer tap") if kind else None


def _of_tap(line: str) -> str | None:
    """Return the type of a message that only a tap prints; None for another line."""
    try:
        message: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = message.get("type")
    keys = _SINGER.get(kind) if isinstance(kind, str) else None
    return kind if keys and all(key in message for key in keys) else None


def _line(printed: str, found: re.Match[str]) -> str:
    begin = printed.rfind("\n", 0, found.start()) + 1
    return f"`{printed[begin:].partition(chr(10))[0].strip()[:_SHOWN]}`"
