"""Private folders, which only their owner can open."""

import os
import stat
from pathlib import Path

__all__ = ["made", "tightened"]

_FOLDER = ".tapdock"
"""Of a project: caches, records of runs, states without a place of their own."""


def made(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone.

    `mkdir` takes a mode for the last one only.
    """
    if not folder.parent.exists():
        made(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def tightened(folder: Path) -> str | None:
    """Close a project's private folder to everybody but its owner. Return a warning where it is not ours to close.

    A folder that the user has named (TAPDOCK_HOME) may have other uses, and a link leads to one: those stay as they
    are. What we make inside is closed anyway.
    """
    try:
        found = folder.lstat()
    except OSError:
        return None
    if folder.name != _FOLDER or not stat.S_ISDIR(found.st_mode) or not found.st_mode & 0o077:
        return None
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to uid {found.st_uid} and is open to other users; its owner can `chmod 700` it"
    folder.chmod(0o700)
    return None
