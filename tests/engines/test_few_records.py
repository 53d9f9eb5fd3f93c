"""Tests on engines that a source is stopped once enough of its records were read, and that nothing of it is left."""

import json

import pytest

from engines.places import CONTAINER, SLOW_BESIDE


@pytest.mark.slow
@pytest.mark.parametrize("place", [SLOW_BESIDE, CONTAINER])
def test_a_source_without_an_end_is_previewed_and_run_with_a_limit(project):
    """The fixture checks that no container is left."""
    project.steps("forever users")
    ended = project.run("preview", "source", "--limit", "5", "--json")
    assert ended.code == 0, ended.stderr
    (users,) = json.loads(ended.stdout)["streams"]
    assert [each["id"] for each in users["records"]] == [1, 2, 3, 4, 5]
    ended = project.run("run", "source", "target", "--limit", "5", "--json")
    assert ended.code == 0, ended.stderr
    assert [(each["records"], each["status"]) for each in ended.record["streams"]] == [(5, "limited")]
    assert project.ids() == {1, 2, 3, 4, 5}
    assert project.cursor() <= 5
