"""What a run must not leave behind, whatever its ending."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LABEL = "io.tapdock.run"


def containers(api: Any, *, role: str | None = None) -> list[dict[str, Any]]:
    """Those of any run, in any state."""
    labels = [LABEL, *([f"io.tapdock.role={role}"] if role else [])]
    return api.containers(all=True, filters={"label": labels})


def volumes(api: Any) -> list[str]:
    return [volume["Name"] for volume in api.volumes(filters={"label": LABEL})["Volumes"] or []]


def processes(mark: str) -> dict[int, str]:
    """Processes with `mark` in their command line, other than this one."""
    return {pid: line for pid, line in command_lines() if mark in line and pid != os.getpid()}


def command_lines() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it ended meanwhile
        yield int(entry.name), line


def files_with(text: str, folder: Path) -> list[Path]:
    """Files below `folder` that hold `text`; pipes are not opened."""
    needle = text.encode()
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def run_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith("tapdock-")] if folder.exists() else []
