"""Files that are written whole or not at all, and private folders, which only their owner can open."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

__all__ = ["is_missing", "made", "tightened", "write_whole"]

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


def is_missing(path: str | Path) -> bool:
    """Return True if there is certainly nothing at a path: False also if this user may not look there."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True, alone: bool = False) -> None:
    """Write a file so that readers find the old content or the new content, and never a part of it.

    A `durable` file survives a power failure. `alone` promises that no other process writes this path at the same time:
    the temporary file then has a fixed name, and one that a killed process left is replaced. The file has `mode` less
    the umask. Raises OSError; `path` is then as it was.
    """
    aside = path.with_name(f".{path.name}.new" if alone else f".{path.name}.{token_hex(4)}")
    if alone:
        aside.unlink(missing_ok=True)
    # In a folder where everybody may write, the name may be taken: nothing is written through a link.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(descriptor)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    if durable:
        _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
