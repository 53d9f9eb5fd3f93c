"""Tests the comparison of a Meltano project with what tapdock makes of it, with Meltano's own answers."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.meltano import database
from support.pages import page_steps

SHOP = Path(__file__).parents[1] / "project" / "meltano_shop"
ANSWERS = json.loads((SHOP / "answers.json").read_text())
LATEST = '{"singer_state":{"bookmarks":{"orders":{"id":7}}}}'
STATES = {
    "shop-1": "prod:tap-shop-to-target-lake:eu-central-1",
    "both-1": "prod:tap-shop--archive-to-target-lake:eu-central-1",
    "both-2": "prod:tap-crm-to-target-lake--raw:eu-central-1",
    "hidden": "prod:tap-crm-to-target-lake:eu-central-1",
    "legacy": "prod:tap-legacy-to-target-lake:eu-central-1",
    "crm-to-files-hourly": "crm-to-files-hourly",
    "files-into-lake": "files into lake",
    "shop-2": "shop",
}


@pytest.fixture
def meltano(tmp_path) -> Path:
    """A Meltano project whose pipelines have run, but for one, with a state that no pipeline has."""
    folder = tmp_path / "meltano"
    shutil.copytree(SHOP, folder)
    (folder / "variables.env").rename(folder / ".env")
    names = [name for pipeline, name in STATES.items() if pipeline != "legacy"]
    database(folder / ".meltano" / "meltano.db", [(name, "{}", LATEST) for name in (*names, "elt-of-2021")])
    return folder


def leave_catalog(folder: Path, name: str, selected: dict[str, list[str]]) -> None:
    """Write the catalog that a run of Meltano leaves, with this selection."""
    catalog: Any = json.loads((SHOP / "catalog.json").read_text())
    for stream in catalog["streams"]:
        fields = selected.get(stream["stream"])
        for one in stream["metadata"]:
            path = ".".join(one["breadcrumb"][1::2])
            one["metadata"]["selected"] = fields is not None and (not path or path in fields)
    file = folder / ".meltano" / "run" / name / "tap.properties.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(catalog))


def compared(tapdock, meltano: Path, *words: str) -> Any:
    ended = tapdock("--environment", "prod", "init", "--from-meltano", str(meltano), "--compare", *words)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if "--json" in words else ended.stdout


def test_each_pipeline_beside_what_it_is_for_meltano(tapdock, meltano, folder):
    for name in ("tap-shop", "tap-crm"):
        leave_catalog(meltano, name, ANSWERS["prod"]["extractors"][name]["selected"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    said = compared(tapdock, meltano, "--json")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, "nothing is written"
    found = {one["pipeline"]: one for one in said["pipelines"]}
    assert {name: (one["state"], one["state_found"]) for name, one in found.items()} == {
        name: (state, name != "legacy") for name, state in STATES.items()
    }
    for one in found.values():
        wanted = ANSWERS["prod"]["loaders"][f"{one['source']} {one['target']}"].get("default_target_schema")
        assert one["schema_before"] == one["schema_after"]
        assert one["schema_after"].get("default_target_schema") == wanted
    assert (
        found["shop-1"]["more"] == found["shop-1"]["less"] == found["both-2"]["more"] == found["both-2"]["less"] == []
    )
    assert (found["legacy"]["more"], "tap.properties.json" in found["legacy"]["unknown"]) == (None, True)
    assert "!customers.address.street" in found["shop-1"]["select_before"]
    assert "!customers.address.street" in found["shop-1"]["select_after"]
    assert "customers (select_filter)" not in found["shop-1"]["select_before"], "that is of another environment"


def test_fields_that_are_read_now_only(tapdock, meltano):
    """An object without its fields: for Meltano none of them is selected, and tapdock reads all of it."""
    file = meltano / "meltano.yml"
    file.write_text(file.read_text().replace("    - customers.address.*\n", ""))
    fields = ["id", "name", "address", "email"]
    leave_catalog(meltano, "tap-shop", {**ANSWERS["prod"]["extractors"]["tap-shop"]["selected"], "customers": fields})
    text = compared(tapdock, meltano)
    assert "  read here, but not by Meltano: customers.address.city\n" in text
    assert "  read by Meltano, but not here: customers.email\n" in text
    assert "  state prod:tap-legacy-to-target-lake:eu-central-1: not found\n" in text


def test_every_state_that_meltano_has_is_found_by_a_pipeline(tapdock, meltano, folder):
    """So the first run of each pipeline resumes."""
    (folder / "tapdock.yaml").unlink()
    assert tapdock("init", "--from-meltano", str(meltano)).returncode == 0
    imported = tapdock("state", "import", str(meltano / ".meltano" / "meltano.db"), "--format", "meltano")
    assert imported.stderr.partition("states that belong to no pipeline:\n")[2] == "  elt-of-2021\n"
    listed = json.loads(tapdock("--environment", "prod", "list", "--json").stdout)["pipelines"]
    saved = {one["key"] for one in json.loads(tapdock("state", "list", "--json").stdout)}
    assert {one["name"] for one in listed if one["state_id"] in saved} == STATES.keys() - {"legacy"}


def test_the_page(tapdock, meltano, folder):
    """Its commands run in the folder of a Meltano project."""
    (folder / "tapdock.yaml").unlink()
    shutil.copytree(meltano, folder, dirs_exist_ok=True)
    for step in page_steps("meltano.md"):
        program, *words = shlex.split(step.command)
        assert (program, tapdock(*words).returncode) == ("tapdock", 0), step.command


@pytest.mark.parametrize("words", [("--compare",), ("--json",), ("--json", "--from-meltano", ".")])
def test_what_cannot_be_compared(tapdock, words):
    ended = tapdock("init", *words)
    assert (ended.returncode, "`tapdock init --from-meltano . --compare`" in ended.stderr) == (2, True)
