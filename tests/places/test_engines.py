"""Tests engines of other kinds: the demo twice, from beginning to end, doctor's report, and no leftovers."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from connectors.images import base_image
from engines.podman import loaded
from engines.project import wait_for
from places.conftest import PORT, begin
from places.machines import DEMO, IMAGES, Seat, answering, filled, here, machine

pytestmark = pytest.mark.docker


@pytest.fixture
def inner(inner_machine) -> Seat:
    """tapdock in the container that contains the daemon, as in a Codespace with docker-in-docker."""
    return Seat(inner_machine.prefix("/srv/project"), "beside", "Docker Engine")


@pytest.fixture
def tls(inner_machine, keys, project) -> Seat:
    """tapdock here, the engine on another machine.

    The engine has none of tapdock's files, and keeps rows in a volume.
    """
    address = f"tcp://127.0.0.1:{inner_machine.port(PORT)}"
    certificates = str(keys / "client")
    prefix = here(project, DOCKER_HOST=address, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=certificates)
    return Seat(prefix, "container", address)


@pytest.fixture(scope="module")
def rootless(api, runner_image, demo) -> Iterator[Seat]:
    """tapdock and the daemon as user id 1000."""
    with machine(api, runner_image) as made:
        environ = {"HOME": "/home/user", "DOCKER_HOST": "unix:///run/user/1000/docker.sock"}
        seat = Seat(made.prefix("/home/user/project", user="1000", **environ), "beside", "rootless")
        made.begin("start-rootless")
        answering(seat)
        filled(seat, *IMAGES, runner_image)
        yield seat


@pytest.fixture
def podman_seat(api, podman, runner_image, project, tmp_path) -> Iterator[Seat]:
    """Podman, as root, by its socket. It builds the connectors itself, and keeps their images for later tests."""
    for image in (base_image(), runner_image):
        loaded(podman, api, image)
    with podman.serving(tmp_path / "podman.sock") as address:
        yield Seat(here(project, DOCKER_HOST=address), "beside", "Podman")


@pytest.fixture
def seat(request) -> Seat:
    return request.getfixturevalue("podman_seat" if request.param == "podman" else request.param)


def counts(record: dict) -> dict[str, int]:
    return {stream["stream"]: stream["records"] for stream in record["streams"]}


@pytest.mark.parametrize("seat", ["inner", "rootless", "podman"], indirect=True)
@pytest.mark.parametrize("relay", ["auto", "container"])
def test_the_demo_twice(seat, relay, runner_image):
    project = seat.well("printenv", "TAPDOCK_PROJECT").strip()
    seat.well("sh", "-c", 'rm -rf "$TAPDOCK_PROJECT"; mkdir -p "$TAPDOCK_PROJECT"; tapdock init')
    seat = Seat((*seat.prefix, f"TAPDOCK_RELAY={relay}", f"TAPDOCK_RELAY_IMAGE={runner_image}"), seat.relay, seat.kind)
    first = seat.record("demo")
    assert counts(first) == DEMO
    assert first["relay"] == (seat.relay if relay == "auto" else relay)
    assert set(counts(seat.record("demo")).values()) == {0}
    owners = seat.well("find", project, "-printf", "%U\n").split()
    assert set(owners) == {seat.well("id", "-u").strip()}
    found = seat.findings()
    assert seat.kind in found["engine"]
    assert "container" not in found, "this engine does not run the container that we are in"
    assert seat.leftovers() == ""


def test_an_engine_that_has_none_of_our_files(tls, project):
    """A mounted folder is refused, and the hint names a volume. Data is sent through a container automatically."""
    refused = tls.tapdock("run", "demo", "--json")
    error = json.loads(refused.stdout)["error"]
    assert refused.returncode == 2
    assert f"{tls.kind} does not have the folder {project}/data" in error["message"]
    assert "`target-data:/data`" in error["hint"]
    doctor = tls.tapdock("doctor")
    assert doctor.returncode == 8
    assert f"NO  mounts of lake  the engine at {tls.kind} does not have the folder" in doctor.stdout
    text = (project / "tapdock.yaml").read_text()
    (project / "tapdock.yaml").write_text(text.replace("./data:/data", "target-data:/data"))
    first = tls.record("demo")
    assert (counts(first), first["relay"]) == (DEMO, tls.relay)
    assert set(counts(tls.record("demo")).values()) == {0}
    assert "pipes in volumes" in tls.findings()["data path"]
    assert not (project / "data").exists(), "rows are where the engine is"
    assert tls.leftovers() == ""


@pytest.mark.parametrize(
    ("environ", "said", "hint"),
    [
        ({"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}, "requires TLS", "DOCKER_TLS_VERIFY=1"),
        ({"DOCKER_CERT_PATH": "/nowhere"}, "there are no keys in /nowhere", "ca.pem"),
        ({"DOCKER_CERT_PATH": "{keys}/other"}, "certificate verify failed", "the engine's ca.pem"),
    ],
)
def test_an_engine_that_does_not_trust_us(tls, keys, environ, said, hint):
    other = shutil.copytree(keys / "client", keys / "other", dirs_exist_ok=True)
    (other / "ca.pem").write_bytes((other / "cert.pem").read_bytes())
    assigned = [f"{name}={value.format(keys=keys)}" for name, value in environ.items()]
    ended = tls(*assigned, "tapdock", "gc")
    assert ended.returncode == 8
    assert said in ended.stderr
    assert hint in ended.stderr


@pytest.mark.parametrize("seat", ["rootless", "podman"], indirect=True)
def test_tapdock_in_a_container_of_it(seat, runner_image):
    """As in compose.yaml. New files belong to the owner of the project, or to the user who runs the engine."""
    project = seat.well("printenv", "TAPDOCK_PROJECT").strip()
    socket = seat.well("printenv", "DOCKER_HOST").strip().removeprefix("unix://")
    seat.well("sh", "-c", f"rm -rf {project}/* {project}/.tapdock && tapdock init")
    if seat.kind == "Podman":
        seat.well("chown", "--recursive", "1234:1234", project)
    owner = seat.well("stat", "--format=%u", project)
    mounts = ("--volume", f"{socket}:/var/run/docker.sock", "--volume", f"{project}:/project")
    runner = ("docker", "run", "--rm", "--user=0:0", "--env=TAPDOCK_BASE_IMAGE", *mounts, runner_image)
    first = json.loads(seat.well(*runner, "run", "demo", "--json"))
    assert (counts(first), first["relay"]) == (DEMO, "beside")
    assert set(seat.well("find", project, "-printf", "%U\n").split()) == {owner.strip()}
    doctor = seat.well(*runner, "doctor")
    assert "container       tapdock runs in `" in doctor
    assert f"/project/data is {project}/data" in doctor
    assert seat.leftovers() == ""


def test_doctor_reports_what_a_rootless_engine_cannot_do(rootless):
    rootless.well("sh", "-c", 'mkdir -p "$TAPDOCK_PROJECT"; tapdock init || true')
    version = rootless.well("docker", "info", "--format", "{{.CgroupVersion}}").strip()
    assert ("memory limits" in rootless.findings()) == (version == "1")


def test_a_daemon_that_is_killed(inner, inner_machine):
    """The error names the engine, both connectors end by themselves, and the next run removes their containers."""
    inner.well("sh", "-c", 'rm -rf "$TAPDOCK_PROJECT"; mkdir -p "$TAPDOCK_PROJECT"; tapdock init')
    many = Seat((*inner.prefix, "TAPDOCK_SOURCES__FAKER__CONFIG__COUNT=1000000"), inner.relay, inner.kind)
    command = [*many.prefix, "tapdock", "run", "demo", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        wait_for(lambda: "source-faker" in connectors(inner), "the source", seconds=60)
        inner.well("pkill", "-KILL", "dockerd")
        record = json.loads(running.communicate(timeout=120)[0])
    assert (running.returncode, record["exit_code"]) == (8, 8), record["error"]
    assert "the engine stopped answering" in record["error"]["message"]
    assert "tapdock gc" in record["error"]["hint"]
    wait_for(lambda: connectors(inner) == "", "the end of both connectors", seconds=20)
    begin(inner_machine)
    assert set(counts(inner.record("demo"))) == set(DEMO)
    assert inner.leftovers() == ""


def connectors(seat: Seat) -> str:
    """Return the command lines of the processes in containers."""
    return seat("pgrep", "--full", "--list-full", "/opt/connector").stdout


@pytest.mark.parametrize("seat", ["podman"], indirect=True)
def test_a_socket_that_is_only_roots(seat, runner_image, tmp_path):
    """Podman's service makes such a socket by default. With `--rm`, its exit codes are lost."""
    (tmp_path / "podman.sock").chmod(0o600)
    mounts = ("--volume", f"{tmp_path}/podman.sock:/var/run/docker.sock")
    ended = seat("docker", "run", "--rm", "--user=1234:1234", *mounts, runner_image, "gc")
    assert "no permission to use the Docker Engine at unix:///var/run/docker.sock" in ended.stderr
    assert "sudo chgrp docker /var/run/docker.sock && sudo chmod g+rw" in ended.stderr
