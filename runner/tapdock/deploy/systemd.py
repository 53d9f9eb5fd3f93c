"""Render a service and a timer of systemd for each schedule."""

from collections.abc import Iterable
from pathlib import Path

from tapdock.deploy.calendar import Inexpressible, on_calendar
from tapdock.deploy.place import MARK, Place
from tapdock.errors import UsageError
from tapdock.project.cron import parsed
from tapdock.project.steps import Schedule

__all__ = ["units"]


def units(
    place: Place,
    schedules: Iterable[tuple[Schedule, bool]],
    *,
    user: str,
    group: str | None,
    writable: Iterable[Path],
) -> dict[str, str]:
    """Return the texts of unit files by their names. `group` may use the engine's socket.

    Each schedule has a flag: exit code 7 of its run means that another run holds the state. Runs can write only below
    the folders `writable`. Raises UsageError for a cron line that systemd has no words for.
    """
    found = {}
    for schedule, may_be_held in schedules:
        cron = parsed(schedule.cron)
        if cron is None:
            continue
        try:
            calendar = on_calendar(cron, schedule.timezone)
        except Inexpressible as error:
            problem = f"schedule `{schedule.name}` (`{schedule.cron}`) cannot be written for systemd: {error}"
            raise UsageError(problem, hint="use `tapdock schedule start`") from None
        name = f"tapdock-{schedule.name}"
        found[f"{name}.service"] = _service(
            place, schedule, user=user, group=group, writable=writable, may_be_held=may_be_held
        )
        found[f"{name}.timer"] = _timer(schedule, calendar)
    return found


def _service(
    place: Place, schedule: Schedule, *, user: str, group: str | None, writable: Iterable[Path], may_be_held: bool
) -> str:
    command = " ".join(map(_quoted, place.words(schedule)))
    groups = f"SupplementaryGroups={group}\n" if group else ""
    paths = " ".join(dict.fromkeys(_quoted(f"-{path}") for path in writable))
    held = (
        "# 7: another run holds the state, so that this one was skipped\nSuccessExitStatus=7\n" if may_be_held else ""
    )
    return f"""\
# {MARK} systemd`. Write it again after a change of the schedule.
[Unit]
Description=tapdock schedule {_plain(schedule.name)} ({_plain(" ".join(schedule.run))})
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
User={user}
{groups}WorkingDirectory={_plain(str(place.file.parent))}
ExecStart={command}
{held}# systemctl stop: the first signal ends a run in order
KillMode=mixed
TimeoutStopSec=10min
NoNewPrivileges=yes
PrivateTmp=no
ProtectSystem=strict
ReadWritePaths={paths}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
CapabilityBoundingSet=
UMask=0077
"""


def _timer(schedule: Schedule, calendar: Iterable[str]) -> str:
    lines = "\n".join(f"OnCalendar={line}" for line in calendar)
    jitter = f"RandomizedDelaySec={schedule.jitter:g}s\n" if schedule.jitter else ""
    return f"""\
# {MARK} systemd`. Write it again after a change of the schedule.
[Unit]
Description=When tapdock schedule {_plain(schedule.name)} runs: {_plain(schedule.cron)} {schedule.timezone}

[Timer]
{lines}
{jitter}AccuracySec=1s
Persistent={"yes" if schedule.catch_up else "no"}

[Install]
WantedBy=timers.target
"""


def _plain(text: str) -> str:
    """Return text of one value: `%` begins a specifier."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return a word of a command line of systemd, in which `%` and `$` have a meaning."""
    word = _plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{word}"'
