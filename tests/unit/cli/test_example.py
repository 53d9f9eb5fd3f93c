"""Tests that the commands that edit a project file work on the example project of `tapdock init`."""

import pytest
import yaml

from tapdock.cache import Cache
from tapdock.connectors.known_specs import remember
from tapdock.connectors.select_edit import SelectEdit
from tapdock.project.edit import comments, remove, set_value
from tapdock.project.layers import walk
from tapdock.project.load import load


@pytest.fixture
def example(tapdock, folder):
    """The project file that `init` writes."""
    (folder / "tapdock.yaml").unlink()
    assert tapdock("init").returncode == 0
    project = load(folder / "tapdock.yaml", environment=None, environ={})
    for connector in project.connectors:  # what they report is known, so that no engine is needed
        spec = {"type": "object", "properties": {name: {} for name in connector.config}}
        remember(Cache(project.private / "cache"), connector, spec)
    return folder / "tapdock.yaml"


def test_every_value_can_be_changed_and_removed(example):
    """A comment at the end of a line would be lost with its value, so that the edit would be refused."""
    text = example.read_text()
    paths = [path for path, _ in walk(yaml.safe_load(text), ())]
    assert len(paths) > 10
    for path in paths:
        set_value(text, path, "another", label="tapdock.yaml")
        remove(text, path, label="tapdock.yaml")


def test_the_selection_can_be_changed_and_cleared(tapdock, example):
    project = load(example, environment=None, environ={})
    edit = SelectEdit(project, project.sources["faker"], None, {})
    edit.add("!users.address")
    edit.write()
    before = list(comments(example.read_text()))
    assert load(example, environment=None, environ={}).sources["faker"].select == ("*", "!users.address")
    ended = tapdock("select", "faker", "--remove", "*")
    assert ended.returncode == 0, ended.stderr
    ended = tapdock("select", "faker", "--clear")
    assert ended.returncode == 0, ended.stderr
    assert load(example, environment=None, environ={}).sources["faker"].select == ()
    assert [text for _, text in comments(example.read_text())] == [text for _, text in before]


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ("config", "set", "faker", "count", "5"),
        ("config", "set", "faker", "always_updated", "true"),
        ("config", "unset", "faker", "always_updated"),
        ("config", "unset", "lake", "default_target_schema"),
        ("config", "set", "lake", "filepath", "/data/other.duckdb"),
        ("remove", "demo", "--yes"),
    ],
    ids=" ".join,
)
def test_a_command_that_edits_the_file_works(tapdock, example, words):
    before = example.read_text()
    ended = tapdock(*words)
    assert ended.returncode == 0, ended.stderr
    assert example.read_text() != before
    load(example, environment=None, environ={})


def test_everything_can_be_removed(tapdock, example):
    for name in ("demo", "faker", "lake"):
        ended = tapdock("remove", name, "--yes")
        assert ended.returncode == 0, ended.stderr
