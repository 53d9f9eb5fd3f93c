"""Tests that a change of one source's patterns changes no other environment."""

import pytest

from tapdock.connectors.select_edit import SelectEdit
from tapdock.errors import UsageError
from tapdock.project.load import load

PROJECT = """\
version: 1
default_environment: dev
sources:
  eu: {image: x, select: [users.*, "!users.ssn", "!${HIDDEN:-users.pin}"]}
  us: {extends: eu}
environments:
  dev: {sources: {eu: {select: [users.*]}}}
  prod: {}
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tapdock.yaml"


def selected(file, environment):
    return list(load(file, environment=environment, environ={}).sources["us"].select)


def edit(file, environment=None, *, chosen=None):
    project = load(file, environment=environment, environ={})
    return SelectEdit(project, project.sources["us"], chosen, {})


def test_patterns_that_only_the_active_environment_inherits_do_not_reach_others(file):
    file.write_text(PROJECT)
    before = selected(file, "prod")
    change = edit(file)
    change.add("!users.email")
    change.write()
    assert change.place == ("environments", "dev", "sources", "us", "select")
    assert selected(file, "dev") == ["users.*", "!users.email"]
    assert selected(file, "prod") == before == ["users.*", "!users.ssn", "!users.pin"]


def test_inherited_patterns_are_copied_with_their_references(file):
    file.write_text(PROJECT)
    change = edit(file, "prod")
    change.add("!users.email")
    with pytest.raises(UsageError, match="`us` has other patterns in environment `dev`, which would be lost"):
        change.write()
    file.write_text(PROJECT.replace("  dev: {sources: {eu: {select: [users.*]}}}", "  dev: {}"))
    change = edit(file, "prod")
    change.add("!users.email")
    change.write()
    assert "!${HIDDEN:-users.pin}" in file.read_text().split("us:")[1]
    everywhere = ["users.*", "!users.ssn", "!users.pin", "!users.email"]
    assert selected(file, "dev") == selected(file, "prod") == everywhere


def test_a_named_environment_is_changed_alone(file):
    file.write_text(PROJECT)
    change = edit(file, "prod", chosen="prod")
    change.add("!users.email")
    change.write()
    assert selected(file, "dev") == ["users.*"]
    assert selected(file, "prod") == ["users.*", "!users.ssn", "!users.pin", "!users.email"]
