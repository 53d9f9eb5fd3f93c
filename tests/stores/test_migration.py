"""Tests the import of all states in another runner's bucket, by the command line."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from support.meltano import database
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.keys import MELTANO
from tapdock.state.store import read

BOOKMARKS = '{"bookmarks":{"users":{"id":12345678901234567890}}}'
STATES = {
    "dev:tap-a-to-target-b": f'{{"completed":{{"singer_state":{BOOKMARKS}}},"partial":{{}}}}',
    "prod:tap-a-to-target-b:eu": f'{{"completed":{{"singer_state":{BOOKMARKS}}}}}',
}
PROJECT = """\
version: 1
sources: {tap-a: {image: a}}
targets: {target-b: {image: b}}
"""


@pytest.mark.docker
@pytest.mark.parametrize("kind", ["moto", "azurite", "gcs"])
def test_all_of_meltanos_bucket(uri, tmp_path):
    theirs = open_backend(uri, tmp_path, codec=MELTANO)
    for name, text in STATES.items():
        theirs.put(name, text.encode(), expected=None)
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    command = [sys.executable, "-m", "tapdock", "state", "import", uri, "--format", "meltano"]
    ended = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    ours = open_backend(".tapdock/state", tmp_path)
    for name in STATES:
        assert (read(ours, name).state, read(ours, name).dialect) == (BOOKMARKS, "singer")
    again = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert again.returncode == 2, "nobody can be asked"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("state.json",), "the name of the state is missing"),
        (("folder", "--rename", "a=b"), "without a name"),
        (("folder", "x"), "without a name"),
        (("empty",), "not a */state.json"),
        (("postgresql://h/d",), "is not a bucket"),
        (("state.json", "a-to-b", "--rename", "a"), "does not name two streams"),
        (("missing.json", "a-to-b"), "cannot read missing.json"),
        (("missing.json",), "cannot read missing.json: No such file or directory"),
    ],
)
def test_what_cannot_be_taken_over(tmp_path, words, message):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    (tmp_path / "state.json").write_text(BOOKMARKS)
    for folder in ("folder/dev:x", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "folder" / "dev:x" / "state.json").write_text(BOOKMARKS)
    command = [sys.executable, "-m", "tapdock", "state", "import", *words, "--format", "meltano"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_folder_of_meltanos_and_back(tmp_path):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    for name, text in STATES.items():
        (tmp_path / "states" / name).mkdir(parents=True)
        (tmp_path / "states" / name / "state.json").write_text(json.dumps(json.loads(text), indent=2))
    tapdock = [sys.executable, "-m", "tapdock", "state"]
    subprocess.run([*tapdock, "import", "states", "--format", "meltano"], cwd=tmp_path, check=True)
    exported = [*tapdock, "export", "dev:tap-a-to-target-b", "--format", "meltano"]
    said = subprocess.run(exported, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said == f'{{"singer_state":{BOOKMARKS}}}\n'
    refused = subprocess.run([*exported[:-1], "airbyte"], cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, "cannot be exported for Airbyte" in refused.stderr) == (2, True)


SCHEDULED = """\
version: 1
sources: {tap-a: {image: a}}
targets: {target-b: {image: b}}
pipelines:
  first: {source: tap-a, target: target-b}
  second: {source: tap-a, target: target-b, state_id: nightly run}
environments: {prod: {pipelines: {first: {state_suffix: eu}}}}
"""


@pytest.mark.parametrize("place", ["meltano.db", "sqlite:///meltano.db"])
def test_all_of_meltanos_system_database(tmp_path, place):
    """At the end, it lists the states from which no pipeline would resume."""
    (tmp_path / "tapdock.yaml").write_text(SCHEDULED)
    whole = f'{{"singer_state":{BOOKMARKS}}}'
    names = ["prod:tap-a-to-target-b:eu", "nightly run", "prod:tap-a-to-target-b", "elt-2021", "dev:tap-a-to-target-b"]
    rows = [(name, "{}", whole) for name in names]
    rows += [
        ("cleared", "{}", "{}"),
        ("default:tap-a-to-target-b", '{"singer_state":{"bookmarks":{"users":{"id":9}}}}', whole),
    ]
    database(tmp_path / "meltano.db", rows)
    command = [sys.executable, "-m", "tapdock", "state", "import", place, "--format", "meltano"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    ours = open_backend(".tapdock/state", tmp_path)
    assert {name: read(ours, name).state for name in ours.names()} == {
        **dict.fromkeys(names, BOOKMARKS),
        "default:tap-a-to-target-b": '{"bookmarks":{"users":{"id":9}}}',
    }
    assert ended.stderr.partition("states that belong to no pipeline:\n")[2].splitlines() == [
        "  dev:tap-a-to-target-b",
        "  elt-2021",
        "  prod:tap-a-to-target-b (of a source and a target that can run together)",
    ]


def test_a_database_without_states(tmp_path):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    with closing(sqlite3.connect(tmp_path / "other.db")) as opened:
        opened.execute("CREATE TABLE x (y)")
    command = [sys.executable, "-m", "tapdock", "state", "import", "other.db", "--format", "meltano"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode != 0, "other.db is not a system database of Meltano" in ended.stderr) == (True, True)
