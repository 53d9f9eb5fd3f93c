"""Tests on engines that files in place of a source are run into a target, and that nothing is left."""

import pytest

from engines.places import BESIDE, SLOW_CONTAINER


@pytest.mark.parametrize("place", [BESIDE])
def test_a_spool_is_run_into_a_container(project):
    project.steps("until users 2000", "state")
    ended = project.run("run", "source", "--to", "spool")
    assert ended.code == 0, ended.stderr
    ended = project.run("run", "--from", "spool", "target", "--json")
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 2001))
    assert project.cursor() == 2000


@pytest.mark.parametrize("place", [SLOW_CONTAINER])
def test_a_spool_needs_a_folder_that_the_engine_shares(project):
    project.steps("until users 2", "state")
    assert project.run("run", "source", "--to", "spool").code == 0
    ended = project.run("run", "--from", "spool", "target", "--json")
    assert ended.code == 8
    assert "a spool needs an engine that shares a folder with tapdock" in ended.message
    assert project.ids() == set()
