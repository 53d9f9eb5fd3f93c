"""Tests a target that writes into its own container, which is removed after the run."""

import pytest

from engines.places import docker_only
from engines.project import STATE_ID

pytestmark = docker_only


def test_rows_that_are_lost_with_the_container_fail_the_run(project):
    project.target_keys = {"mounts": []}
    project.target = {"path": "/tmp/rows.jsonl"}
    project.steps("until users 50", "state")
    for words in ((), ("run", "source", "target", "--json", "--no-state-update")):
        ended = project.run(*words)
        assert (ended.code, ended.side) == (4, "target"), ended.stderr
        assert "target `target` wrote `/tmp/rows.jsonl` into its own container" in ended.message
        assert "add `./tmp:/tmp` to `targets.target.mounts`" in ended.hint
        warning = "warning: `targets.target.config.path` is a path in the container, and no mount covers it\n"
        assert f"{warning}hint: add `./tmp:/tmp` to `targets.target.mounts`\n" in ended.stderr
        assert "there is no state" in project.run("state", "get", STATE_ID).stderr
    planned = project.run("run", "source", "target", "--dry-run", "--json")
    assert planned.record["paths_without_mount"] == ["targets.target.config.path"]
    assert (
        "`targets.target.config.path` is a path in the container, and no mount covers it"
        in project.run("doctor", "--json").stdout
    )


@pytest.mark.slow
def test_the_state_of_earlier_runs_stays(project):
    project.steps("until users 20", "state")
    assert project.run().code == 0
    before = project.state()
    project.target_keys = {"mounts": []}
    project.target = {"path": "/tmp/rows.jsonl"}
    project.steps("until users 50", "state")
    assert project.run().code == 4
    assert project.state() == before


def test_a_named_volume_keeps_rows(project, api):
    name = f"tapdock-test-{project.folder.name}".replace("_", "-")
    project.target_keys = {"mounts": [f"{name}:/tmp/kept"]}
    project.target = {"path": "/tmp/kept/rows.jsonl"}
    project.steps("until users 20", "state")
    api.create_volume(name, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "mode=0777"})
    try:
        assert project.run().code == 0
    finally:
        api.remove_volume(name)


def test_a_target_that_cannot_write_at_a_path_without_a_mount_has_the_mount_to_add(project):
    project.target_keys = {"mounts": []}
    project.target = {"path": "/data/rows.jsonl"}
    project.steps("until users 50", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target"), ended.stderr
    found = "`targets.target.config.path` is a path in the container, and no mount covers it"
    assert ended.hint == f"{found}: add `./data:/data` to `targets.target.mounts`"
