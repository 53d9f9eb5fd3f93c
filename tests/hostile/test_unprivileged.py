"""Tests a user in the `docker` group who is not root, and cannot remove files of a container's root."""

import os

import pytest

from engines import leftovers
from engines.conftest import images, known_specs  # noqa: F401 - fixtures of these tests as well
from engines.test_unprivileged import project, somebody  # noqa: F401
from hostile.conftest import messages_of
from tapdock.engines import folders

pytestmark = pytest.mark.docker


def test_a_source_finds_nothing_to_swap(project, hostile, victim):  # noqa: F811
    project.images["source"] = hostile("airbyte", "0")
    attacks = ["swap", "nest", "fill", "records 20", "state"]
    project.source = {"victim": str(victim), "attacks": attacks}
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert messages_of(ended.stderr) == ["swapped []", "nested 0", "filled 0"]
    assert project.ids() == set(range(1, 21))


def test_what_cannot_be_removed_is_a_warning_with_its_path(project, hostile, somebody):  # noqa: F811
    """A container's root leaves nested folders in the folder of BATCH files, and owns them."""
    project.programs = ("tap", "target")
    project.images["tap"] = hostile("singer", "0")
    storage = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tapdock/scratch"}}
    project.source = {"batch": "nested", "batch_config": storage}
    first = project.run()
    assert first.code in (0, 5), first.stderr  # a file that belongs to root may be unreadable for others
    (left,) = leftovers.run_folders(project.tmp)
    try:
        for words in (("run", "source", "target", "--json"), ("gc",)):
            later = project.run(*words)
            assert later.code == (first.code if words[0] == "run" else 0), later.stderr
            assert f"{left} is left from a killed run and cannot be removed: Permission denied" in later.stderr
        doctor = project.run("doctor")
        assert str(left) in doctor.stdout
    finally:
        for folder in leftovers.run_folders(project.tmp):
            os.chown(folder, os.geteuid(), os.getegid())
            assert folders.remove(folder) is None
