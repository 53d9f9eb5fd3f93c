"""Fixtures for every state backend. The tests do not depend on the kind of the backend."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from stores import servers
from tapdock.state.backends.base import Backend, open_backend

SERVED = [pytest.param(kind, marks=pytest.mark.docker) for kind in ("moto", "azurite", "gcs", "postgres")]
SERVED += [pytest.param("ministack", marks=[pytest.mark.docker, pytest.mark.slow])]  # S3 by another program than moto
KINDS = ["file", "sqlite", *SERVED]


@pytest.fixture(scope="session")
def server(request) -> Iterator[Callable[[str], servers.Made]]:
    """server(kind) -> a maker of places on that server. Each server is started when it is first used."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environ:
        started: dict[str, servers.Made] = {}
        for name, value in servers.ANYBODY.items():
            environ.setenv(name, value)

        def start(kind: str) -> servers.Made:
            api = request.getfixturevalue("api")
            match kind:
                case "moto":
                    address = stack.enter_context(servers.by_http(api, servers.own_image("s3"), 5000))
                    return stack.enter_context(servers.buckets(address))
                case "ministack":
                    options = {"command": ["/opt/ministack/bin/ministack"]}
                    address = stack.enter_context(servers.by_http(api, servers.other_s3(api), 4566, **options))
                    return stack.enter_context(servers.buckets(address))
                case "rclone":
                    serve = "mkdir -p /data && exec /opt/rclone/bin/rclone serve s3 /data --addr 0.0.0.0:8080"
                    options = {"command": ["sh", "-c", serve]}
                    address = stack.enter_context(servers.by_http(api, servers.other_s3(api), 8080, **options))
                    return stack.enter_context(servers.buckets(address))
                case "azurite":
                    address = stack.enter_context(servers.by_http(api, servers.own_image("azure"), 10000))
                    environ.setenv("AZURE_STORAGE_CONNECTION_STRING", servers.AZURITE.format(address=address))
                    return stack.enter_context(servers.containers(address))
                case "gcs":
                    address = stack.enter_context(servers.by_http(api, servers.own_image("gcs"), 4443))
                    environ.setenv("STORAGE_EMULATOR_HOST", address)
                    return stack.enter_context(servers.google(address))
                case _:
                    uri = stack.enter_context(servers.postgres(api))
                    return stack.enter_context(servers.schemas(uri))

        def made(kind: str) -> servers.Made:
            if kind not in started:
                started[kind] = start(kind)
            return started[kind]

        yield made


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def uri(kind, server, tmp_path) -> str:
    """Return the address of an empty place."""
    if kind == "file":
        return str(tmp_path / "state")
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return server(kind)(f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def backend(uri, tmp_path) -> Backend:
    return open_backend(uri, tmp_path)


@pytest.fixture
def reopened(uri, tmp_path) -> Callable[[], Backend]:
    """Return the same place, as opened by another process."""
    return lambda: open_backend(uri, tmp_path)
