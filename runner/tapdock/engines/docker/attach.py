"""The streams of a container as the engine hands them over: frames in one direction, bytes in the other.

Docker's own client waits for the socket before each read, and so forever for what TLS has deciphered already.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

__all__ = ["STDOUT", "Attached"]

STDOUT = 1
_HEADER = struct.Struct(">BxxxL")  # https://docs.docker.com/reference/api/engine/: "Stream format"
_MOST = 1 << 16
_TURN_MS = 1000
_T = TypeVar("_T")


class Attached:
    """`sock` is what `attach_socket` gave. One thread reads `frames`, to the end; others may send, and close."""

    def __init__(self, sock: Any) -> None:
        self._kept = sock  # it closes the real one when nobody has it any more
        self._sock: socket.socket = getattr(sock, "_sock", sock)
        self._sock.setblocking(False)
        self._lock = threading.Lock()  # one TLS session is not for two threads at once
        self._closed = False

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """The stream's number and some bytes. Raises OSError when the connection breaks off."""
        data = b""
        try:
            while received := self._when_ready(select.POLLIN, lambda: self._sock.recv(_MOST)):
                data += received
                while len(data) >= _HEADER.size:
                    stream, size = _HEADER.unpack_from(data)
                    end = _HEADER.size + size
                    if len(data) < end:
                        break
                    yield stream, data[_HEADER.size : end]
                    data = data[end:]
        finally:
            with self._lock:
                self._closed = True
                self._sock.close()
                self._kept.close()

    def send(self, data: bytes) -> None:
        """Raises OSError when nobody takes it any more."""
        rest = memoryview(data)
        while rest:
            sent = self._when_ready(select.POLLOUT, partial(self._sock.send, rest))
            if not sent:
                raise BrokenPipeError("the connection to the container is closed")
            rest = rest[sent:]

    def close(self) -> None:
        """The reader wakes up and closes the socket itself: its number may be another's at once."""
        with self._lock, contextlib.suppress(OSError):
            if not self._closed:
                self._closed = True
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def _when_ready(self, event: int, call: Callable[[], _T]) -> _T | None:
        """What `call` gives once the socket is ready for it; None when it was closed here."""
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
            ready.poll(_TURN_MS)  # in turns: while one thread sends, the reader may have closed it
