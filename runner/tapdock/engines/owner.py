"""Whose a leftover is: a process named so that nobody else's, now or later, has the same name."""

import os
import socket
from functools import cache
from pathlib import Path

__all__ = ["is_alive", "mine"]


@cache
def mine() -> str:
    """This process, as it stands in labels: machine, process-id namespace, process id, and when it began."""
    return f"{_place()}/{os.getpid()}/{_began(os.getpid())}"


def is_alive(owner: str) -> bool | None:
    """Whether that process still runs; None when it ran in a place that cannot be seen from here."""
    place, _, rest = owner.partition("/")
    pid, _, began = rest.partition("/")
    if place != _place() or not pid.isdigit():
        return None
    return _began(int(pid)) == began


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - pathlib has no stat of what a magic link means
    except OSError:
        return socket.gethostname()


def _began(pid: int) -> str:
    """Start time in clock ticks since boot; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() else _asked(pid)
    # The name in parentheses may hold anything: fields are counted from its end (man 5 proc).
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _asked(pid: int) -> str:
    """Where there is no /proc (macOS): whether it can be signalled is all there is to know."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass  # somebody else's, but there
    return "running"
