"""Tests the Python API on engines: a run, records of a source, and that no container is left."""

import os

import pytest

import tapdock
from engines import leftovers
from engines.places import SLOW_BESIDE, SLOW_CONTAINER

in_both = pytest.mark.parametrize("place", [SLOW_BESIDE, SLOW_CONTAINER])


@in_both
def test_a_source_is_run_and_read_and_left_early(project, api):
    project.steps("until users 1000", "state")
    project.write()
    loaded = tapdock.load(project.folder, environ=project.variables())
    assert loaded.run("source", "target").streams[0].records == 1000
    assert [each.data["id"] for each in loaded.sources["source"].read()] == list(range(1, 1001))
    project.steps("forever users")
    project.write()
    with tapdock.load(project.folder, environ=project.variables()).sources["source"].read() as records:
        assert next(records).data["id"] == 1
        assert leftovers.containers(api, {os.getpid()}) != []
    assert leftovers.containers(api, {os.getpid()}) == []
    assert leftovers.volumes(api, {os.getpid()}) == []
