"""Read and write the streams of a container: the engine sends frames and receives bytes.

Docker's own client waits for the socket before each read. With TLS, it blocks forever on data that is already decoded.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

__all__ = ["STDOUT", "Attached"]

STDOUT = 1
_HEADER = struct.Struct(">BxxxL")  # https://docs.docker.com/reference/api/engine/: "Stream format"
_MOST = 1 << 16
_TURN_MS = 1000
_T = TypeVar("_T")


class Attached:
    """`sock` is the result of `attach_socket`. One thread reads `frames` to the end; others may send and close."""

    def __init__(self, sock: Any) -> None:
        self._kept = sock  # the real socket is closed when this object is deleted
        self._sock: socket.socket = getattr(sock, "_sock", sock)
        self._sock.setblocking(False)
        self._lock = threading.Lock()  # two threads must not use a TLS session at the same time
        self._closed = False

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield the stream's number and some bytes. Raises OSError when the connection is lost."""
        data = b""
        with closing(self.chunks()) as chunks:
            for received in chunks:
                data += received
                while len(data) >= _HEADER.size:
                    stream, size = _HEADER.unpack_from(data)
                    end = _HEADER.size + size
                    if len(data) < end:
                        break
                    yield stream, data[_HEADER.size : end]
                    data = data[end:]

    def chunks(self) -> Generator[bytes]:
        """Yield bytes as they arrive: a container with a terminal sends no frames. Raises OSError."""
        try:
            while received := self._when_ready(select.POLLIN, lambda: self._sock.recv(_MOST)):
                yield received
        finally:
            with self._lock:
                self._closed = True
                self._sock.close()
                self._kept.close()

    def send(self, data: bytes) -> None:
        """Send all bytes. Raises OSError when the connection is closed or lost."""
        rest = memoryview(data)
        while rest:
            sent = self._when_ready(select.POLLOUT, partial(self._sock.send, rest))
            if not sent:
                raise BrokenPipeError("the connection to the container is closed")
            rest = rest[sent:]

    def close(self) -> None:
        """Shut the socket down. The reader closes it, because its number may be used again at once."""
        with self._lock, contextlib.suppress(OSError):
            if not self._closed:
                self._closed = True
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _when_ready(self, event: int, call: Callable[[], _T]) -> _T | None:
        """Return the result of `call` when the socket is ready for it; None if it was closed by `close`."""
        while True:
            with self._lock:
                if self._closed:
                    return None
                ready = select.poll()
                try:
                    return call()
                except ssl.SSLWantReadError:
                    ready.register(self._sock, select.POLLIN)
                except (BlockingIOError, ssl.SSLWantWriteError):
                    ready.register(self._sock, event)
            ready.poll(_TURN_MS)  # with a timeout, because another thread may have closed the socket meanwhile
