"""An HTTP proxy that returns wrong answers, as often as it is configured to."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LOST = 0
"""In place of a status: the request is executed, and the answer is lost."""
LATE = -1
"""In place of a status: the request is executed, and the answer arrives after the client's timeout."""
_LATE_SECONDS = 11


class Front:
    """A proxy. `faults` are the statuses for the next requests that write, and `requests` counts these requests.

    A request with a header in `refused` is answered by 501. Headers in `dropped` are not passed on.
    """

    def __init__(self, address: str) -> None:
        self.upstream = urlsplit(address).netloc
        self.faults: list[int] = []
        self.requests = 0
        self.refused: tuple[str, ...] = ()
        self.dropped: tuple[str, ...] = ()
        self.address = ""

    def fault(self, method: str) -> int | None:
        if method not in ("PUT", "POST"):
            return None
        self.requests += 1
        return self.faults.pop(0) if self.faults else None


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = front.fault(self.command)
            if any(self.headers.get(name) for name in front.refused):
                fault = 501
            for name in front.dropped:
                del self.headers[name]
            if fault and fault > 0:
                self.send_response(fault)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            upstream = http.client.HTTPConnection(front.upstream, timeout=30)
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            content = found.read()
            upstream.close()
            if fault == LATE:
                time.sleep(_LATE_SECONDS)
            if fault in (LOST, LATE):
                self.close_connection = True
                return
            self.send_response(found.status)
            for name, value in found.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = found.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    return Handler


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that was killed, because these tests kill clients."""


@contextmanager
def in_front_of(address: str) -> Iterator[Front]:
    front = Front(address)
    with Quiet(("127.0.0.1", 0), _handler(front)) as server:
        front.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()
