"""Fixtures for placements of tapdock: as a container, by compose, with engines of other kinds."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import compose as package
import pytest

from connectors.images import CHECKOUT, base_image
from places.machines import HERE, IMAGES, Machine, Seat, answering, filled, machine
from support.pages import Shell
from support.users import open_to_others


@pytest.fixture(scope="session")
def demo(api, tmp_path_factory) -> Path:
    """Return the example project, after its images were built."""
    folder = tmp_path_factory.mktemp("places") / "demo"
    environ = {**os.environ, "TAPDOCK_BASE_IMAGE": base_image(), "TAPDOCK_PROJECT": str(folder)}
    tapdock = Path(sys.executable).with_name("tapdock")
    for words in (["init"], ["build"]):
        subprocess.run([tapdock, *words], env=environ, check=True, capture_output=True)
    return folder


@pytest.fixture
def project(demo, tmp_path) -> Path:
    """Return the example project in a folder for one test. It belongs to a user who is not root."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(demo / "tapdock.yaml", folder)
    for path in (folder, folder / "tapdock.yaml"):
        os.chown(path, 1234, 1234)
    open_to_others(tmp_path)
    return folder


COMPOSE = Path(package.__file__).with_name("docker-compose")


@pytest.fixture
def clone(api, tmp_path) -> Iterator[Shell]:
    """Yield a shell in a folder `tapdock` with what the commands of pages use of a clone, and `docker compose`.

    The compose project has a name of its own. All that is left of it is removed afterwards.
    """
    folder = tmp_path / "tapdock"
    (folder / ".demo").mkdir(parents=True)
    shutil.copy(CHECKOUT / "compose.yaml", folder)
    for name, place in (("images", CHECKOUT / "images"), (".venv", Path(sys.prefix))):
        (folder / name).symlink_to(place)
    name = f"tapdock-test-{uuid.uuid4().hex[:8]}"
    settings = {"COMPOSE_PROJECT_NAME": name, "TAPDOCK_BASE_IMAGE": base_image(), "DOCKER_BUILDKIT": "0"}
    names = {"tapdock_services": f"{name}_services", "COMPOSE_PROJECT_NAME=books": f"COMPOSE_PROJECT_NAME={name}-books"}
    names["127.0.0.1:5432:5432"] = "127.0.0.1::5432"  # any port that is free
    shell = Shell(folder, names=names, **settings)
    shell.program(
        "docker", f'if [ "$1" = compose ]; then shift; exec {COMPOSE} "$@"; fi\nexec {shutil.which("docker")} "$@"'
    )
    yield shell
    for one in (name, f"{name}-books"):
        down = [COMPOSE, "--project-name", one, "--profile", "*", "down", "--volumes", "--timeout", "5"]
        subprocess.run(down, cwd=folder, env=shell.environ, check=True, capture_output=True)
        assert api.containers(all=True, filters={"label": f"com.docker.compose.project={one}"}) == []


PORT = 2376
WRAPPED = "tapdock-test/tap-faker:7.2.1"


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> Path:
    """Return the keys `client` and `server`, which trust each other."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here to make keys with")
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run([HERE / "certificates"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def inner_machine(api, runner_image, demo, keys) -> Iterator[Machine]:
    """Yield a machine in a container. Its daemon answers on its socket, and by TLS."""
    with machine(api, runner_image, f"--volume={keys}/server:/keys:ro", f"--publish=127.0.0.1::{PORT}") as made:
        begin(made)
        filled(Seat(made.prefix("/tmp"), "", "inner"), *IMAGES, runner_image)
        yield made


def begin(inner: Machine) -> None:
    tls = ("--tlsverify", "--tlscacert=/keys/ca.pem", "--tlscert=/keys/cert.pem", "--tlskey=/keys/key.pem")
    inner.begin("start", "--host=unix:///var/run/docker.sock", f"--host=tcp://0.0.0.0:{PORT}", *tls)
    answering(Seat(inner.prefix("/tmp"), "", "inner"))


def wrap(name: str, tag: str) -> subprocess.CompletedProcess[str]:
    tapdock = Path(sys.executable).with_name("tapdock")
    environ = {**os.environ, "TAPDOCK_BASE_IMAGE": base_image()}
    return subprocess.run([tapdock, "wrap", name, "-t", tag], env=environ, capture_output=True, text=True)


@pytest.fixture(scope="session")
def wrapped(demo) -> str:
    ended = wrap(IMAGES[0], WRAPPED)
    assert ended.returncode == 0, ended.stderr
    return WRAPPED
