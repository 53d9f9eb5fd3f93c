"""Read the source while the target's pipe is full, so that a target that pauses does not stop the source."""

import os
import select
from collections import deque
from typing import Protocol

__all__ = ["CHUNK", "Output", "ReadAhead"]

# Read in pieces that the allocator reuses: a megabyte at a time costs page faults and grows the process (measured).
CHUNK = 128 << 10


class Output(Protocol):
    """A side with an output, as a file descriptor."""

    out: int


class ReadAhead:
    """The source's output that was read before the target could take it: at most `size` bytes, `held` at present.

    The bytes are those that the source printed, in their order. Nothing is translated, counted or acknowledged before
    it was taken. Only the pump's thread calls the methods, and after it `Pump.salvage`.
    """

    def __init__(self, source: Output, size: int) -> None:
        self.held = 0
        self._source = source
        self._size = size
        self._chunks: deque[bytes | bytearray] = deque()
        self._ended = False
        self._blocks = True

    def take(self) -> bytes:
        """Return the oldest bytes, at most CHUNK of them; nothing if no byte is held."""
        try:
            chunk = self._chunks.popleft()
        except IndexError:
            return b""
        self.held -= len(chunk)
        return bytes(chunk)

    def write(self, target: int, data: memoryview) -> None:
        """Write all data to the target. While its pipe is full, read the source. Raises BrokenPipeError."""
        while data:
            self._block(target, blocking=self._is_full)
            try:
                data = data[os.write(target, data) :]
            except BlockingIOError:
                self._wait(target)

    @property
    def _is_full(self) -> bool:
        return self._ended or self.held >= self._size

    def _block(self, target: int, *, blocking: bool) -> None:
        """Let writes block if nothing can be read in the meantime: this costs fewer system calls than to wait here."""
        if self._blocks != blocking:
            os.set_blocking(target, blocking)
            self._blocks = blocking

    def _wait(self, target: int) -> None:
        """Read the source until the target takes more or has exited, or nothing more can be read."""
        poll = select.poll()
        poll.register(target, select.POLLOUT)
        poll.register(self._source.out, select.POLLIN)
        while not self._is_full:
            if target in (fd for fd, _ in poll.poll()):  # first, so that a fast source does not delay the target
                return
            self._read()

    def _read(self) -> None:
        """Read once. What the source prints in small pieces is kept together, because each piece has its own cost."""
        chunk = os.read(self._source.out, min(CHUNK, self._size - self.held))
        last = self._chunks[-1] if self._chunks else b""
        if not chunk:
            self._ended = True
        elif isinstance(last, bytearray) and len(last) + len(chunk) <= CHUNK:
            last += chunk
        else:
            self._chunks.append(chunk if len(chunk) > CHUNK // 2 else bytearray(chunk))
        self.held += len(chunk)
