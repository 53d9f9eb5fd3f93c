"""Fixtures for one project in three places, and the checks that run after every test."""

import shutil
from pathlib import Path

import pytest

from connectors.images import KINDS, image
from engines import leftovers
from engines.places import LOCAL, SLOW_BESIDE, SLOW_CONTAINER
from engines.project import CONNECTORS, Project, wait_for


@pytest.fixture(params=[LOCAL, SLOW_BESIDE, SLOW_CONTAINER])
def place(request) -> str:
    """Run each test in every place. A test for only one place parametrizes `place` itself."""
    return request.param


@pytest.fixture(scope="session")
def known_specs(tmp_path_factory) -> Path:
    """Return a cache folder with the specs of the connectors by image: they are asked only once for all tests."""
    return tmp_path_factory.mktemp("specs")


@pytest.fixture(scope="session")
def images(api) -> dict[str, str]:
    return {program: image(api, program, runs_as="1000", anybody=True) for program in KINDS}


@pytest.fixture
def project(place, tmp_path, request, known_specs):
    """Yield a project. Check afterwards that its runs left nothing behind and that its secret is in no file."""
    if place == "local":
        bin_ = shutil.copytree(CONNECTORS, tmp_path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
        made = Project(tmp_path, place, {name: str(bin_ / f"{name}.py") for name in KINDS})
    else:
        made = Project(tmp_path, place, dict(request.getfixturevalue("images")))
    made.apart = request.config.getoption("--all")
    if place == "docker-container":
        request.getfixturevalue("runner_image")
    cache = tmp_path / ".tapdock" / "cache"
    shutil.copytree(known_specs, cache)
    yield made
    made.end()
    for about in cache.glob("about-*.json"):
        shutil.copy(about, known_specs)
    _assert_clean(made, None if place == "local" else request.getfixturevalue("api"))


def _assert_clean(project: Project, api) -> None:
    assert leftovers.files_with(project.secret, project.folder) == []
    assert leftovers.run_folders(project.tmp) == []
    mark = str(project.folder)
    wait_for(lambda: not leftovers.processes(mark), f"the end of {leftovers.processes(mark)}", seconds=5)
    if project.place == "local":
        assert leftovers.files_with(project.secret, Path("/dev/shm")) == []
    else:
        assert [container["Names"] for container in leftovers.containers(api, project.pids)] == []
        assert leftovers.volumes(api, project.pids) == []
        assert leftovers.networks(api, project.pids) == []
