"""Decide which times of a schedule are due, and which were missed. Nothing is started."""

from itertools import islice

import msgspec

from tapdock.project.cron import times
from tapdock.project.steps import Schedule
from tapdock.runs.scheduled import jitter_of

__all__ = ["GRACE", "Turn", "decide"]

GRACE = 60.0
"""How late a run may start, in seconds. Later, its time counts as missed."""
_MOST = 1000


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What happens now: `start` is the time whose run starts, `missed` are those that no run is started for.

    All times up to `handled` are decided then. If there are `more` missed ones, they were not counted. `next` is when
    the next run starts.
    """

    handled: float
    start: float | None = None
    missed: tuple[float, ...] = ()
    more: bool = False
    next: float | None = None


def decide(schedule: Schedule, handled: float, now: float, *, place: str) -> Turn:
    """Decide what happens to the times of a schedule after `handled`."""
    missed: list[float] = []
    for due in islice(times(schedule.cron, schedule.timezone, handled), _MOST):
        begins = due + jitter_of(schedule, due, place=place)
        if now < begins:
            return Turn(handled=handled, missed=tuple(missed), next=begins)
        handled = due
        if now - begins <= GRACE:
            return Turn(handled=due, start=due, missed=tuple(missed), next=now)
        missed.append(due)
    if len(missed) < _MOST:
        return Turn(handled=handled, missed=tuple(missed))
    return Turn(handled=max(handled, now - GRACE - schedule.jitter), missed=tuple(missed), more=True, next=now)
