"""Runs Podman next to the Docker Engine, with its own images and configuration."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engines.project import wait_for

HERE = Path(__file__).parent
FOLDER = Path("/var/tmp/tapdock-test-podman")  # images are kept in it between test sessions


class Podman:
    """Call podman with `podman(*words)`, which returns its output."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    @classmethod
    def made(cls) -> "Podman":
        """Return a Podman, installed if it is missing. Skip the test if it cannot be installed."""
        if os.geteuid() != 0:
            pytest.skip("podman beside a Docker Engine is set up as root")
        made = subprocess.run([HERE / "podman-setup", FOLDER], capture_output=True, text=True)
        if made.returncode == 8:
            pytest.skip(f"podman cannot be had here: {made.stderr.strip()}")
        assert made.returncode == 0, made.stderr
        exports = [shlex.split(line)[1] for line in made.stdout.splitlines()]
        return cls({**os.environ, **dict(export.split("=", 1) for export in exports)})

    def __call__(self, *words: str) -> str:
        done = subprocess.run(["podman", *words], env=self.environ, capture_output=True, text=True)
        assert done.returncode == 0, f"podman {words[0]}: {done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, socket: Path) -> Iterator[str]:
        """Serve Podman's API, which is compatible with Docker's, and yield its address. A group may use the socket."""
        with subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"], env=self.environ, stderr=subprocess.DEVNULL
        ) as service:
            try:
                wait_for(socket.exists, "podman's socket", seconds=20)
                socket.chmod(0o660)
                yield f"unix://{socket}"
            finally:
                service.terminate()


def loaded(podman: Podman, api: Any, name: str) -> str:
    """Copy an image of the Docker Engine into Podman's own store, and return its name there."""
    wanted = api.inspect_image(name)["Id"].removeprefix("sha256:")
    for known in json.loads(podman("images", "--format", "json")):
        if known["Id"] == wanted and known.get("Names"):
            return known["Names"][0]
    with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saving:
        done = subprocess.run(
            ["podman", "load"], stdin=saving.stdout, env=podman.environ, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition(" ")[2]
