"""Fixtures for connectors that attack: as root of their container and as a plain user, in both placements."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.images import base_image, made
from engines.conftest import images, known_specs, project  # noqa: F401 - fixtures of these tests as well
from engines.places import BESIDE, SLOW_CONTAINER
from engines.project import Ended, Project

HERE = Path(__file__).parent
VICTIM = Path("/var/tmp/tapdock-test-victim")
UNHARMED = b"a file of whoever runs tapdock\n"
# Read from /proc, because getrusage starts with the memory of the process that started this one.
_MEASURED = """
import atexit, pathlib, sys
from tapdock.cli import main
peak = lambda: pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
atexit.register(lambda: print("peak", int(peak()) * 1024, file=sys.stderr))
sys.exit(main())
"""


both_users = pytest.mark.parametrize(
    "uid", [pytest.param("0", id="root"), pytest.param("1000", id="user", marks=pytest.mark.slow)]
)
one_place = pytest.mark.parametrize("place", [BESIDE])


@pytest.fixture(params=[BESIDE, SLOW_CONTAINER])
def place(request) -> str:
    return request.param


@pytest.fixture
def uid(place) -> str:
    """Return the user id of the connector's container. `both_users` parametrizes this fixture."""
    return "0" if place == "docker-beside" else "1000"


@pytest.fixture(scope="session")
def hostile(api) -> Callable[..., str]:
    """hostile(kind, uid) -> an image. `shell` is what its /bin/sh does before anything else."""

    def image(kind: str, uid: str, *, shell: str = "") -> str:
        files = {
            name: (HERE / name).read_bytes() for name in ("Dockerfile", "attacker.py", "hostile-sh", "hostile-cat")
        }
        args = {"BASE_IMAGE": base_image(), "RUNS_AS": uid, "KIND": kind, "SHELL_ATTACK": shell}
        return made(api, "tapdock-test/hostile", files, args | ({"SHELL_PROGRAM": "hostile-sh"} if shell else {}))

    return image


@pytest.fixture
def victim() -> Iterator[Path]:
    """Yield a file that an attack tries to reach.

    Check afterwards that it is unchanged and has no new files next to it.
    """
    with (HERE / "attacker.py").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # its path is part of the images: one test at a time, also of other workers
        VICTIM.write_bytes(UNHARMED)
        yield VICTIM
        content = VICTIM.read_bytes()
        VICTIM.unlink()
    assert content == UNHARMED


@pytest.fixture
def attacked(project, hostile, victim, uid) -> Callable[..., Project]:  # noqa: F811
    """attacked(...) -> the project whose source, tap or target attacks. The memory of its commands is measured."""

    def prepare(*, source=(), target=(), batch="", shell="", **config) -> Project:
        common = {"victim": str(victim), **config}
        if batch:
            project.programs = ("tap", "target")
            project.images["tap"] = hostile("singer", uid)
            storage = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tapdock/scratch"}}
            project.source = {**common, "batch": batch, "batch_config": storage}
        else:
            project.images["source"] = hostile("airbyte", uid, shell=shell)
            project.source = {**common, "attacks": list(source)}
        if target:
            project.images["target"] = hostile("singer", uid)
            project.target = {**common, "attacks": list(target)}
            project.target_keys = {"env": {"ATTACKER_IS": "target"}}
        project.prefix = (sys.executable, "-c", _MEASURED)
        return project

    return prepare


def reports(ended: Ended) -> list[str]:
    """Return the reports of the attacker about its success."""
    return messages_of(ended.stderr)


def messages_of(stderr: str) -> list[str]:
    """Return the attacker's reports in a log of JSON lines."""
    logged = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    messages = [entry.get("message") or "" for entry in logged]
    return [message.removeprefix("attack: ") for message in messages if message.startswith("attack: ")]


def peak(ended: Ended) -> int:
    """Return the largest memory of tapdock in bytes: of its process, and of a relay's container."""
    here = int(ended.stderr.rpartition("peak ")[2].split()[0])
    there = [each["peak_memory_bytes"] or 0 for each in ended.record["containers"] if each["role"] == "relay"]
    return max(here, *there, 0)


@pytest.fixture
def next_run(project, images) -> Callable[[], None]:  # noqa: F811
    """Check that the next run succeeds, and that it can remove all leftovers."""

    def run() -> None:
        project.programs = ("source", "target")
        project.images = dict(images)
        project.source, project.target, project.target_keys = {"steps": ["until users 5", "state"]}, {}, {}
        ended = project.run("run", "source", "target", "--full-refresh", "--no-state-update", "--json")
        assert ended.code == 0, ended.stderr
        gc = project.run("gc")
        assert gc.code == 0, gc.stderr
        assert "cannot be removed" not in ended.stderr + gc.stderr
        assert os.listdir(project.tmp) == []

    return run
