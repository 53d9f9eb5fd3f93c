"""Finds what a run must not leave behind, however it ends."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LABEL = "io.tapdock.run"


def containers(api: Any, pids: set[int], *, role: str | None = None) -> list[dict[str, Any]]:
    """Return the containers of our own processes, in any state. Other processes may use the same engine."""
    labels = [LABEL, *([f"io.tapdock.role={role}"] if role else [])]
    found = api.containers(all=True, filters={"label": labels})
    return [container for container in found if _is_owned(container["Labels"], pids)]


def networks(api: Any, pids: set[int]) -> list[str]:
    found = api.networks(filters={"label": LABEL})
    return [network["Name"] for network in found if _is_owned(network["Labels"], pids)]


def volumes(api: Any, pids: set[int]) -> list[str]:
    found = api.volumes(filters={"label": LABEL})["Volumes"] or []
    return [volume["Name"] for volume in found if _is_owned(volume["Labels"], pids)]


def _is_owned(labels: dict[str, str], pids: set[int]) -> bool:
    """Return whether this process is the owner: the second part of `io.tapdock.owner` is a process id."""
    return labels.get("io.tapdock.owner", "").split("/")[1:2] in [[str(pid)] for pid in pids]


def processes(mark: str) -> dict[int, str]:
    """Return the processes with `mark` in their command line, other than this one."""
    return {pid: line for pid, line in command_lines() if mark in line and pid != os.getpid()}


def lines_in(container: str) -> list[str]:
    """Return the command lines of a container's processes; its id is in the names of their cgroups."""
    return [line for pid, line in command_lines() if container.encode() in _content(Path(f"/proc/{pid}/cgroup"))]


def command_lines() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # the process has ended meanwhile
        yield int(entry.name), line


def files_with(text: str, folder: Path) -> list[Path]:
    """Return the files below `folder` that contain `text`. Pipes are not opened; files of other tests may vanish."""
    paths = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return [path for path in paths if path.is_file() and text.encode() in _content(path)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def run_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith("tapdock-")] if folder.exists() else []
