"""Tests where the states of a Meltano project are, and that all of them are read from there."""

from pathlib import Path

import pytest

from support.meltano import database
from tapdock.project.meltano import converted
from tapdock.project.meltano_files import Files
from tapdock.project.meltano_states import place_of_states
from tapdock.state.meltano_store import states_of_meltano

STATE = '{"singer_state":{"bookmarks":{"a":{"x":1}}}}'
PLUGINS = {"extractors": [{"name": "tap-x", "pip_url": "x"}], "loaders": [{"name": "target-y", "pip_url": "y"}]}


@pytest.mark.parametrize(
    ("tree", "environ", "place"),
    [
        ({}, {}, ".meltano/meltano.db"),
        ({"state_backend": {"uri": "systemdb"}}, {}, ".meltano/meltano.db"),
        ({"state_backend": {"uri": "s3://b/p"}}, {}, "s3://b/p"),
        ({"state_backend": {"uri": "s3://b/p"}}, {"MELTANO_STATE_BACKEND_URI": "gs://c"}, "gs://c"),
        ({"state_backend": {"uri": "file:///a/b"}}, {}, "/a/b"),
        ({"state_backend": {"uri": "file://${MELTANO_SYS_DIR_ROOT}/state"}}, {}, "/shop/.meltano/state"),
        ({"state_backend": {"uri": "s3://$BUCKET/p"}, "env": {"BUCKET": "b"}}, {}, "s3://b/p"),
        ({"state_backend": {"uri": "s3://$BUCKET/p"}}, {}, "s3://$BUCKET/p"),
        ({"database_uri": "sqlite:////a/b.db"}, {}, "/a/b.db"),
        ({"database_uri": "sqlite:///own.db"}, {}, "own.db"),
        ({"database_uri": "sqlite:///own.db"}, {"MELTANO_DATABASE_URI": "postgresql://h/d"}, "postgresql://h/d"),
        ({"database_uri": "sqlite:///own.db", "state_backend": {"uri": "s3://b"}}, {}, "s3://b"),
    ],
)
def test_the_place(tree, environ, place):
    files = Files(tree, folder=Path("/shop"))
    assert place_of_states(files, Path("/shop"), environ) == place


def test_a_relative_place_is_relative_to_the_new_project():
    assert place_of_states(Files({}, folder=Path("/a/shop")), Path("/a/new"), {}) == "../shop/.meltano/meltano.db"


@pytest.mark.parametrize(
    ("tree", "variables", "line"),
    [
        ({"state_backend": {"uri": "systemdb"}}, {}, "`tapdock state import .meltano/meltano.db --format meltano`"),
        ({"database_uri": "sqlite:///own.db"}, {}, "`tapdock state import own.db --format meltano`"),
        ({}, {"MELTANO_STATE_BACKEND_URI": "s3://me:s3cret@b/p"}, "`tapdock state import s3://b/p --format meltano`"),
        ({"database_uri": "postgresql://me:s3cret@h/d"}, {}, "in the database postgresql://h/d: import each of them"),
        ({"database_uri": "postgresql+psycopg://h/d"}, {}, "`meltano state get NAME | tapdock state import - NAME"),
    ],
)
def test_the_line_about_states(tree, variables, line):
    left = converted(Files({"plugins": PLUGINS, **tree}, variables=variables)).left
    (found,) = [one for one in left if "states" in one]
    assert line in found
    assert not [one for one in left if "s3cret" in one or "`database_uri`" in one]


def test_states_of_a_folder_by_its_uri_and_names_with_slashes(tmp_path):
    for name in ("dev:tap-x-to-target-y", "crm/hourly"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "state.json").write_text(STATE)
    found = {"dev:tap-x-to-target-y": STATE, "crm/hourly": STATE}
    assert states_of_meltano(f"file://{tmp_path}", tmp_path) == found
    assert states_of_meltano(str(tmp_path), tmp_path) == found


def test_a_database_by_its_uri(tmp_path):
    database(tmp_path / "own.db", [("a", "{}", STATE)])
    assert states_of_meltano(f"sqlite:///{tmp_path / 'own.db'}", tmp_path) == {"a": f'{{"completed":{STATE}}}'}
