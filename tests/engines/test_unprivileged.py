"""Repeats the most important tests as a user who is not root, but in the `docker` group."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import leftovers
from engines.project import Project, wait_for
from support.users import open_to_others

USER = "tapdock-test"
pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def somebody() -> Iterator[pwd.struct_passwd]:
    """Return a user for these tests. A user that already existed is kept."""
    if os.geteuid() != 0:
        pytest.skip("these tests are run by an unprivileged user already: all others are such tests")
    if not shutil.which("useradd") or not shutil.which("setpriv"):
        pytest.skip("`useradd` and `setpriv` are needed to become somebody else")
    is_new = USER not in {known.pw_name for known in pwd.getpwall()}
    if is_new:
        subprocess.run(["useradd", "--system", "--no-create-home", "--groups", "docker", USER], check=True)
    yield pwd.getpwnam(USER)
    if is_new:
        subprocess.run(["userdel", USER], check=True)


@pytest.fixture
def project(api, images, somebody, tmp_path, known_specs):
    """Return a project of that user. Its commands run as that user."""
    open_to_others(tmp_path)
    become = ["setpriv", f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--init-groups"]
    readable = subprocess.run([*become, sys.executable, "-c", "import tapdock.cli"], capture_output=True, text=True)
    if readable.returncode:
        pytest.skip(f"{USER} cannot read this Python: {readable.stderr.strip().splitlines()[-1]}")
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder, "docker-beside", dict(images), prefix=[*become, sys.executable, "-m", "tapdock"])
    shutil.copytree(known_specs, folder / ".tapdock" / "cache")
    made.write()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, somebody.pw_uid, somebody.pw_gid)
    yield made
    made.end()
    assert leftovers.files_with(made.secret, folder) == []
    assert leftovers.run_folders(made.tmp) == []
    assert leftovers.containers(api, made.pids) == []


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def test_all_is_well_and_all_files_are_theirs(project, somebody):
    project.steps("until users 50", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 51))
    assert (project.data / "rows.jsonl").stat().st_uid == somebody.pw_uid
    assert owners(project.private / "state") == {somebody.pw_uid}


@pytest.mark.slow
def test_source_fails_midway_and_the_next_run_goes_on_from_there(project):
    project.steps("until users 50", "state", "until users 80", "exit 1")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert project.cursor() == 50
    project.steps("until users 90", "state")
    assert project.run().code == 0
    assert project.ids() == set(range(1, 91))


@pytest.mark.slow
def test_sigterm_ends_in_order(project):
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert ended.code == 143, ended.stderr
    assert project.done() == 1
    assert project.cursor() == max(project.ids())


def test_state_folder_of_somebody_else(project):
    state = project.private / "state"
    state.mkdir()
    state.chmod(0o755)  # made by root
    project.steps("until users 20", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (6, "runner")
    assert "Permission denied" in ended.message
    assert project.rows() == []
