"""The relay's ends of one connector's pipes; its launcher holds the others (engines/launcher.sh)."""

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
"""All that a launcher says on its control pipe (engines/launcher.sh)."""
_FOLLOWS = {b"": {b"hello"}, b"hello": {b"short", b"config", b"exit"}, b"config": {b"exit"}}
"""What it says next, each word at most once."""


def unread(fd: int) -> int:
    """Bytes in a pipe that its reader has not taken yet."""
    (count,) = unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
    return int(count)


def _widen(fd: int) -> None:
    """A bigger buffer means fewer switches; an unprivileged user may be over their share, and then it stays small."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CAPACITY)


class SidePipes:
    """Context manager: pipes made in `folder` and opened before the container starts, closed in every ending.

    Opening never waits: read ends are opened non-blocking, `orders` for both ways. What must wait (an input file, a
    target's stdin) is opened after the launcher's hello, and `release` frees whoever still waits for a launcher
    that is gone. `orders` gets its name last: a launcher that finds it knows that somebody holds the other ends, or
    did and is dead. Names are removed as soon as the launcher has opened its ends: the connector must not find them.
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
        """Leave the descriptors of data to a thread that does not end, and connect them to nothing.

        Closed, their numbers would go to the next file or socket that is opened, and the thread would use that.
        """
        self._abandoned = True
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in (self.out, self.input):
            if fd >= 0:
                os.dup2(nothing, fd, inheritable=False)
        os.close(nothing)

    def begin(self) -> bool:
        """After the hello: the launcher holds its ends, so from now on reads and writes may wait.

        False when it said hello and was killed: nobody reads its input, and its exit code is yet to be heard.
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
        """Write each input file as the launcher asks for it; returns early when the launcher is gone."""
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
        """The late file is known now."""
        self._late.put(content)

    def words(self) -> Iterator[list[str]]:
        """What the launcher says, word by word, until its end closes; an empty list for what no launcher says.

        Behind such a word nothing is believed any more: it is read and dropped, so that the end is still seen.
        Zero bytes before anybody opened the pipe are not the end: poll tells of the end only after a first writer.
        Whoever takes the words owns `control` and `config` from now on, and they are closed behind the last one. Closed
        by another thread, their numbers would go to the next file or socket that is opened, to be read from here.
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
        for name in self._file_pipes:
            self._held.append(self._pipes.open(name, os.O_RDONLY | os.O_NONBLOCK))
        self._end_listening()

    def _end_listening(self) -> None:
        """A writer that comes and goes: to whoever waits for a first word, or for a config, that is the end."""
        for name in ("control", "config"):
            with contextlib.suppress(OSError):  # nobody waits, or the pipe was never made
                _close(self._pipes.open(name, os.O_WRONLY | os.O_NONBLOCK))

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
