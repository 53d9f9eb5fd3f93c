"""A socket in front of the engine's own socket.

If the socket is cut, the engine is unreachable for this client only.
"""

import socket
import threading
from pathlib import Path

ENGINE = "unix:///var/run/docker.sock"


class Proxy:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[socket.socket] = []

    def __enter__(self) -> "Proxy":
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(32)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Refuse new connections, and close all existing connections."""
        self.path.unlink(missing_ok=True)
        for each in (self._listening, *self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the connection is already closed
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(ENGINE.removeprefix("unix://"))
            self._open += (client, engine)
            for one, other in ((client, engine), (engine, client)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the connection was cut
