"""Folders of runs, each with a file that names its owner: so the folders of killed runs can be found."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from tapdock.engines import owner
from tapdock.engines.base import Swept

__all__ = ["abandoned", "made", "remove", "sweep", "temporary"]

_PREFIX = "tapdock-run-"
_OWNER = "owner"
_OWNER_BYTES = 1 << 10
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def made(within: Path | None = None, *, container: str = "") -> Path:
    """Create a folder in `within`, or in that of temporary files, which only its user can open. Return its path."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
    (folder / _OWNER).write_text(owner.mine(container), "ascii")
    return folder


@contextmanager
def temporary(within: Path | None = None, *, container: str = "") -> Iterator[Path]:
    """Create a folder and yield its path; remove the folder afterwards."""
    folder = made(within, container=container)
    try:
        yield folder
    finally:
        remove(folder)


def abandoned(within: Path | None = None, *, runs: Callable[[str], bool | None] = lambda _: None) -> list[Path]:
    """Return the folders of this user whose owner is gone. `runs` returns whether the container with an id runs.

    Folders that others can open are ignored: in a shared folder, other users may create folders with such names.
    """
    found = (within or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*")
    return [folder for folder in found if _is_abandoned(folder, runs)]


def _is_abandoned(folder: Path, runs: Callable[[str], bool | None]) -> bool:
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        return False  # of another user, or already removed
    try:
        if not _is_private(os.fstat(fd)):
            return False
        written = os.open(_OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    try:
        if not stat.S_ISREG(os.fstat(written).st_mode):
            return False
        return owner.is_alive(os.read(written, _OWNER_BYTES).decode("ascii", "replace"), runs=runs) is False
    finally:
        os.close(written)


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == stat.S_IRWXU


def sweep(within: Path | None = None, *, runs: Callable[[str], bool | None] = lambda _: None) -> Swept:
    """Remove the folders whose owner is gone."""
    reasons = {str(folder): remove(folder) for folder in abandoned(within, runs=runs)}
    kept = tuple((folder, reason) for folder, reason in reasons.items() if reason)
    return Swept(tuple(folder for folder, reason in reasons.items() if not reason), kept)


def remove(folder: Path) -> str | None:
    """Remove a folder with its content. Return None, or the reason if a part of it remains.

    A container may have made folders that are nested thousands of levels deep, too deep for recursion and for a path.
    So entries of nested folders are moved up before they are removed, and only two folders are open at any time.
    """
    try:
        top = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error.strerror)
    try:
        while names := set(os.listdir(top)) - {_OWNER}:  # noqa: PTH208 - an open folder, not a path
            for name in names:
                _remove_one(top, name)
        with contextlib.suppress(FileNotFoundError):  # last, because it names the owner of what remains
            os.unlink(_OWNER, dir_fd=top)
        folder.rmdir()
    except OSError as error:
        return str(error.strerror)
    finally:
        os.close(top)
    return None


def _remove_one(top: int, name: str) -> None:
    """Remove an entry of `top`. The entries of a folder are moved into `top` first."""
    try:
        os.unlink(name, dir_fd=top)
    except IsADirectoryError:
        _remove_folder(top, name)


def _remove_folder(top: int, name: str) -> None:
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    path = f"/proc/self/fd/{handle}"  # the folder itself, also if its name was replaced
    try:
        with contextlib.suppress(PermissionError):  # of another user, but maybe writable for all
            os.chmod(path, stat.S_IRWXU)  # noqa: PTH101 - a path into /proc
        for each in os.listdir(path):  # noqa: PTH208 - a path into /proc
            os.rename(f"{path}/{each}", token_hex(8), dst_dir_fd=top)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=top)
