"""Images by `tapdock build`, a PostgreSQL on a network of its own, and projects that share what is slow."""

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker.errors
import pytest

from connectors.images import base_image, made
from e2e.project import HERE, Shop

PASSWORD = f"pass{secrets.token_hex(8)}"
TOKEN = f"token{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Postgres:
    """A server in a container; `host` is its name on `network`."""

    api: Any
    host: str
    network: str

    def query(self, sql: str) -> list[list[str]]:
        """Rows as psql prints them: numbers in their own digits."""
        command = ["psql", "--host=/tmp", "--no-align", "--tuples-only", "--command", sql]
        started = self.api.exec_create(self.host, command)
        said = self.api.exec_start(started).decode()
        assert self.api.exec_inspect(started)["ExitCode"] == 0, said
        return [line.split("|") for line in said.splitlines()]


def _files(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (HERE / name).iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def environ(api) -> dict[str, str]:
    """What the project file asks for, and where images come from."""
    return {
        "TAPDOCK_BASE_IMAGE": os.environ.get("TAPDOCK_BASE_IMAGE") or base_image(),
        "LEDGER_IMAGE": made(api, "tapdock-test/ledger", _files("ledger"), {"BASE_IMAGE": base_image()}),
        "LEDGER_TOKEN": TOKEN,
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_HOST": f"tapdock-e2e-{os.getpid()}",
        "POSTGRES_NETWORK": f"tapdock-e2e-{os.getpid()}",
        "TAPDOCK_LOG_FORMAT": "text",
    }


@pytest.fixture(scope="session")
def built(environ, tmp_path_factory) -> Shop:
    """The project with its images made, and its streams found."""
    shop = Shop.made(tmp_path_factory.mktemp("shop") / "project", environ)
    shop.well("build")
    for blocks in ("shop", "books"):
        shop.well("run", blocks, "--dry-run")
    return shop


@pytest.fixture
def shop(built, tmp_path) -> Shop:
    """A project of one test's own."""
    return built.branch(tmp_path / "project")


@pytest.fixture(scope="session")
def postgres(api, environ) -> Iterator[Postgres]:
    image = made(api, "tapdock-test/postgres", _files("postgres"), {"BASE_IMAGE": base_image()})
    name = environ["POSTGRES_HOST"]
    api.create_network(name, labels={"io.tapdock.test": "e2e"})
    try:
        container = api.create_container(
            image,
            name=name,
            environment={"POSTGRES_PASSWORD": PASSWORD},
            labels={"io.tapdock.test": "e2e"},
            host_config=api.create_host_config(network_mode=name, init=True),
        )
        api.start(container)
        server = Postgres(api, name, name)
        _wait_for(server)
        yield server
    finally:
        _remove(api, name)


def _wait_for(server: Postgres) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.query("SELECT 1")
        except (AssertionError, docker.errors.APIError):
            assert time.monotonic() < deadline, server.api.logs(server.host).decode()
            time.sleep(0.2)
        else:
            return


def _remove(api: Any, name: str) -> None:
    try:
        api.remove_container(name, force=True, v=True)
    except docker.errors.NotFound:
        pass  # it was never made
    api.remove_network(name)
