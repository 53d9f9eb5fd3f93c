"""Render a crontab."""

import re
from collections.abc import Iterable, Iterator

from tapdock.deploy.calendar import Inexpressible, in_utc, offset_text, portable
from tapdock.deploy.place import MARK, Place
from tapdock.errors import UsageError
from tapdock.project.cron import Cron, offsets, parsed
from tapdock.project.steps import Schedule

__all__ = ["crontab"]

_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def crontab(
    place: Place, schedules: Iterable[Schedule], *, machine: str, has_zones: bool, path: str, now: float
) -> str:
    """Return the text of a crontab for a machine in the time zone `machine`.

    If it `has_zones`, the cron reads `CRON_TZ`. `path` is the folder of tapdock. Raises UsageError for what this cron
    cannot express.
    """
    zone = "in the zones that `CRON_TZ` names: only for a cron that reads it, such as cronie" if has_zones else machine
    lines = [
        f"# {MARK} cron`. Write it again after a change of a schedule.",
        "# Install it with `crontab FILE`, which replaces all other lines of this user's crontab.",
        f"# The times are {zone}.",
        "SHELL=/bin/sh",
        f"PATH={path}:{_FOLDERS}",
    ]
    for schedule in schedules:
        cron = parsed(schedule.cron)
        if cron is None:
            continue
        lines += ["", f"# {schedule.name}: {schedule.cron} {schedule.timezone}, runs {' '.join(schedule.run)}"]
        try:
            lines += _lines(place, schedule, cron, machine=machine, has_zones=has_zones, now=now)
        except Inexpressible as error:
            hint = "use `tapdock deploy systemd`, or `tapdock schedule start`"
            problem = f"schedule `{schedule.name}` (`{schedule.cron}`) cannot be written for cron: {error}"
            raise UsageError(problem, hint=hint) from None
    return "\n".join(lines) + "\n"


def _lines(place: Place, schedule: Schedule, cron: Cron, *, machine: str, has_zones: bool, now: float) -> Iterator[str]:
    command = re.sub("%", r"\\%", place.command(schedule, waits=True))
    if has_zones:
        yield f"CRON_TZ={schedule.timezone}"
        yield f"{portable(cron)} {command}"
        return
    mine, theirs = offsets(machine, now), offsets(schedule.timezone, now)
    if machine == schedule.timezone or (mine == theirs and len(mine) == 1):
        yield f"{portable(cron)} {command}"
    elif mine != (0,):
        raise Inexpressible(
            f"this machine is in {machine}, and the schedule in {schedule.timezone}; with cronie, add `--cron-tz`"
        )
    elif len(theirs) == 1:
        yield from (f"{line} {command}" for line in in_utc(cron, theirs[0]))
    else:
        yield "# Of the lines below, the one for the time of the year runs it."
        for offset in theirs:
            guard = f'[ "$(TZ={schedule.timezone} date +\\%z)" = {offset_text(offset)} ] && '
            yield from (f"{line} {guard}{command}" for line in in_utc(cron, offset))
