"""Runs the web service `web/` in a container, as the API of low-code sources."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from connectors.images import base_image, made
from e2e.project import HERE
from tapdock.engines import owner

ASK = """\
import sys, urllib.request
body = sys.argv[2].encode() if sys.argv[2:] else None
print(urllib.request.urlopen(sys.argv[1], body).read().decode())
"""


@dataclass(frozen=True)
class Web:
    """The server in its container. `name` is the name of the container and of its network."""

    api: Any
    name: str

    @classmethod
    @contextmanager
    def served(cls, api: Any) -> Iterator[Self]:
        files = {path.name: path.read_bytes() for path in (HERE / "web").iterdir()}
        image = made(api, "tapdock-test/web", files, {"BASE_IMAGE": base_image()})
        name = f"tapdock-web-{os.getpid()}"
        labels = {"io.tapdock.test": "e2e", "io.tapdock.owner": owner.mine()}
        answers = ExecWaitStrategy(["python3", "-c", ASK, "http://localhost:8080/asked"]).with_startup_timeout(30)
        container = DockerContainer(image, name=name, _wait_strategy=answers)
        api.create_network(name, labels=labels)
        try:
            with container.with_kwargs(network=name, labels=labels, init=True):
                yield cls(api, name)
        finally:
            api.remove_network(name)

    @property
    def environ(self) -> dict[str, str]:
        """Return the variables that a project needs to read from the service."""
        return {"WEB_URL": f"http://{self.name}:8080", "WEB_TOKEN": "open-sesame", "WEB_NETWORK": self.name}

    def ask(self, path: str, *body: str) -> Any:
        """Return the answer of the service to a request. A request with a body is a POST."""
        command = ["python3", "-c", ASK, f"http://localhost:8080{path}", *body]
        started = self.api.exec_create(self.name, command)
        said = self.api.exec_start(started).decode()
        assert self.api.exec_inspect(started)["ExitCode"] == 0, said
        return json.loads(said)
