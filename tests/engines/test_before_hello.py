"""Tests containers that exist and have not reported `hello`: no run hangs, and no leftovers remain."""

import signal

import pytest

from connectors.images import image
from engines import leftovers
from engines.places import docker_only
from engines.project import wait_for

# This shell does nothing if it finds a file `stuck`. The launcher then reports nothing.
STUCK = (
    "USER 0\n"
    "RUN printf '#!/bin/dash\\n[ ! -e /data/stuck ] || exec sleep 600\\nexec dash \"$@\"\\n' >/bin/stuck \\\n"
    " && chmod 0755 /bin/stuck && ln -sf stuck /bin/sh\n"
    "USER 1000\n"
)
FINISHED = ("until users 10", "state")


@pytest.fixture
def stuck(project, api):
    """stuck(side) -> a run whose container of that side exists, and that container."""
    project.steps(*FINISHED)

    def begun(side: str):
        project.images[side] = image(api, side, runs_as="1000", anybody=True, last=STUCK)
        project.source_keys = {"mounts": ["./data:/data"]}
        assert project.run("run", "source", "target", "--dry-run").code == 0  # caches the answers of spec and discover
        (project.data / "stuck").touch()
        run = project.start()
        return run, wait_for(lambda: running(project, api, side), f"the {side}'s container")

    return begun


def running(project, api, side):
    found = leftovers.containers(api, project.pids, role=side)
    return next((container["Id"] for container in found if container["State"] == "running"), None)


def finish(project):
    """Check that the next run succeeds."""
    (project.data / "stuck").unlink()
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 11))


@docker_only
@pytest.mark.parametrize(("side", "code"), [("source", 3), pytest.param("target", 4, marks=pytest.mark.slow)])
def test_killed(project, api, stuck, side, code):
    run, container = stuck(side)
    api.kill(container)
    ended = run.ended()
    assert (ended.code, ended.side) == (code, side), ended.stderr
    assert "before it had read anything" in ended.message
    assert project.rows() == []
    finish(project)


@pytest.mark.slow
@docker_only
def test_removed(project, api, stuck):
    run, container = stuck("target")
    api.remove_container(container, force=True)
    ended = run.ended()
    assert (ended.code, ended.side) == (4, "target"), ended.stderr
    assert "before it had read anything" in ended.message
    assert project.rows() == []
    finish(project)


@pytest.mark.slow
@docker_only
@pytest.mark.parametrize("side", ["source", "target"])
def test_sigterm(project, stuck, side):
    run, _ = stuck(side)
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert (ended.code, ended.record["status"]) == (143, "stopped"), ended.stderr
    assert project.rows() == []
    finish(project)
