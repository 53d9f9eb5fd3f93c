"""Named pipes that are identified by their inode: after its creation, no pipe is opened by its name again.

The folder of the pipes is mounted into the container. If the container can write there, it can replace a pipe by a
link, a device or another pipe. A process on the host that opens that name would then follow it out of the folder.
"""

import os
import stat
import threading
from pathlib import Path

from tapdock.errors import EngineError

__all__ = ["PipeFolder"]

_FOR_ANYBODY = 0o777
_ANYBODY = 0o666


class PipeFolder:
    """The pipes of one connector in `folder`, which is created if it is missing. `close` releases every handle."""

    def __init__(self, folder: Path) -> None:
        self._handles: dict[str, int] = {}
        self._lock = threading.Lock()
        folder.mkdir(exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        # Without a sticky bit: with one, `fs.protected_fifos` would refuse the pipes to users other than their owner.
        if stat.S_IMODE(os.fstat(self._folder).st_mode) != _FOR_ANYBODY:  # a volume is created with this mode
            os.fchmod(self._folder, _FOR_ANYBODY)

    def make(self, name: str) -> None:
        """Create a pipe that a connector of any user can open. Raises EngineError if the name exists already."""
        try:
            os.mkfifo(name, dir_fd=self._folder)
        except FileExistsError as error:
            hint = "another run used this folder or a container wrote into it; start the run with an empty folder"
            raise EngineError(f"the folder of the pipes already contains `{name}`", hint=hint) from error
        self._handles[name] = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        if not stat.S_ISFIFO(os.fstat(self._handles[name]).st_mode):
            raise EngineError(
                f"`{name}` was replaced while the pipes were created", hint="check the connectors' images"
            )
        os.chmod(f"/proc/self/fd/{self._handles[name]}", _ANYBODY)  # noqa: PTH101 - a path into /proc

    def open(self, name: str, flags: int) -> int:
        """Open the pipe that was created with this name, even if the name now refers to another file.

        Raises BrokenPipeError after `close`, because other threads may still try to open pipes.
        """
        with self._lock:
            if name not in self._handles:
                raise BrokenPipeError(f"the pipe `{name}` is closed")
            handle = os.dup(self._handles[name])
        try:
            fd = os.open(f"/proc/self/fd/{handle}", flags | os.O_CLOEXEC)
            found, made = os.fstat(fd), os.fstat(handle)
            assert (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino), "opened by its descriptor"
            return fd
        finally:
            os.close(handle)

    def rename(self, name: str, new: str) -> None:
        """Give a pipe its final name."""
        os.rename(name, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._handles[new] = self._handles.pop(name)

    def hide(self, *names: str) -> None:
        """Remove names, so that no other process can open these pipes. `open` still works."""
        with self._lock:
            for name in names if self._folder >= 0 else ():
                try:
                    os.unlink(name, dir_fd=self._folder)
                except OSError:
                    pass  # a container that can write here removed or replaced it; the pipe itself is not affected

    def close(self) -> None:
        with self._lock:
            for fd in (self._folder, *self._handles.values()):
                os.close(fd)
            self._handles = {}
            self._folder = -1
