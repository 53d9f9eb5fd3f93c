"""The relay's ends of one connector's pipes; its launcher holds the others (engines/launcher.sh)."""

import contextlib
import errno
import fcntl
import os
import queue
import select
import stat
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import unpack

from tapdock.launch import InputFile

__all__ = ["CAPACITY", "Ends", "unread"]

CAPACITY = 1 << 20
_POLL_MS = 5
_FOR_ANYBODY = 0o777
_UNNAMED = "orders.new"


def unread(fd: int) -> int:
    """Bytes in a pipe that its reader has not taken yet."""
    (count,) = unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
    return int(count)


def _widen(fd: int) -> None:
    """A bigger buffer means fewer switches; an unprivileged user may be over their share, and then it stays small."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CAPACITY)


class Ends:
    """Context manager: pipes made in `folder` and opened before the container starts, closed in every ending.

    Opening never waits: read ends are opened non-blocking, `orders` for both ways. What must wait (an input file, a
    target's stdin) is opened after the launcher's hello, and `release` frees whoever still waits for a launcher
    that is gone. `orders` gets its name last: a launcher that finds it knows that somebody holds the other ends, or
    did and is dead.
    """

    def __init__(self, folder: Path, *, files: tuple[InputFile, ...], stdin: bool) -> None:
        self.folder = folder
        self._files = files
        self._stdin = stdin
        self._held: list[int] = []
        self._gone = self._listened = False
        self._lifeline = threading.Lock()
        self._late: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.control = self.orders = self.out = self.config = self.input = -1

    def __enter__(self) -> "Ends":
        self._make()
        self.control = self._open("control", os.O_RDONLY | os.O_NONBLOCK)
        self.orders = self._open(_UNNAMED, os.O_RDWR | os.O_NONBLOCK)
        self.out = self._open("out", os.O_RDONLY | os.O_NONBLOCK)
        self.config = self._open("config", os.O_RDONLY | os.O_NONBLOCK)
        (self.folder / _UNNAMED).rename(self.folder / "orders")
        return self

    def _make(self) -> None:
        """For a connector of any user, in a folder without sticky bit: `fs.protected_fifos` would refuse it others'."""
        folder = self.folder
        folder.mkdir(exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != _FOR_ANYBODY:  # a volume is so from its beginning, not ours to change
            folder.chmod(_FOR_ANYBODY)
        files = [f"file.{file.name}" for file in self._files]
        for name in ["control", "out", "config", *(["in"] if self._stdin else []), *files, _UNNAMED]:
            os.mkfifo(folder / name)
            (folder / name).chmod(0o666)

    def __exit__(self, *_: object) -> None:
        self._gone = True
        self._late.put(None)
        self._end_words()
        heard = () if self._listened else (self.control, self.config)
        for fd in (*heard, self.orders, self.out, self.input, *self._held):
            _close(fd)

    def _open(self, name: str, flags: int) -> int:
        return os.open(self.folder / name, flags | os.O_CLOEXEC)

    def begin(self) -> bool:
        """After the hello: the launcher holds its ends, so from now on reads and writes may wait.

        False when it said hello and was killed: nobody reads its input, and its exit code is yet to be heard.
        """
        if self._stdin:
            try:
                self.input = self._open("in", os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return False
            os.set_blocking(self.input, True)
            _widen(self.input)
        os.set_blocking(self.out, True)
        _widen(self.out)
        return True

    def feed_files(self) -> None:
        """Write each input file as the launcher asks for it; returns early when the launcher is gone."""
        with contextlib.suppress(BrokenPipeError):
            for file in self._files:
                content = self._late.get() if file.late else file.content
                if content is None:
                    return
                fd = self._open(f"file.{file.name}", os.O_WRONLY)
                try:
                    if self._gone:
                        return
                    _widen(fd)
                    write(fd, content)
                finally:
                    os.close(fd)

    def give(self, content: bytes) -> None:
        """The late file is known now."""
        self._late.put(content)

    def words(self) -> Iterator[list[str]]:
        """What the launcher says, word by word, until its end closes.

        Zero bytes before anybody opened the pipe are not the end: poll tells of the end only after a first writer.
        Whoever takes the words owns `control` and `config` from now on, and they are closed behind the last one. Closed
        by another thread, their numbers would go to the next file or socket that is opened, to be read from here.
        """
        self._listened = True
        return self._words()

    def _words(self) -> Iterator[list[str]]:
        rest = b""
        try:
            while chunk := _awaited(self.control, 4096):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode().split() for line in lines)
        finally:
            _close(self.control)
            _close(self.config)

    def read_config(self, size: int) -> str | None:
        """The config that the connector rewrote, once the launcher has announced it; None when that died meanwhile."""
        text = b""
        while len(text) < size:
            chunk = _awaited(self.config, size - len(text))
            if not chunk:
                return None
            text += chunk
        return text.decode("utf-8", "replace")

    def order(self, word: str) -> None:
        """Say `end` or `stop` to the launcher; nobody listening is fine."""
        with self._lifeline:
            if self.orders >= 0:
                os.write(self.orders, f"{word}\n".encode())

    def kill(self) -> None:
        """Cut the lifeline: the launcher kills its connector and itself."""
        with self._lifeline:
            fd, self.orders = self.orders, -1
            _close(fd)

    def release(self) -> None:
        """Free every open that waits for a launcher that is gone, and end `words`."""
        self._gone = True
        self._late.put(None)
        for name in [f"file.{file.name}" for file in self._files]:
            self._held.append(self._open(name, os.O_RDONLY | os.O_NONBLOCK))
        self._end_words()

    def _end_words(self) -> None:
        """A writer that comes and goes: to whoever waits for a first word, that is the end."""
        with contextlib.suppress(OSError):  # nobody waits, or the pipes are gone
            _close(self._open("control", os.O_WRONLY | os.O_NONBLOCK))

    def taken(self) -> bool:
        """Wait until the target has taken all its input; False when it left before.

        Without this a target that stops reading early would look like one that read everything (protocol.md 3.6).
        """
        poll = select.poll()
        poll.register(self.input, 0)  # only errors and hang-ups
        while unread(self.input):
            if poll.poll(_POLL_MS):
                return False
        return not poll.poll(0)

    def end_input(self) -> None:
        """Let the target see the end of its input: to it, that is a commit."""
        self.order("end")
        fd, self.input = self.input, -1
        _close(fd)


def _awaited(fd: int, size: int) -> bytes:
    """Some bytes of a pipe that does not block by itself; empty once nobody may write any more.

    Woken by the last writer's end, one may find the next writer there already, who has said nothing yet.
    """
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        poll.poll()
        try:
            return os.read(fd, size)
        except BlockingIOError:
            continue


def write(fd: int, data: bytes | memoryview) -> None:
    """All of it, waiting as the reader makes us wait."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
