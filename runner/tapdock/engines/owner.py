"""Whose a leftover is: a process named so that nobody else's, now or later, has the same name."""

import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["is_alive", "mine"]


@cache
def mine(container: str = "") -> str:
    """This process, as it stands in labels: machine and process-id namespace, process id, when it began, container."""
    return f"{_place()}/{os.getpid()}/{_began(os.getpid())}/{container}"


def is_alive(owner: str, *, runs: Callable[[str], bool | None] = lambda _: None) -> bool | None:
    """Whether that process still runs; None when it ran in a place that cannot be seen from here.

    `runs` tells of a container's id whether it does: a process in it ends with it at the latest.
    """
    place, pid, began, container = (*owner.split("/"), "", "", "")[:4]
    if place != _place():
        return runs(container) if container else None
    if not pid.isdigit():
        return None
    found = _began(int(pid))
    # Whose entry in /proc is hidden from us may have got the number of one that is gone: that costs a clean-up only.
    return found == began if found else _is_there(int(pid))


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - pathlib has no stat of what a magic link means
    except OSError:
        return socket.gethostname()


def _began(pid: int) -> str:
    """Start time in clock ticks since boot; empty where /proc does not tell, as of another user's (hidepid)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
    # The name in parentheses may hold anything: fields are counted from its end (man 5 proc).
    fields = text.rpartition(")")[2].split()
    return "over" if fields[0] in "ZX" else fields[19]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, but there
    return True
