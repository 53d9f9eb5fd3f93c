"""Engines of other kinds, each with tapdock in front of it: what a test says of one, it says of all."""

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
# All that an engine needs of its machine. `--privileged` would be shorter, and is refused where the machine
# itself lacks one of the rights.
_RIGHTS = (
    *("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=private", "--device-cgroup-rule=c 10:200 rwm"),
    *(f"--security-opt={what}=unconfined" for what in ("seccomp", "systempaths", "apparmor")),
)
IMAGES = ("tapdock/source-faker:7.2.1", "tapdock/target-duckdb:0.8.0")
DEMO = {"products": 100, "users": 10_000, "purchases": 10_000}
"""Records of the example project, by stream."""


@dataclass(frozen=True)
class Seat:
    """A shell in front of an engine: `prefix` is what a command is given to; `relay` is where data is to go through."""

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
        """What `run --json` prints, once it ended well."""
        return json.loads(self.well("tapdock", "run", *words, "--json"))

    def findings(self) -> dict[str, str]:
        """What doctor finds, once it ended well."""
        found = json.loads(self.well("tapdock", "doctor", "--json"))["findings"]
        return {finding["what"]: finding["found"] for finding in found}

    def leftovers(self) -> str:
        """Names of what runs left on the engine."""
        ours = ("--quiet", "--filter", "label=io.tapdock.run")
        lists = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        return "".join(self.well("docker", *words, *ours) for words in lists)


def here(project: Path, **environ: str) -> tuple[str, ...]:
    """The prefix of a command on this machine."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return ("env", f"PATH={path}", *_assigned(environ | _settings(str(project))))


def _settings(project: str) -> dict[str, str]:
    return {"TAPDOCK_PROJECT": project, "TAPDOCK_BASE_IMAGE": base_image()}


def _assigned(environ: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in environ.items())


class Machine:
    """A container that stands for a machine: nothing of it is shared with this one but what is mounted."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prefix(self, project: str, *, user: str = "root", **environ: str) -> tuple[str, ...]:
        settings = _assigned(environ | _settings(project))
        return ("docker", "exec", "--interactive", "--user", user, self.name, "env", *settings)

    def begin(self, *command: str) -> None:
        """A program of root's that goes on running, its words in /tmp/log."""
        script = 'exec "$@" >/tmp/log 2>&1'
        subprocess.run(
            ["docker", "exec", "--detach", self.name, "sh", "-c", script, *command[:1], *command], check=True
        )

    def port(self, number: int) -> str:
        said = subprocess.run(["docker", "port", self.name, str(number)], check=True, capture_output=True, text=True)
        return said.stdout.split()[0].rpartition(":")[2]


@contextmanager
def machine(api: Any, runner_image: str, *options: str) -> Iterator[Machine]:
    """One with tapdock installed, and programs to start a daemon with."""
    # By digest: the same name is another image once the code has changed.
    args = {"BASE_IMAGE": base_image(), "RUNNER_IMAGE": api.inspect_image(runner_image)["Id"]}
    with _running(made(api, "tapdock-test/inner", _files("inner"), args), "--init", *options) as name:
        yield Machine(name)


@contextmanager
def instance(api: Any, *options: str) -> Iterator[Machine]:
    """One that boots, with a daemon that runs, and nothing of ours on it."""
    image = made(api, "tapdock-test/instance", _files("instance"), {"BASE_IMAGE": base_image()})
    with _running(image, "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", *options) as name:
        yield Machine(name)


@contextmanager
def dev_container(api: Any, recipe: bytes) -> Iterator[Machine]:
    """One of a recipe that is made for a privileged container: cgroups are made writable for it."""
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
    """Its daemon is on its way up."""
    wait_for(lambda: seat("docker", "version").returncode == 0, f"the engine of {seat.kind}", seconds=60)


def filled(seat: Seat, *images: str) -> None:
    """The engine has these images, as they are on this machine's."""
    with subprocess.Popen(["docker", "save", base_image(), *images], stdout=subprocess.PIPE) as saving:
        done = subprocess.run([*seat.prefix, "docker", "load"], stdin=saving.stdout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
