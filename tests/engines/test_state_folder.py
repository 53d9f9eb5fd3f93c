"""Tests a state that cannot be saved: the run fails, and the acknowledged state is kept in a file."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from engines import leftovers
from engines.places import local_only
from engines.project import STATE_ID, wait_for

SMALL = "size=64k,mode=0700"


@pytest.fixture
def small_disk(project):
    """Mount a disk of 64 KiB as the folder of the state."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = project.private / "state"
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", folder], stderr=subprocess.PIPE, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_midway(project, small_disk):
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    fill(small_disk)
    ended = run.ended()
    assert (ended.code, ended.side) == (6, "runner")
    assert "No space left" in ended.message
    dumped = project.private / "unsaved-default-source-to-target.json"
    assert str(dumped) in ended.hint
    assert dumped.stat().st_mode & 0o777 == 0o600
    assert project.done() == 1  # the target was allowed to finish what it had received

    (small_disk / "ballast").unlink()
    assert project.run("state", "set", STATE_ID, str(dumped)).code == 0
    assert project.cursor() <= max(project.ids())
    last = max(project.ids()) + 3
    project.steps(f"until users {last}", "state")
    assert project.run().code == 0
    assert project.ids() >= set(range(1, last + 1))


@local_only
@pytest.mark.parametrize("ending", ["stopped", "source killed"])
def test_another_ending_while_the_state_cannot_be_saved(project, small_disk, ending):
    """In any order of failures, the run reports that the state is not saved, and the file that contains the state."""
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    state = small_disk / "default%3Asource-to-target.json"
    wait_for(lambda: project.rows() and "users" in state.read_text(), "the first saved state")
    fill(small_disk)
    if ending == "stopped":
        run.signal(signal.SIGINT)
    else:
        found = leftovers.processes(str(project.folder / "bin" / "source.py"))
        (source,) = (process for process, line in found.items() if "/bin/sh" not in line)
        os.kill(source, signal.SIGKILL)
    ended = run.ended()
    assert ended.code in ((130, 6) if ending == "stopped" else (3, 6)), ended.stderr
    assert "No space left" in ended.message
    assert "is saved" not in ended.message
    dumped = project.private / "unsaved-default-source-to-target.json"
    assert str(dumped) in ended.hint
    assert dumped.exists()
    assert str(dumped) in ended.stderr, "the log tells it as well"


@local_only
def test_full_disk_for_all_that_is_ours(project, small_disk):
    """The disk is full for state, log and record.

    The run reports that the state cannot be saved, as one JSON object.
    """
    private = project.private
    project.environ = {"TAPDOCK_HOME": str(small_disk)}
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    fill(small_disk)
    ended = run.ended()
    assert (ended.code, ended.side) == (6, "runner"), ended.stderr
    assert "No space left" in ended.message
    assert "the state is in" in ended.hint
    assert "Traceback" not in ended.stderr
    assert not (private / "runs").exists()
    (project.tmp / "unsaved-default-source-to-target.json").unlink()


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass


@local_only
def test_folder_that_cannot_be_written(project):
    """The error is reported before anything is read."""
    project.private.mkdir(exist_ok=True)
    (project.private / "state").write_text("a file where the folder should be")
    project.steps("until users 20", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (6, "runner")
    assert str(project.private / "state") in ended.message
    assert project.rows() == []


@local_only
def test_state_in_the_way_of_a_run_that_saves_none(project):
    project.steps("until users 20", "state")
    ended = project.run("run", "source", "target", "--json", "--no-state-update")
    assert ended.code == 0
    assert project.run("state", "list").stdout.count("source-to-target") == 0


@local_only
def test_state_of_another_pipeline_is_not_taken_for_ones_own(project):
    """The state was copied by hand. Both pipelines would use one state, and each would skip what the other has read."""
    project.keys = {"pipelines": {"other": {"source": "source", "target": "target", "state_suffix": "eu"}}}
    project.steps("until users 20", "state")
    assert project.run().code == 0
    mine = project.private / "state" / "default%3Asource-to-target.json"
    copied = mine.with_name("default%3Asource-to-target%3Aeu.json")
    shutil.copy(mine, copied)
    before, rows = mine.read_bytes(), project.rows()
    project.steps("until users 40", "state")
    ended = project.run("run", "other", "--json")
    assert (ended.code, ended.side) == (6, "runner")
    assert f"state `{STATE_ID}:eu`" in ended.message
    assert f"contains the state `{STATE_ID}`" in ended.message
    assert (mine.read_bytes(), project.rows()) == (before, rows)
    (command,) = re.findall(r"`tapdock (state copy [^`]+)`", ended.hint)
    assert project.run(*command.split()).code == 0
    ended = project.run("run", "other", "--json")
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 41))
    assert project.cursor() == 20, "the other state stays where it was"
    assert mine.read_bytes() == before


@local_only
def test_interrupted_run_is_listed_as_stopped(project):
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143
    assert "stopped" in project.run("runs", "list").stdout
