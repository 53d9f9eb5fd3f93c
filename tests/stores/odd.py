"""A server like S3, Google or Azure whose objects and listings do not end."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from stores.faulty import Quiet

Habit = Literal["long", "unannounced", "trickle"]
_HUGE = 10 * 1024**3
_PART = b"x" * (1 << 16)


class Odd:
    """`habit` is the behavior of all objects, `sent` counts their bytes, and `pages` counts the pages of listings."""

    def __init__(self, habit: Habit) -> None:
        self.habit = habit
        self.sent = 0
        self.pages = 0
        self.over = threading.Event()
        self.address = ""


def _handler(odd: Odd) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per answer

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if "list" in path.query or path.path.endswith("/o"):
                self.page()
            elif "/o/" in path.path and "alt=media" not in path.query:
                size = "1" if odd.habit == "unannounced" else str(self.length())
                self.whole("application/json", json.dumps({"name": "a", "generation": "5", "size": size}))
            else:
                self.body()

        def page(self) -> None:
            odd.pages += 1
            number = odd.pages
            self.whole(
                "application/xml",
                f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{number}"
                f"</NextContinuationToken></ListBucketResult>",
            )

        def whole(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def length(self) -> int:
            return 1000 if odd.habit == "trickle" else _HUGE

        def body(self) -> None:
            self.close_connection = True
            self.send_response(206 if self.headers.get("x-ms-range") else 200)
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
            self.send_header("x-ms-blob-type", "BlockBlob")
            said = 1 if odd.habit == "unannounced" else self.length()
            self.send_header("Content-Range", f"bytes 0-{said - 1}/{said}")
            if odd.habit != "unannounced":
                self.send_header("Content-Length", str(said))
            self.end_headers()
            with suppress(OSError):
                self.send_for_ever()

        def send_for_ever(self) -> None:
            left = self.length()
            while left > 0 and not odd.over.is_set():
                part = b"x" if odd.habit == "trickle" else _PART
                self.wfile.write(part)
                odd.sent += len(part)
                left -= len(part)
                if odd.habit == "trickle":
                    self.wfile.flush()
                    odd.over.wait(0.05)

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def serving(habit: Habit) -> Iterator[Odd]:
    odd = Odd(habit)
    with Quiet(("127.0.0.1", 0), _handler(odd)) as server:
        odd.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield odd
        finally:
            odd.over.set()
            server.shutdown()
            thread.join()
