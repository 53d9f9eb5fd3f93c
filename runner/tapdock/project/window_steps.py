"""Divide a window into steps: whole months, weeks, days or hours of the calendar in UTC, or equal durations."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, get_args

from tapdock.errors import UsageError
from tapdock.project.fields import DURATION, SECONDS, did_you_mean
from tapdock.project.window import Window

__all__ = ["MOST_STEPS", "By", "Period", "Step", "joined", "missing", "parse_by", "planned"]

Period = Literal["month", "week", "day", "hour"]
By = Period | timedelta
MOST_STEPS = 10_000
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_EQUAL = {"week": timedelta(days=7), "day": timedelta(days=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True)
class Step:
    """A part of a window. `is_done`: it was read before."""

    window: Window
    is_done: bool


def parse_by(text: str) -> By:
    """Return the length of steps: a period of the calendar, or a duration such as `6h`. Raises UsageError.

    >>> parse_by("month"), parse_by("6h")
    ('month', datetime.timedelta(seconds=21600))
    """
    words = get_args(Period)
    for word in words:
        if text == word:
            found: Period = word
            return found
    match = DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * SECONDS[match[2]] if match and match[2] else 0
    if not 1 <= seconds <= timedelta(days=36500).total_seconds() or seconds % 1:
        hint = did_you_mean(text.rstrip("s"), words) or "use one of them, or a duration such as `6h` or `10d`"
        raise UsageError(f"`--by {text}` is not `month`, `week`, `day`, `hour` or a duration", hint=hint)
    return timedelta(seconds=seconds)


def planned(window: Window, by: By, done: Sequence[Window]) -> tuple[Step, ...]:
    """Return the steps of a window in order. What is not done of a step with a done part is a step of its own.

    Raises UsageError for too many steps.
    """
    cells = list(islice(_cells(window, by), MOST_STEPS + 1))
    if len(cells) > MOST_STEPS:
        raise UsageError(
            f"the window {window} has more than {MOST_STEPS:,} steps", hint="choose longer steps, or a shorter window"
        )
    found: list[Step] = []
    for cell in cells:
        gaps = missing(cell, done)
        found += [Step(gap, is_done=False) for gap in gaps] or [Step(cell, is_done=True)]
    return tuple(found)


def _cells(window: Window, by: By) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        end = min(_next(start, by), window.end)
        yield Window(start, end)
        start = end


def _next(time: datetime, by: By) -> datetime:
    """Return the beginning of the next step."""
    if isinstance(by, timedelta):
        return time + by
    if by == "month":
        midnight = time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (midnight + timedelta(days=32)).replace(day=1)
    length = _EQUAL[by]
    return time - (time - _MONDAY) % length + length


def missing(window: Window, done: Sequence[Window]) -> list[Window]:
    """Return the parts of a window that no window of `done` covers; `done` is as `joined` returns it."""
    found: list[Window] = []
    start = window.start
    for each in done:
        if each.end <= start or each.start >= window.end:
            continue
        if each.start > start:
            found.append(Window(start, each.start))
        start = each.end
    return [*found, Window(start, window.end)] if start < window.end else found


def joined(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return windows in order, with those that touch or overlap as one."""
    found: list[Window] = []
    for each in sorted(windows, key=lambda window: window.start):
        if found and each.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)
