"""Private folders, which only their owner can open."""

import os
import stat
from pathlib import Path

__all__ = ["made", "tightened"]

_FOLDER = ".tapdock"
"""A project's private folder: caches, run records, and states if no `state_backend` is configured."""


def made(folder: Path) -> None:
    """Create a folder and its missing parents for their owner only. `mkdir` would set the mode of the last one only."""
    if not folder.parent.exists():
        made(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def tightened(folder: Path) -> str | None:
    """Close a project's private folder to everybody but its owner. Return a warning if it belongs to another user.

    A link, or a folder in TAPDOCK_HOME, may have other uses and stays unchanged. The folders in it are closed anyway.
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
