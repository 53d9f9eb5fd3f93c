"""Fixtures: images by `tapdock build`, a PostgreSQL server on its own network, and projects that share slow results."""

import dataclasses
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from connectors.images import CHECKOUT, base_image, image, made
from e2e.junction import Junction
from e2e.project import HERE, Shop
from e2e.service import Web
from tapdock.engines import owner

LOGIN = ("--username=tapdock", "--dbname=warehouse")
PASSWORD = f"pass{secrets.token_hex(8)}"
TOKEN = f"token{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server in a container, and one of its databases. `host` is its name on `network`."""

    api: Any
    host: str
    network: str
    database: str = "warehouse"

    def key(self, table: str) -> list[str]:
        """Return the columns of the primary key of the table, in the key's order."""
        rows = self.query(
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
            f" WHERE indrelid = '{table}'::regclass AND indisprimary ORDER BY array_position(indkey, attnum)"
        )
        return [column for (column,) in rows]

    def query(self, sql: str) -> list[list[str]]:
        """Return rows as psql prints them, so numbers keep their own digits."""
        command = [
            "psql",
            "--username=tapdock",
            self.database,
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--command",
            sql,
        ]
        started = self.api.exec_create(self.host, command)
        said = self.api.exec_start(started).decode()
        assert self.api.exec_inspect(started)["ExitCode"] == 0, said
        return [line.split("|") for line in said.splitlines()]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def environ(api) -> dict[str, str]:
    """Return the variables of the project file, and the settings of the base images."""
    return {
        "TAPDOCK_BASE_IMAGE": os.environ.get("TAPDOCK_BASE_IMAGE") or base_image(),
        "LEDGER_IMAGE": made(api, "tapdock-test/ledger", _files(HERE / "ledger"), {"BASE_IMAGE": base_image()}),
        "LEDGER_TOKEN": TOKEN,
        "TAP_IMAGE": image(api, "tap"),
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_HOST": f"tapdock-e2e-{os.getpid()}",
        "POSTGRES_NETWORK": f"tapdock-e2e-{os.getpid()}",
        "TAPDOCK_LOG_FORMAT": "text",
    }


@pytest.fixture(scope="session")
def built(environ, tmp_path_factory) -> Shop:
    """Return the project after its images were built and its streams were discovered."""
    shop = Shop.made(tmp_path_factory.mktemp("shop") / "project", environ)
    shop.well("build")
    for blocks in ("shop", "books"):
        shop.well("run", blocks, "--dry-run")
    return shop


@pytest.fixture
def shop(built, tmp_path) -> Shop:
    """Return a project for one test."""
    return built.branch(tmp_path / "project")


@pytest.fixture(scope="session")
def postgres(api, environ) -> Iterator[Postgres]:
    files = _files(CHECKOUT / "images" / "warehouse")
    server = made(api, "tapdock-test/warehouse", files, {"BASE_IMAGE": base_image()})
    name = environ["POSTGRES_HOST"]
    labels = {"io.tapdock.test": "e2e", "io.tapdock.owner": owner.mine()}
    answers = ExecWaitStrategy(["pg_isready", *LOGIN]).with_startup_timeout(30)
    container = DockerContainer(server, name=name, env={"POSTGRES_PASSWORD": PASSWORD}, _wait_strategy=answers)
    api.create_network(name, labels=labels)
    try:
        with container.with_kwargs(network=name, labels=labels, init=True):
            yield Postgres(api, name, name)
    finally:
        api.remove_network(name)


@pytest.fixture
def web(api) -> Iterator[Web]:
    """Start the web service for each test, because its data changes."""
    with Web.served(api) as web:
        yield web


@pytest.fixture(scope="session")
def seeded(postgres) -> Postgres:
    """Start the server with logical replication. `seed` is the content of each test's database."""
    libraries = "pgoutput, test_decoding, wal2json"  # required since PostgreSQL 15.20; unknown before
    if postgres.query("SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'"):
        postgres.query(f"ALTER SYSTEM SET output_plugin_libraries = {libraries}")
        postgres.query("SELECT pg_reload_conf()")
    postgres.query("CREATE DATABASE seed")
    dataclasses.replace(postgres, database="seed").query((HERE / "routes" / "seed.sql").read_text())
    return postgres


@pytest.fixture
def database(seeded) -> Iterator[Postgres]:
    """Return a database for one test. All databases have the same name, so that cached answers of taps stay valid."""
    seeded.query("CREATE DATABASE routes TEMPLATE seed")
    yield dataclasses.replace(seeded, database="routes")
    slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'routes'"
    seeded.query(slots)
    seeded.query("DROP DATABASE routes WITH (FORCE)")


@pytest.fixture(scope="session")
def asked(api, environ, seeded, tmp_path_factory) -> Junction:
    """Return the project `routes/` after its images were built. It caches the answers of its connectors."""
    rows = made(api, "tapdock-test/rows", _files(HERE / "rows"), {"BASE_IMAGE": base_image()}, installs=True)
    more = {
        "DATABASE": "seed",
        "SOURCE_IMAGE": image(api, "source"),
        "STRICT_IMAGE": image(api, "destination"),
        "ROWS_IMAGE": rows,
        "SMOKE_IMAGE": made(api, "tapdock-test/smoke", _files(HERE / "smoke"), {"BASE_IMAGE": rows}, installs=True),
        **dict.fromkeys(("WEB_URL", "WEB_TOKEN", "WEB_NETWORK"), "none"),
    }
    junction = Junction.made(tmp_path_factory.mktemp("routes") / "project", {**environ, **more})
    project = yaml.safe_load((junction.folder / "tapdock.yaml").read_text())
    connectors = project["sources"] | project["targets"]
    junction.well("build", *(name for name, entry in connectors.items() if "build" in entry and name != "vectors"))
    return junction


@pytest.fixture
def junction(asked, tmp_path) -> Iterator[Junction]:
    """Return a project for one test. Its cache of connectors' answers is used by later tests."""
    made = asked.branch(tmp_path / "project")
    yield dataclasses.replace(made, environ={**asked.environ, "DATABASE": "routes"})
    learned = made.folder / ".tapdock" / "cache"
    if learned.exists():
        shutil.copytree(learned, asked.folder / ".tapdock" / "cache", dirs_exist_ok=True)


@pytest.fixture
def parcels(junction, web) -> Junction:
    """Return the project that reads from the web service."""
    return dataclasses.replace(junction, environ={**junction.environ, **web.environ})
