"""Tests tapdock as a container with the engine's socket: the demo twice, from beginning to end, without leftovers."""

import json
import os
import subprocess
import uuid

import pytest

from connectors.images import base_image
from engines.project import wait_for
from places.machines import DEMO

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a project of somebody else"),
]
SOCKET = "/var/run/docker.sock:/var/run/docker.sock"


def run(*words: str, image: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    environment = ["--env", f"TAPDOCK_BASE_IMAGE={base_image()}"]
    command = ["docker", "run", "--rm", "--volume", SOCKET, *environment, *options, image, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def counts(ended: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return {stream["stream"]: stream["records"] for stream in json.loads(ended.stdout)["streams"]}


def volumes(api) -> set[str]:
    return {volume["Name"] for volume in api.volumes()["Volumes"] or []}


def containers_of_runs(api) -> set[str]:
    return {container["Id"] for container in api.containers(all=True, filters={"label": "io.tapdock.run"})}


def test_the_socket_and_the_project_are_all_that_it_needs(api, runner_image, project):
    before = volumes(api)
    options = ["--user", "0:0", "--volume", f"{project}:/project"]
    first = run("run", "demo", "--json", image=runner_image, options=options)
    assert counts(first) == DEMO
    assert json.loads(first.stdout)["relay"] == "beside"
    second = run("run", "demo", "--json", image=runner_image, options=options)
    assert set(counts(second).values()) == {0}
    owners = {path.stat().st_uid for path in project.rglob("*")}
    assert (project / "data" / "lake.duckdb").exists()
    assert owners == {1234}
    left, containers = volumes(api) - before, containers_of_runs(api)

    def all_gone() -> bool:  # those of other tests go as well
        return not (left & volumes(api) or containers & containers_of_runs(api))

    wait_for(all_gone, f"the removal of {left | containers}", seconds=180)


@pytest.mark.slow
def test_a_read_only_file_system_and_no_capabilities(runner_image, project):
    """As in compose.yaml, and in a cluster with strict rules: any user, and only the mounts are writable."""
    group = str(os.stat("/var/run/docker.sock").st_gid)
    small = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options = [*small, "--user", "1234:1234", "--group-add", group, "--volume", f"{project}:/project"]
    assert counts(run("run", "demo", "--json", image=runner_image, options=options)) == DEMO


@pytest.mark.slow
def test_a_project_that_is_read_only(runner_image, project, api):
    """States and caches are written to TAPDOCK_HOME. The files of the target have their own mount."""
    home = f"tapdock-test-{uuid.uuid4().hex[:8]}"
    data = project / "data"
    data.mkdir()
    os.chown(data, 1234, 1234)
    api.create_volume(home, labels={"io.tapdock.test": "places"})
    mounts = [
        "--volume",
        f"{project}:/project:ro",
        "--volume",
        f"{data}:/project/data",
        "--volume",
        f"{home}:/var/lib/tapdock",
    ]
    options = ["--user", "0:0", *mounts, "--env", "TAPDOCK_HOME=/var/lib/tapdock/home"]
    try:
        assert counts(run("run", "demo", "--json", image=runner_image, options=options)) == DEMO
        assert set(counts(run("run", "demo", "--json", image=runner_image, options=options)).values()) == {0}
    finally:
        api.remove_volume(home)
    assert not (project / ".tapdock").exists()


@pytest.mark.slow
def test_a_project_that_no_mount_covers_is_refused_with_the_line_to_add(runner_image, api):
    commands = "tapdock --project /tmp/inner init && exec tapdock --project /tmp/inner run demo --json"
    options = ["--user", "0:0", "--entrypoint", "sh"]
    ended = run("-c", commands, image=runner_image, options=options)
    assert ended.returncode == 2, ended.stderr
    error = json.loads(ended.stdout)["error"]
    assert "/tmp/inner/data" in error["message"]
    assert "--volume /tmp/inner/data:/tmp/inner/data" in error["hint"]


def test_a_socket_without_permission(runner_image, project):
    options = ["--user", "1234:1234", "--volume", f"{project}:/project"]
    ended = run("doctor", image=runner_image, options=options)
    assert ended.returncode == 8
    assert "no permission" in ended.stdout
    assert "--group-add" in ended.stderr


@pytest.mark.parametrize("project_is", [":/project", ":/elsewhere"])
def test_a_project_of_another_user_is_named_by_its_mount(runner_image, project, project_is):
    where = project_is.removeprefix(":")
    options = ["--user", "4321:4321", "--volume", f"{project}{project_is}:ro", "--workdir", where]
    ended = run("config", "show", image=runner_image, options=options)
    assert ended.returncode == 0, ended.stderr


def test_doctor_reports_where_it_runs(runner_image, project):
    ended = run("doctor", "--json", image=runner_image, options=["--user", "0:0", "--volume", f"{project}:/project"])
    found = {finding["what"]: finding["found"] for finding in json.loads(ended.stdout)["findings"]}
    assert ended.returncode == 0, found
    assert "/project" in found["container"]
    assert found["mounts of lake"] == f"the engine has /project/data is {project}/data"
