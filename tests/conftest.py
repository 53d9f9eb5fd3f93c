"""What every folder of tests shares: an engine, or the reason why there is none."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from connectors.images import CHECKOUT
from engines.podman import Podman
from engines.project import wait_for
from support.turns import one_builder, turn
from tapdock.engines import owner

SLOW = ("tests/places/test_checkout.py", "tests/places/test_ec2.py", "tests/places/test_engines.py")
SLOW += ("tests/places/test_meltano.py", "tests/places/test_ssh.py", "tests/e2e/test_chaos.py")
SLOW += ("tests/hostile/test_engines.py", "tests/hostile/test_pod.py", "tests/hostile/test_unprivileged.py")
SHARED = ("tests/e2e/", "tests/stores/", "tests/hostile/")
# A slow machine is no failure. A test may still limit its own examples.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
LABELS = ("io.tapdock.run", "io.tapdock.test")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also the tests that are marked `slow`")


def pytest_configure() -> None:
    """Handle SIGINT also where a shell has started pytest in the background, so that it and its children ignore it.

    Let programs of the tests find the interpreter of the tests: a `python3` of pyenv is a script that starts 90
    processes, and the interpreter behind it may import more than a connector needs.
    """
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, and say so in pytest's own closing line. Run tests without containers early.

    On a new machine, `tests/e2e` first builds the images of real connectors, one after the other. Meanwhile the other
    workers run tests that need no images.
    """
    items.sort(key=_order)
    for item in items:
        if item.nodeid.split("::")[0] in SLOW:
            item.add_marker("slow")
        if is_hypothesis_test(getattr(item, "obj", None)):  # one such test tries up to a thousand inputs
            item.add_marker("long")
    if config.getoption("--all"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_collection_finish() -> None:
    """Keep the tests out of the work of the garbage collector: they stay until the end."""
    gc.freeze()


def _order(item: pytest.Item) -> int:
    file = item.nodeid.split("::")[0]
    places = ("tests/e2e/", "tests/stores/", ("tests/unit/", "tests/corpus/"))
    return next((number for number, place in enumerate(places) if file.startswith(place)), len(places))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file on one worker, and the few of a folder that share servers or images. See SHARED."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            shared = next((folder for folder in SHARED if nodeid.startswith(folder)), None)
            return shared or str(super()._split_scope(nodeid))

    is_wanted = config.getvalue("dist") == "loadfile" and not config.getoption("--all")  # all would be too many for one
    return Scheduling(config, log) if is_wanted else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Workers share the engine; a test that is marked `alone` has it to itself, with its fixtures."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the Docker Engine that answers here, or the reason why there is none."""
    try:
        client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto", timeout=60)
    except docker.errors.DockerException as error:
        yield error
    else:
        with client:
            yield client


@pytest.fixture(scope="session")
def api(engine):
    """A client of the Docker Engine that answers here; skips where none does."""
    if isinstance(engine, docker.errors.DockerException):
        pytest.skip(f"no Docker Engine answers (`scripts/engine` starts one): {engine}")
    return engine


@pytest.fixture(scope="session")
def runner_image(api) -> str:
    """tapdock's own image, of the code as it is now."""
    script = CHECKOUT / "scripts" / "images"
    with one_builder():
        return subprocess.run([script, "runner"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture(scope="session")
def podman() -> Podman:
    return Podman.made()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(engine) -> Iterator[None]:
    """After all tests no container, volume or network of tapdock's or a test's is there that was not there before."""
    before = _ownerless(engine)
    yield
    # What another session killed on purpose is ownerless for a moment, until a next run of that session removes it.
    left = _ownerless(engine) - before
    wait_for(lambda: not left & _ownerless(engine), f"the removal of {sorted(left)}", seconds=20)


def _ownerless(engine: Any) -> set[str]:
    """Those of this process and of processes that are gone; what another session has is its own to remove."""
    if isinstance(engine, docker.errors.DockerException):
        return set()
    return {name for label in LABELS for name, labels in _labelled(engine, label) if _is_ours(labels)}


def _labelled(engine: Any, label: str) -> Iterator[tuple[str, dict[str, str]]]:
    for container in engine.containers(all=True, filters={"label": label}):
        yield next(iter(container["Names"] or ()), "").lstrip("/"), container["Labels"]
    for volume in engine.volumes(filters={"label": label})["Volumes"] or []:
        yield volume["Name"], volume["Labels"]
    for network in engine.networks(filters={"label": label}):
        yield network["Name"], network["Labels"]


def _is_ours(labels: dict[str, str]) -> bool:
    whose = labels.get("io.tapdock.owner", "")
    return whose.split("/")[1:2] == [str(os.getpid())] or not owner.is_alive(whose)
