"""Tests compose.yaml and the entrypoint of tapdock's image without containers: whose states a project gets."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from support.pages import services

CHECKOUT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
RUNNER = SERVICES["runner"]


def test_states_are_in_the_folder_of_the_project():
    """A volume is the same for all projects, and their states may have the same names."""
    assert "TAPDOCK_HOME" not in RUNNER["environment"]


def test_a_project_that_does_not_exist_is_not_created():
    (project,) = (volume for volume in RUNNER["volumes"] if isinstance(volume, dict))
    assert (project["source"], project["target"]) == ("${TAPDOCK_PROJECT:-./.demo}", "/project")
    assert project["bind"] == {"create_host_path": False}
    assert (CHECKOUT / ".demo" / ".gitignore").is_file(), "the default exists in a clone"
    assert RUNNER["environment"]["TAPDOCK_EXAMPLE"] == "${TAPDOCK_PROJECT:-.demo}"


def test_each_service_has_a_profile_of_its_name():
    """`up --wait` waits for what it starts, and the container of `runner` ends."""
    assert {name: service["profiles"] for name, service in SERVICES.items()} == {name: [name] for name in SERVICES}


def test_the_page_has_a_row_for_each_service():
    """The ports are those of the images, whose health checks `up --wait` uses."""
    table = services()
    assert list(table) == list(SERVICES)
    for name in SERVICES.keys() - {"runner", "scheduler"}:
        dockerfile = (CHECKOUT / "images" / name / "Dockerfile").read_text()
        assert re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE) == table[name][:1]
        assert "\nHEALTHCHECK " in dockerfile
        assert ("in memory" in table[name][-1]) == ("volumes" not in SERVICES[name])
    start = (CHECKOUT / "images" / "warehouse" / "start").read_text()
    _, user, _, database, _ = table["warehouse"]
    assert f"--username={user} " in start
    assert f"CREATE DATABASE {database};" in start


@pytest.fixture
def entrypoint(tmp_path):
    """entrypoint(*words, **environ) -> the calls of tapdock, each with the last part of its XDG_CACHE_HOME."""
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "tapdock"
    stub.write_text('#!/bin/sh\necho "$* ${XDG_CACHE_HOME##*/}"\n')
    stub.chmod(0o755)

    def called(*words: str, **environ: str) -> list[str]:
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        command = ["sh", CHECKOUT / "images" / "runner" / "entrypoint", *words]
        ended = subprocess.run(command, env={"PATH": path, **environ}, capture_output=True, text=True, check=True)
        return ended.stdout.splitlines()

    return called


@pytest.mark.parametrize(
    ("example", "exists", "calls"),
    [
        (".demo", False, ["--project {} init", "run demo"]),
        (".demo", True, ["run demo"]),
        ("../shpo", False, ["run demo"]),
        ("/srv/yes", False, ["run demo"]),
        ("", False, ["run demo"]),
    ],
)
def test_the_example_exists_only_where_it_was_asked_for(entrypoint, tmp_path, example, exists, calls):
    project = tmp_path / "project"
    project.mkdir()
    if exists:
        (project / "tapdock.yaml").touch()
    made = entrypoint("run", "demo", TAPDOCK_EXAMPLE=example, TAPDOCK_PROJECT=str(project))
    assert made == [f"{call.format(project)} .cache-{os.geteuid()}" for call in calls]


def test_the_init_of_a_runner_can_pass_on_signals():
    """It is root without capabilities, and tapdock another user: without KILL, `stop` would kill the runs."""
    for name in ("runner", "scheduler"):
        assert SERVICES[name]["init"] is True
        assert set(SERVICES[name]["cap_add"]) == {"SETUID", "SETGID", "KILL"}
