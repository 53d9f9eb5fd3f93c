"""Images by `tapdock build`, a PostgreSQL on a network of its own, and projects that share what is slow."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from connectors.images import CHECKOUT, base_image, made
from e2e.project import HERE, Shop
from tapdock.engines import owner

LOGIN = ("--username=tapdock", "--dbname=warehouse")
PASSWORD = f"pass{secrets.token_hex(8)}"
TOKEN = f"token{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Postgres:
    """A server in a container; `host` is its name on `network`."""

    api: Any
    host: str
    network: str

    def key(self, table: str) -> list[str]:
        """The columns of its primary key, in the key's order."""
        rows = self.query(
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
            f" WHERE indrelid = '{table}'::regclass AND indisprimary ORDER BY array_position(indkey, attnum)"
        )
        return [column for (column,) in rows]

    def query(self, sql: str) -> list[list[str]]:
        """Rows as psql prints them: numbers in their own digits."""
        command = ["psql", *LOGIN, "--no-align", "--tuples-only", "--command", sql]
        started = self.api.exec_create(self.host, command)
        said = self.api.exec_start(started).decode()
        assert self.api.exec_inspect(started)["ExitCode"] == 0, said
        return [line.split("|") for line in said.splitlines()]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def environ(api) -> dict[str, str]:
    """What the project file asks for, and where images come from."""
    return {
        "TAPDOCK_BASE_IMAGE": os.environ.get("TAPDOCK_BASE_IMAGE") or base_image(),
        "LEDGER_IMAGE": made(api, "tapdock-test/ledger", _files(HERE / "ledger"), {"BASE_IMAGE": base_image()}),
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
    files = _files(CHECKOUT / "images" / "warehouse")
    image = made(api, "tapdock-test/warehouse", files, {"BASE_IMAGE": base_image()})
    name = environ["POSTGRES_HOST"]
    labels = {"io.tapdock.test": "e2e", "io.tapdock.owner": owner.mine()}
    answers = ExecWaitStrategy(["pg_isready", *LOGIN]).with_startup_timeout(30)
    container = DockerContainer(image, name=name, env={"POSTGRES_PASSWORD": PASSWORD}, _wait_strategy=answers)
    api.create_network(name, labels=labels)
    try:
        with container.with_kwargs(network=name, labels=labels, init=True):
            yield Postgres(api, name, name)
    finally:
        api.remove_network(name)
