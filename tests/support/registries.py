"""Small registries in the formats of Airbyte and MeltanoHub, a web server for them, and the samples of real ones."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(os.environ.get("TAPDOCK_REGISTRY_SAMPLES") or Path(__file__).parents[2].parent / "shared" / "registry")
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"the samples are not at {SAMPLES}; TAPDOCK_REGISTRY_SAMPLES names another place"
)
INDEX = "/hub/plugins/extractors/index"


def entry(repository: str, title: str, **more: Any) -> dict[str, Any]:
    """Return an entry of Airbyte's registry."""
    tag = more.pop("tag", "1.2.3")
    return {"name": title, "dockerRepository": repository, "dockerImageTag": tag, "license": "MIT", **more}


def spec(*required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"connectionSpecification": schema}


SHOP = entry(
    "airbyte/source-shop",
    "Shop",
    license="ELv2",
    supportLevel="certified",
    maxSecondsBetweenMessages=7200,
    suggestedStreams={"streams": ["orders", "on"]},
    unknown={"field": [1]},
    spec=spec(
        "token",
        "region",
        region={"type": "string", "default": "eu$${X}", "order": 2},
        token={"type": "string", "airbyte_secret": True, "description": "A <b>token</b>\nof the shop", "order": 1},
        extra={"type": "string", "airbyte_secret": True},
    ),
)
AIRBYTE = {
    "sources": [SHOP, entry("airbyte/source-only", "Only Here"), {"name": "no image"}],
    "destinations": [entry("airbyte/destination-shop", "Shop"), entry("airbyte/destination-lake", "Lake")],
}
PLUGIN = {
    "name": "tap-shop",
    "variant": "one",
    "namespace": "tap_shop",
    "pip_url": "tap-shop==2.0",
    "settings": [{"name": "auth.key", "kind": "password", "description": "The key"}, {"name": "days", "value": 3}],
    "settings_group_validation": [["auth.key", "days"]],
}
TWO = PLUGIN | {"variant": "two", "pip_url": "git+https://git.example/tap-shop.git@v1", "hidden": True}


def index(**plugins: list[str]) -> dict[str, Any]:
    """Return an index: the first variant of each plugin is the default."""
    return {
        name.replace("_", "-"): {
            "default_variant": variants[0],
            "variants": {each: {"ref": f"https://elsewhere.example/{each}"} for each in variants},
            "logo_url": None,
        }
        for name, variants in plugins.items()
    }


PAGES: dict[str, Any] = {
    "/airbyte.json": AIRBYTE,
    INDEX: index(tap_shop=["one", "two", "airbyte"], tap_single=["only"]),
    "/hub/plugins/loaders/index": index(target_sink=["main"]),
    "/hub/plugins/loaders/target-sink--main": PLUGIN | {"name": "target-sink", "pip_url": "target-sink"},
    "/hub/plugins/extractors/tap-shop--one": PLUGIN,
    "/hub/plugins/extractors/tap-shop--two": TWO,
    "/hub/plugins/extractors/tap-single--only": PLUGIN | {"name": "tap-single", "pip_url": "tap-single"},
}


class Server(ThreadingHTTPServer):
    """A web server of `pages`: a path has a JSON value, text, or a status with a place to go on. `asked` are paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = dict(PAGES)
        self.asked: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path, (404, ""))
        status, place = page if isinstance(page, tuple) else (200, "")
        body = page if isinstance(page, bytes) else b"" if isinstance(page, tuple) else json.dumps(page).encode()
        self.send_response(status)
        if place:
            self.send_header("Location", place)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the end of the block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
