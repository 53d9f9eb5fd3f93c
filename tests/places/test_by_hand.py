"""Tests `tapdock invoke` with tapdock in a container, and with Podman: files, pipes, a terminal, and no leftovers."""

import json
import os
import pty
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.images import base_image
from engines.podman import loaded
from places.machines import Seat, here
from support.users import open_to_others

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PROGRAM = 'cat "$1"; echo; if [ -t 0 ]; then echo "a terminal of $(stty size)"; else cat; fi; echo err >&2; exit 3'
SECRET = "s3cret-of-the-shop"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project whose source is a shell in the base image."""
    project = {
        "version": 1,
        "sources": {
            "shop": {
                "image": base_image(),
                "kind": "singer",
                "entrypoint": ["/bin/sh", "-c", PROGRAM, "program"],
                "config": {"token": "${SHOP_TOKEN}"},
            }
        },
    }
    made = tmp_path / "project"
    made.mkdir()
    (made / "tapdock.yaml").write_text(json.dumps(project))
    open_to_others(tmp_path)
    return made


@pytest.fixture
def inside(runner_image, folder) -> Seat:
    """tapdock in a container that has the engine's socket. `-t` is added where there is a terminal."""
    socket = "/var/run/docker.sock:/var/run/docker.sock"
    words = ("docker", "run", "--rm", "--interactive", "--user=0:0", f"--env=SHOP_TOKEN={SECRET}")
    return Seat((*words, "--volume", socket, "--volume", f"{folder}:/project", runner_image), "beside", "Docker")


@pytest.fixture
def by_podman(api, podman, folder, tmp_path) -> Iterator[Seat]:
    loaded(podman, api, base_image())
    with podman.serving(tmp_path / "podman.sock") as address:
        yield Seat((*here(folder, DOCKER_HOST=address, SHOP_TOKEN=SECRET), "tapdock"), "beside", "Podman")


@pytest.fixture(params=["inside", "by_podman"])
def seat(request) -> Seat:
    return request.getfixturevalue(request.param)


WORDS = ("invoke", "shop", "--", "{config}")


def test_a_file_pipes_and_the_exit_code(seat, folder):
    """Podman passes on a short input. It may drop the end of a longer one, of which a line warns."""
    data = bytes(range(256)) * (4 if seat.kind == "Podman" else 1024)
    ended = subprocess.run([*seat.prefix, *WORDS], input=data, capture_output=True, timeout=120)
    config, _, rest = ended.stdout.partition(b"\n")
    assert (ended.returncode, json.loads(config), rest == data) == (3, {"token": SECRET}, True), ended.stderr
    assert ended.stderr.endswith(b"err\n")
    assert (b"Podman may drop the end" in ended.stderr) == (seat.kind == "Podman")
    assert not (folder / ".tapdock" / "runs").exists(), "it is not a run"


def test_a_terminal(seat):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        termios.tcsetwinsize(theirs, (40, 100))
        prefix = [word for one in seat.prefix for word in ((one, "--tty") if one == "--interactive" else (one,))]
        process = subprocess.Popen([*prefix, *WORDS], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while more := screen.read(4096):
                shown += more
        except OSError:  # Linux ends a terminal without programs like this
            pass
    assert process.wait(timeout=120) == 3, shown
    assert b"a terminal of 40 100" in shown
