"""The tables of keys: what the loader, the model, the JSON schema and the reference page make of them."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tapdock.errors import UsageError
from tapdock.project import keys
from tapdock.project.fields import Field
from tapdock.project.keys import CONNECTOR, PIPELINE, Key
from tapdock.project.load import load
from tapdock.project.model import Connector, Pipeline
from tapdock.project.schema import json_schema
from tapdock.project.steps import After

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "runner" / "guides").glob("*.md"))]
PAGE = ROOT / "runner" / "guides" / "project-file.md"
TABLES = (
    "ROOT",
    "STATE_BACKEND",
    "REGISTRIES",
    "CONNECTOR",
    "BUILD",
    "MOUNT",
    "STREAM",
    "PIPELINE",
    "COMMAND",
    "JOB",
    "SCHEDULE",
    "NOTIFY",
)
MANIFEST = "type: DeclarativeSource\nversion: 7.0.0\nstreams: []\ncheck: {type: CheckStream, stream_names: []}\n"

SCHEMA = jsonschema.validators.validator_for(json_schema())(json_schema())


def test_the_schema_is_one():
    SCHEMA.check_schema(json_schema())


def blocks(page: Path) -> list[dict[str, Any]]:
    """The whole project files that a page shows."""
    found = [yaml.safe_load(text) for text in re.findall(r"^```ya?ml\n(.*?)^```", page.read_text(), re.S | re.M)]
    return [each for each in found if isinstance(each, dict) and "version" in each and "pipelines" in each]


@pytest.fixture
def whole() -> dict[str, Any]:
    return blocks(PAGE)[0]


def words(value: Any) -> Iterator[str]:
    """All keys of a tree."""
    if isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from words(inner)
    if isinstance(value, list):
        for inner in value:
            yield from words(inner)


def named_files(folder: Path) -> None:
    """Write the files that the example names."""
    (folder / "old-catalog.json").write_text('{"streams": []}')
    (folder / "pokemon.yaml").write_text(MANIFEST)
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "hourly.yaml").write_text("pipelines: {hourly: {source: old, target: lake}}")


def test_the_page_has_the_tables_as_they_are_now():
    script = [sys.executable, ROOT / "scripts" / "keys", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("table", TABLES)
def test_the_example_of_the_page_uses_every_key(whole, table):
    assert {key.name for key in getattr(keys, table)} <= set(words(whole))


def test_the_example_of_the_page_is_read(whole, tmp_path):
    named_files(tmp_path)
    file = tmp_path / "tapdock.yaml"
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    project = load(file, environment="prod", environ={})
    assert project.pipelines["nightly"].retries == 2
    assert project.state_uri == "s3://states-us/shop"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_schema_accepts_what_pages_show(page):
    for block in blocks(page):
        SCHEMA.validate(block)


def test_the_schema_accepts_the_example_of_init():
    example = yaml.safe_load((ROOT / "runner" / "tapdock" / "cli" / "example.yaml").read_text())
    SCHEMA.validate(example)


PLACES = [
    (),
    ("state_backend",),
    ("defaults",),
    ("sources", "shop"),
    ("sources", "shop", "build"),
    ("sources", "shop", "streams", "public-orders"),
    ("targets", "lake"),
    ("targets", "lake", "mounts", 1),
    ("pipelines", "nightly"),
    ("tasks", "files"),
    ("tasks", "files", "commands", "show"),
    ("jobs", "everything"),
    ("schedules", "every-night"),
    ("pipelines", "tenants", "notify", 0),
    ("environments", "prod"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)) or "top")
def test_the_schema_refuses_what_the_loader_refuses(whole, place, tmp_path):
    at = whole
    for part in place:
        at = at[part]
    at["no_such_key"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(whole)
    named_files(tmp_path)
    file = tmp_path / "tapdock.yaml"
    file.write_text(yaml.safe_dump(whole))
    with pytest.raises(UsageError, match="no_such_key"):
        load(file, environment=None, environ={})


def test_a_key_of_the_other_role_is_refused(whole):
    whole["targets"]["lake"]["select"] = ["users"]
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(whole)


@pytest.mark.parametrize("key", CONNECTOR, ids=lambda key: key.name)
def test_each_key_of_a_connector_is_an_attribute(key):
    limits = ("idle_timeout", "stop_grace", "exit_grace")
    assert key.name in limits or key.name in {field.name for field in dataclasses.fields(Connector)}


def read_default(key: Key) -> Any:
    return Field(key.default, (key.name,), {}, "table").read(key)


@pytest.mark.parametrize(
    ("model", "key"), [(Connector, key) for key in CONNECTOR] + [(Pipeline, key) for key in PIPELINE]
)
def test_the_defaults_of_the_table_are_those_of_the_model(model, key):
    """`config show` and the page then say the same."""
    defaults = {field.name: field.default for field in dataclasses.fields(model)}
    if key.default is None or key.name not in defaults:
        assert key.form == "duration" or defaults.get(key.name) in (None, (), After(), dataclasses.MISSING)
    else:
        assert read_default(key) == defaults[key.name]


def test_every_attribute_of_a_connector_has_a_key():
    made = {"name", "role", "limits", "row", "unset"}
    assert {field.name for field in dataclasses.fields(Connector)} - made == {
        key.name for key in CONNECTOR if key.form != "duration"
    }


LIMITS = [
    ("memory", 6 << 20, 1 << 50),
    ("max_line", 1024, 1 << 50),
    ("pids", 1, 10**18 - 1),
    ("cpus", 0.01, 1e6),
    ("idle_timeout", 0.5, 36500 * 86400),
]


@pytest.mark.parametrize(("name", "least", "most"), LIMITS)
def test_the_schema_has_the_limits_of_the_loader(tmp_path, name, least, most):
    """An editor shows what a run would refuse."""
    below, above = least - 1 if name != "idle_timeout" else 0, most * 2 if name != "pids" else most + 1
    for value, is_valid in ((least, True), (most, True), (below, False), (above, False)):
        whole = {"version": 1, "sources": {"s": {"image": "x", name: value}}}
        (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
        refused: list[Exception] = []
        for check in (
            lambda: load(tmp_path / "tapdock.yaml", environment=None, environ={}),
            lambda whole=whole: SCHEMA.validate(whole),
        ):
            try:
                check()
            except (UsageError, jsonschema.ValidationError) as error:
                refused.append(error)
        assert len(refused) == (0 if is_valid else 2), (value, refused)
