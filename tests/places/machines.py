"""Engines of other kinds, each with tapdock in front of it, so that one test covers all of them."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.images import base_image, made
from engines.project import wait_for
from tapdock.engines import owner

HERE = Path(__file__).parent
# The rights that an engine needs. `--privileged` would be shorter, but it is refused if the machine
# itself lacks one of the rights.
_RIGHTS = (
    *("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=private", "--device-cgroup-rule=c 10:200 rwm"),
    *(f"--security-opt={what}=unconfined" for what in ("seccomp", "systempaths", "apparmor")),
)
IMAGES = ("tapdock/source-faker:7.2.1", "tapdock/target-duckdb:0.8.0")
DEMO = {"products": 100, "users": 10_000, "purchases": 10_000}
"""The number of records of the example project, by stream."""


@dataclass(frozen=True)
class Seat:
    """A shell with tapdock for one engine.

    `prefix` is the beginning of each command, `relay` the placement of the relay.
    """

    prefix: tuple[str, ...]
    relay: str
    kind: str

    def __call__(self, *words: str, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.prefix, *words], capture_output=True, text=True, timeout=timeout)

    def tapdock(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self("tapdock", *words)

    def well(self, *words: str) -> str:
        ended = self(*words)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def record(self, *words: str) -> dict[str, Any]:
        """Return the output of `run --json`, after a run that must succeed."""
        return json.loads(self.well("tapdock", "run", *words, "--json"))

    def findings(self) -> dict[str, str]:
        """Return the findings of doctor, which must succeed."""
        found = json.loads(self.well("tapdock", "doctor", "--json"))["findings"]
        return {finding["what"]: finding["found"] for finding in found}

    def leftovers(self) -> str:
        """Return the names of leftovers of runs on the engine."""
        ours = ("--quiet", "--filter", "label=io.tapdock.run")
        lists = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        return "".join(self.well("docker", *words, *ours) for words in lists)


def here(project: Path, **environ: str) -> tuple[str, ...]:
    """Return the prefix of a command on this machine."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return ("env", f"PATH={path}", *_assigned(environ | _settings(str(project))))


def _settings(project: str) -> dict[str, str]:
    return {"TAPDOCK_PROJECT": project, "TAPDOCK_BASE_IMAGE": base_image()}


def _assigned(environ: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in environ.items())


class Machine:
    """A container that represents a machine. It shares only its mounts with this machine."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prefix(self, project: str, *, user: str = "root", **environ: str) -> tuple[str, ...]:
        settings = _assigned(environ | _settings(project))
        return ("docker", "exec", "--interactive", "--user", user, self.name, "env", *settings)

    def begin(self, *command: str) -> None:
        """Start a program as root that continues to run, with its output in /tmp/log."""
        script = 'exec "$@" >/tmp/log 2>&1'
        subprocess.run(
            ["docker", "exec", "--detach", self.name, "sh", "-c", script, *command[:1], *command], check=True
        )

    def port(self, number: int) -> str:
        said = subprocess.run(["docker", "port", self.name, str(number)], check=True, capture_output=True, text=True)
        return said.stdout.split()[0].rpartition(":")[2]


@contextmanager
def machine(api: Any, runner_image: str, *options: str) -> Iterator[Machine]:
    """Yield a machine with tapdock installed, and with programs to start a daemon."""
    # By digest, because the name belongs to another image after the code has changed.
    args = {"BASE_IMAGE": base_image(), "RUNNER_IMAGE": api.inspect_image(runner_image)["Id"]}
    with _running(made(api, "tapdock-test/inner", _files("inner"), args), "--init", *options) as name:
        yield Machine(name)


@contextmanager
def instance(api: Any, *options: str) -> Iterator[Machine]:
    """Yield a machine that boots, with a running daemon, and without tapdock."""
    image = made(api, "tapdock-test/instance", _files("instance"), {"BASE_IMAGE": base_image()})
    with _running(image, "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", *options) as name:
        yield Machine(name)


@contextmanager
def dev_container(api: Any, recipe: bytes) -> Iterator[Machine]:
    """Yield a container whose image is made for a privileged container: its cgroups are made writable."""
    image = made(api, "tapdock-test/dev-container", {"Dockerfile": recipe}, {"BASE_IMAGE": base_image()})
    writable = "for m in /sys/fs/cgroup /sys/fs/cgroup/*; do ! mountpoint -q $m || mount -o remount,bind,rw $m; done"
    with _running(image, "--init", "--entrypoint=sh", command=("-c", f"{writable}; exec sleep infinity")) as name:
        yield Machine(name)


def _files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (HERE / folder).iterdir()}


@contextmanager
def _running(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    name = f"tapdock-test-{secrets.token_hex(4)}"
    labels = ("--label=io.tapdock.test=machine", f"--label=io.tapdock.owner={owner.mine()}")
    volumes = ("--volume=/var/lib/docker", "--volume=/home/user")
    run = ["docker", "run", "--detach", "--name", name, *labels, *_RIGHTS, *volumes, *options, image, *command]
    try:
        subprocess.run(run, check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=True, capture_output=True)


def answering(seat: Seat) -> None:
    """Wait until the daemon answers."""
    wait_for(lambda: seat("docker", "version").returncode == 0, f"the engine of {seat.kind}", seconds=60)


def filled(seat: Seat, *images: str) -> None:
    """Copy these images from this machine to the engine."""
    with subprocess.Popen(["docker", "save", base_image(), *images], stdout=subprocess.PIPE) as saving:
        done = subprocess.run([*seat.prefix, "docker", "load"], stdin=saving.stdout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
