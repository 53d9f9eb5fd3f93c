"""Open files of the folder that both connectors share, so that no name can lead out of it.

Both containers can write there at the same time: any part of a path may become a link, a pipe or another folder. So
each folder of a path is opened below the one before, and only the opened file is read.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

from tapdock.launch import SCRATCH

__all__ = ["SharedFile", "opened", "parts_of"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class SharedFile(NamedTuple):
    """An open file, and how to remove it."""

    data: BinaryIO
    folder: int
    name: str

    def remove(self) -> None:
        """Remove the name from the folder in which the file was found. Raises OSError."""
        os.unlink(self.name, dir_fd=self.folder)


def parts_of(url: str) -> tuple[str, ...] | None:
    """Return the parts of a file's path below the shared folder; None for a file in another place."""
    try:
        address = urlsplit(url)
    except ValueError:
        return None
    if address.scheme not in ("", "file"):
        return None
    path = PurePosixPath(unquote(address.path))
    if not path.is_relative_to(SCRATCH):
        return None
    parts = path.relative_to(SCRATCH).parts
    return parts if parts and ".." not in parts and "\0" not in str(path) else None


@contextmanager
def opened(scratch: str, parts: tuple[str, ...]) -> Iterator[SharedFile]:
    """Open a regular file below `scratch`, this process's path of the shared folder.

    Raises OSError if a part of the path is a link, or if it is not a regular file.
    """
    folder = os.open(scratch, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = _inside(folder, part, _FOLDER)
            os.close(folder)
            folder = inner
        fd = _inside(folder, parts[-1], _FILE)
        with os.fdopen(fd, "rb") as data:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(f"`{'/'.join(parts)}` is not a regular file")
            yield SharedFile(data, folder, parts[-1])
    finally:
        os.close(folder)


def _inside(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(f"`{name}` is a link, or not a folder") from error
        raise
