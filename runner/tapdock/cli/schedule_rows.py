"""The schedules and the notifications of a project, as `tapdock config show` prints them."""

from collections.abc import Iterable, Iterator
from typing import Any

from tapdock.connectors import masking
from tapdock.project.keys import SCHEDULE
from tapdock.project.layers import Path, walk
from tapdock.project.steps import Notify, Schedule

__all__ = ["notify_rows", "schedule_rows"]


def schedule_rows(schedules: Iterable[Schedule]) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value without secrets) of everything that schedules have."""
    for schedule in schedules:
        for key in SCHEDULE:
            path, value = ("schedules", schedule.name, key.name), getattr(schedule, key.name)
            if key.form == "env":
                yield from walk(masking.masked(value, None), path) if value else ()
            elif value not in (None, (), 0.0) or key.form == "flag":
                yield path, value


def notify_rows(notifications: Iterable[Notify], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value without secrets) of the notifications of a pipeline or a job."""
    for number, each in enumerate(notifications):
        given = {"events": list(each.events), "url": each.url, "command": list(each.command)}
        shown = masking.masked({name: value for name, value in given.items() if value}, None)
        yield from (((*path, number, name), value) for name, value in shown.items())
