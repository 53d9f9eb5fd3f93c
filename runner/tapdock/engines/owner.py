"""Name the process that owns a leftover. The name is unique: no other process has it, now or later."""

import os
import re
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["is_alive", "mine"]


_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


@cache
def mine(container: str = "") -> str:
    """Return this process's name for labels: machine and process-id namespace, process id, start time, container.

    `container` is the life of its container (`OwnContainer.life`), or empty.
    """
    return f"{_place()}/{os.getpid()}/{_began(os.getpid())}/{container}"


def is_alive(owner: str, *, runs: Callable[[str], bool | None] = lambda _: None) -> bool | None:
    """Return whether that process still runs; None if it ran in a place that is not visible from here.

    `runs` returns whether that life of a container goes on: a process ends with it at the latest.
    """
    place, pid, began, container, started = (*owner.split("/"), "", "", "", "")[:5]
    if place != _place():
        life = f"{container}/{started}" if _TIME.match(started) else container  # else it is the name of the engine
        return runs(life) if container else None
    if not pid.isdigit():
        return None
    found = _began(int(pid))
    # If /proc hides a process, its number may belong to a new one. Then a leftover is only removed later.
    return found == began if found else _is_there(int(pid))


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - pathlib has no stat of what a magic link means
    except OSError:
        return socket.gethostname()


def _began(pid: int) -> str:
    """Return the start time in clock ticks since boot; empty if /proc hides it (hidepid), `over` for a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):  # the second one if it ends between opening and reading
        return ""
    # The name in parentheses may contain anything, so fields are counted from its end (man 5 proc).
    fields = text.rpartition(")")[2].split()
    return "over" if fields[0] in "ZX" else fields[19]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user, but it exists
    return True
