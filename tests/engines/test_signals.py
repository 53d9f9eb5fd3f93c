"""Tests runs that are ended from outside, by a signal or by `kill -9`."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from engines import leftovers
from engines.places import (
    BESIDE,
    LOCAL,
    SLOW_BESIDE,
    SLOW_CONTAINER,
    docker_only,
    in_both_placements,
    with_a_relay,
)
from engines.project import wait_for

FOREVER = ("until users 20", "state", "forever users")


@pytest.fixture(params=[LOCAL, BESIDE, SLOW_CONTAINER])
def place(request) -> str:
    """Signals reach the relay in a different way in each place."""
    return request.param


def begun(project):
    """Return a run that has already delivered rows."""
    project.steps(*FOREVER)
    run = project.start()
    wait_for(lambda: project.rows() or run.process.poll() is not None, "the first rows")
    return run


def finish(project):
    """Check the next run: it must succeed, and no row may be missing."""
    last = max(project.ids() | {20}) + 5
    project.steps(f"until users {last}", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() >= set(range(1, last + 1))
    assert project.cursor() == last


def test_sigterm_ends_in_order(project):
    run = begun(project)
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert (ended.code, ended.record["status"]) == (143, "stopped"), ended.stderr
    assert project.done() == 1
    assert project.cursor() == max(project.ids())
    finish(project)


@pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE, SLOW_CONTAINER])
def test_sigint_ends_in_order(project):
    run = begun(project)
    run.signal(signal.SIGINT)
    ended = run.ended()
    assert (ended.code, ended.record["status"]) == (130, "stopped")
    assert project.done() == 1


@pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE, SLOW_CONTAINER])
def test_second_signal_ends_at_once(project):
    project.steps("deaf", *FOREVER)
    project.target = {"deaf": True}
    project.source_keys = project.target_keys = {"stop_grace": "300s"}
    run = project.start()
    wait_for(project.rows, "the first rows")
    run.signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in run.process.stderr.readline(), "the word that it stops")
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert ended.code == 143
    assert project.done() == 0


def test_signal_before_anything_runs(project):
    """In every phase of its start the run ends, with a record that reports the signal."""
    project.source = {"slow": True}
    run = project.start()
    wait_for(lambda: "run started" in run.process.stderr.readline(), "the run's first word")
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert (ended.code, ended.record["status"]) == (143, "stopped")


def test_signal_while_the_engine_is_connected_to(tmp_path):
    """The signal arrives inside a library that treats every failure of a connection as its own error."""
    sources = {"a": {"image": "a"}}
    (tmp_path / "tapdock.yaml").write_text(
        json.dumps({"version": 1, "sources": sources, "targets": {"b": {"image": "b"}}})
    )
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "engine.sock"))
        silent.listen()
        silent.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "tapdock", "run", "a", "b", "--json"],
            cwd=tmp_path,
            env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/engine.sock"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        asked, _ = silent.accept()
        with asked:
            asked.recv(1)
            process.terminate()
            stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 143, stderr
    assert json.loads(stdout)["exit_code"] == 143
    assert "stopped by signal" in stderr


def test_signal_while_a_connector_is_asked(project, request):
    project.source = {"slow": True}
    run = project.start()
    wait_for(lambda: is_asked(project, request), "the connector to be asked")
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143


def is_asked(project, request) -> bool:
    """Return whether the connector runs discovery."""
    if project.place == "local":
        return any("source.py discover" in line for line in leftovers.processes(str(project.folder)).values())
    found = leftovers.containers(request.getfixturevalue("api"), project.pids)
    lines = [line for container in found for line in leftovers.lines_in(container["Id"])]
    return any("connector discover" in line and "pipes=$1" not in line for line in lines)


def test_kill_9_of_the_runner_and_a_run_at_once(project):
    run = begun(project)
    run.process.kill()
    run.ended()
    last = max(project.ids())
    project.steps(f"until users {last + 5}", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    # The first target was killed and has never seen the end of its input. The rows of the second target are complete.
    assert project.done() == 1
    assert project.ids() >= set(range(1, last + 6))
    assert project.cursor() == last + 5


@in_both_placements
def test_kill_9_of_the_runner_leaves_nothing_running(project, api):
    run = begun(project)
    run.process.kill()
    run.ended()

    def running():
        return [c for c in leftovers.containers(api, project.pids) if c["State"] == "running"]

    wait_for(lambda: not running(), "the end of both connectors", seconds=10)
    assert project.done() == 0
    assert project.run("gc").code == 0  # a run of another test may have removed them already
    assert leftovers.containers(api, project.pids) == []
    assert leftovers.run_folders(project.tmp) == []


@with_a_relay
def test_relay_is_killed(project, api):
    run = begun(project)
    (relay,) = leftovers.containers(api, project.pids, role="relay")
    api.kill(relay["Id"])
    ended = run.ended()
    assert (ended.code, ended.side) == (8, "runner")
    assert "exited with 137" in ended.message
    assert project.done() == 0
    finish(project)


@pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE, SLOW_CONTAINER])
def test_second_run_while_the_first_one_lives(project):
    first = begun(project)
    second = project.run()
    assert (second.code, second.side) == (7, "runner")
    assert str(first.process.pid) in second.message
    first.signal(signal.SIGTERM)
    assert first.ended().code == 143
    finish(project)


@docker_only
def test_secret_is_nowhere_while_a_run_lasts(project, api):
    run = begun(project)
    relay = {"relay"} if project.place == "docker-container" else set()
    all_of_it = leftovers.containers(api, project.pids)
    assert {container["Labels"]["io.tapdock.role"] for container in all_of_it} == {"source", "target"} | relay
    for container in all_of_it:
        assert project.secret not in str(api.inspect_container(container["Id"]))
    assert not [line for _, line in leftovers.command_lines() if project.secret in line]
    assert leftovers.files_with(project.secret, project.folder) == []
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143
