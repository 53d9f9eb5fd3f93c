"""The relay's ends of one connector's pipes. Its launcher holds the other ends (engines/launcher.sh)."""

import contextlib
import errno
import fcntl
import os
import queue
import re
import select
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import unpack

from tapdock.launch import InputFile
from tapdock.relay.fifos import PipeFolder

__all__ = ["CAPACITY", "SidePipes", "unread"]

CAPACITY = 1 << 20
_POLL_MS = 5
_UNNAMED = "orders.new"
_LONGEST_WORD = 4 << 10
_WORD = re.compile(rb"hello|exit \d{1,3}|short [\w.-]{1,64} \d{1,12} (?:\d{1,12}|-)|config \d{1,7}")
"""All words that a launcher may write to its control pipe (engines/launcher.sh)."""
_FOLLOWS = {b"": {b"hello"}, b"hello": {b"short", b"config", b"exit"}, b"config": {b"exit"}}
"""The words that may follow a word, each at most once."""


def unread(fd: int) -> int:
    """Return the number of bytes in a pipe that its reader has not read yet."""
    (count,) = unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
    return int(count)


def _widen(fd: int) -> None:
    """Enlarge the buffer of a pipe, for fewer context switches. It stays small if the user's limit is reached."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CAPACITY)


class SidePipes:
    """A context manager: pipes in `folder` that are opened before the container starts, and closed in every ending.

    Opening never waits: read ends are opened non-blocking, `orders` for reading and writing. Pipes that must wait (an
    input file, a target's stdin) are opened after the launcher's hello. `release` wakes threads that wait for a dead
    launcher. `orders` gets its name last, so its existence shows the launcher that the other ends are open, or that
    their process has died. Names are removed once the launcher has opened its ends, so the connector cannot find them.
    """

    def __init__(self, folder: Path, *, files: tuple[InputFile, ...], stdin: bool) -> None:
        self.folder = folder
        self._files = files
        self._stdin = stdin
        self._held: list[int] = []
        self._gone = self._listened = self._abandoned = False
        self._lifeline = threading.Lock()
        self._late: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.control = self.orders = self.out = self.config = self.input = -1

    def __enter__(self) -> "SidePipes":
        self._pipes = PipeFolder(self.folder)
        try:
            for name in ["control", "out", "config", *self._input_pipes, *self._file_pipes, _UNNAMED]:
                self._pipes.make(name)
            self.control = self._pipes.open("control", os.O_RDONLY | os.O_NONBLOCK)
            self.orders = self._pipes.open(_UNNAMED, os.O_RDWR | os.O_NONBLOCK)
            self.out = self._pipes.open("out", os.O_RDONLY | os.O_NONBLOCK)
            self.config = self._pipes.open("config", os.O_RDONLY | os.O_NONBLOCK)
            self._pipes.rename(_UNNAMED, "orders")
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def _input_pipes(self) -> list[str]:
        return ["in"] if self._stdin else []

    @property
    def _file_pipes(self) -> list[str]:
        return [f"file.{file.name}" for file in self._files]

    def __exit__(self, *_: object) -> None:
        self._gone = True
        self._late.put(None)
        self._end_listening()
        listened = () if self._listened else (self.control, self.config)
        pumped = () if self._abandoned else (self.out, self.input)
        for fd in (*listened, *pumped, self.orders, *self._held):
            _close(fd)
        self._pipes.close()

    def abandon(self) -> None:
        """Connect the descriptors of data to /dev/null, and leave them to a thread that does not end.

        If they were closed, the next opened file or socket would get their numbers, and the thread would use it.
        """
        self._abandoned = True
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in (self.out, self.input):
            if fd >= 0:
                os.dup2(nothing, fd, inheritable=False)
        os.close(nothing)

    def begin(self) -> bool:
        """Prepare the pipes after the hello: the launcher holds its ends, so reads and writes may now block.

        Return False if the launcher was killed after its hello: its input has no reader, and its exit code will follow.
        """
        self._pipes.hide("control", "orders", "out", "config", *self._input_pipes)
        if self._stdin:
            try:
                self.input = self._pipes.open("in", os.O_WRONLY | os.O_NONBLOCK)
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
        """Write each input file when the launcher opens it. Return early if the launcher is gone."""
        with contextlib.suppress(BrokenPipeError):
            for file in self._files:
                content = self._late.get() if file.late else file.content
                if content is None:
                    return
                fd = self._pipes.open(f"file.{file.name}", os.O_WRONLY)
                try:
                    if self._gone:
                        return
                    _widen(fd)
                    write(fd, content)
                finally:
                    os.close(fd)
                self._pipes.hide(f"file.{file.name}")

    def give(self, content: bytes) -> None:
        """Provide the content of the late file."""
        self._late.put(content)

    def words(self) -> Iterator[list[str]]:
        """Yield the launcher's messages, split into words, until its end closes; an empty list for an invalid message.

        After an invalid message, everything is read and discarded, so that the end is still detected. Zero bytes before
        a process opened the pipe are not the end: poll only reports the end after a first writer. The caller's thread
        owns `control` and `config`, and they are closed after the last message. If another thread closed them, the next
        opened file or socket would get their numbers and would be read here.
        """
        self._listened = True
        return self._words()

    def _words(self) -> Iterator[list[str]]:
        rest = last = b""
        believed = True
        try:
            while chunk := _awaited(self.control, _LONGEST_WORD):
                if not believed:
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_WORD:
                    lines.append(rest)
                for line in lines:
                    word = line.split(b" ")[0]
                    believed = _WORD.fullmatch(line) is not None and word in _FOLLOWS.get(last, ())
                    last = word
                    yield line.decode().split() if believed else []
                    if not believed:
                        break
        finally:
            _close(self.control)
            _close(self.config)

    def read_config(self, size: int) -> str | None:
        """Return the config that the connector rewrote, after the launcher announced it; None if the launcher died."""
        text = b""
        while len(text) < size:
            chunk = _awaited(self.config, size - len(text))
            if not chunk:
                return None
            text += chunk
        return text.decode("utf-8", "replace")

    def order(self, word: str) -> None:
        """Send `end` or `stop` to the launcher. A missing reader is not an error."""
        with self._lifeline:
            if self.orders >= 0:
                os.write(self.orders, f"{word}\n".encode())

    def kill(self) -> None:
        """Close the lifeline: the launcher then kills its connector and itself."""
        with self._lifeline:
            fd, self.orders = self.orders, -1
            _close(fd)

    def release(self) -> None:
        """Wake every thread that waits for a dead launcher to open a pipe, and end `words`."""
        self._gone = True
        self._late.put(None)
        for name in self._file_pipes:
            self._held.append(self._pipes.open(name, os.O_RDONLY | os.O_NONBLOCK))
        self._end_listening()

    def _end_listening(self) -> None:
        """Open and close the write ends: a thread that waits for a first word or for a config then reads the end."""
        for name in ("control", "config"):
            with contextlib.suppress(OSError):  # nobody waits, or the pipe was never made
                _close(self._pipes.open(name, os.O_WRONLY | os.O_NONBLOCK))

    def taken(self) -> bool:
        """Wait until the target has read all its input. Return False if it exited before.

        Without this, a target that stops reading early would look like one that read everything (protocol.md 3.6).
        """
        poll = select.poll()
        poll.register(self.input, 0)  # only errors and hang-ups
        while unread(self.input):
            if poll.poll(_POLL_MS):
                return False
        return not poll.poll(0)

    def end_input(self) -> None:
        """Let the target see the end of its input, at which it commits."""
        self.order("end")
        fd, self.input = self.input, -1
        _close(fd)


def _awaited(fd: int, size: int) -> bytes:
    """Wait for bytes of a non-blocking pipe and return them; return nothing after the last writer has closed it.

    A new writer may open the pipe between the wake-up and the read. The read then blocks, and the wait is repeated.
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
    """Write all data. Block while the reader is slow."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
