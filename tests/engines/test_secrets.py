"""Tests that secrets are only in memory: the engine's disk contains none of them, during a run and afterwards."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from engines.places import docker_only
from engines.project import wait_for


@pytest.fixture
def disk(api) -> list[Path]:
    """Return the folder in which the engine stores containers and volumes."""
    root = Path(api.info()["DockerRootDir"])
    if os.geteuid() != 0:
        pytest.skip(f"only root may look into {root}")
    folders = [root / "containers", root / "volumes"]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"{root} is not on this machine's disk")
    return folders


def files_with(text: str, folders: list[Path]) -> list[str]:
    """Return the files that contain the text.

    `grep` ignores files that are removed meanwhile, and pipes are not opened.
    """
    words = ["--recursive", "--files-with-matches", "--fixed-strings", "--no-messages", "--devices=skip", "--file=-"]
    done = subprocess.run(["grep", *words, "--", *folders], input=text, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_the_search_finds_what_is_there(api, disk, images):
    """Without this check, a search without results would prove nothing."""
    made = api.create_container(images["source"], environment={"TOKEN": "f0und-by-grep"})
    try:
        assert any(made["Id"] in path for path in files_with("f0und-by-grep", disk))
    finally:
        api.remove_container(made["Id"])


@docker_only
def test_no_secret_on_the_engines_disk(project, disk):
    project.source_keys = {"env": {"TOKEN": "${TAPDOCK_TEST_SECRET}"}}
    project.steps("babble", "environ TOKEN", "until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    assert files_with(project.secret, disk) == []
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143
    assert files_with(project.secret, disk) == []
