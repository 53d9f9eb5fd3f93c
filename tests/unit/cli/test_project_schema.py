"""Tests `tapdock schema`, the files of `init` that name it, and the words that `config` had before."""

import json
import re

import pytest
import yaml

from tapdock.project.load import load
from tapdock.project.schema import json_schema


@pytest.mark.parametrize("words", [("schema",), ("config", "schema")], ids=" ".join)
def test_the_schema_is_printed(tapdock, words):
    ended = tapdock(*words)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, json_schema())


def test_what_init_writes_names_a_schema_that_is_there(tapdock, tmp_path):
    new = tmp_path / "new"
    assert tapdock("--project", str(new), "init").returncode == 0
    first, _, rest = (new / "tapdock.yaml").read_text().partition("\n")
    (name,) = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first).groups()
    assert json.loads((new / name).read_text()) == json_schema()
    assert rest.startswith("version: 1\n")
    assert set(load(new / "tapdock.yaml", environment=None, environ={}).pipelines) == {"demo"}


def test_a_converted_project_names_it_too(tapdock, tmp_path):
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump({"version": 1, "annotations": {"a": "b"}}))
    new = tmp_path / "new"
    assert tapdock("--project", str(new), "init", "--from-meltano", str(tmp_path)).returncode == 0
    assert (new / "tapdock.yaml").read_text().startswith("# yaml-language-server: $schema=tapdock.schema.json\n")


def test_init_keeps_a_schema_that_is_there(tapdock, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "tapdock.schema.json").write_text("mine")
    assert tapdock("--project", str(new), "init").returncode == 0
    assert (new / "tapdock.schema.json").read_text() == "mine"


def test_the_earlier_name_of_forget_rotated_works_with_a_warning(tapdock):
    ended = tapdock("config", "reset", "faker", "--yes")
    assert ended.returncode == 0
    assert ended.stderr.splitlines() == [
        "warning: `config reset` is now called `config forget-rotated`; `config unset` removes a setting",
        "faker has not changed its config",
    ]
    assert tapdock("config", "forget-rotated", "faker", "--yes").stderr == "faker has not changed its config\n"
