"""Tests the repair of packages that lose rows, and the quirk that refuses an image without the repair."""

import re
import runpy
from typing import Any

import pytest

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.images import images_folder
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.resolved import Resolved
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector
from tapdock.runs.sync_modes import require_repaired

FOLDER = images_folder() / "singer"
REPAIR = runpy.run_path(str(FOLDER / "repair.py"))  # without bytecode: the folder is an input of a recipe
REPAIRS, repaired = REPAIR["REPAIRS"], REPAIR["repaired"]


@pytest.mark.parametrize("package", REPAIRS)
def test_every_change_of_a_repair_is_made(package):
    _, changes, version = REPAIRS[package]
    before = "".join(f"        {old}\n" for old, _ in changes)
    assert repaired(package, version, before) == "".join(f"        {new}\n" for _, new in changes)


@pytest.mark.parametrize(("package", "missing"), [(name, n) for name in REPAIRS for n in range(len(REPAIRS[name][1]))])
def test_a_package_without_the_code_that_a_repair_replaces_is_refused(package, missing, capsys):
    _, changes, version = REPAIRS[package]
    other = "".join(old for number, (old, _) in enumerate(changes) if number != missing)
    with pytest.raises(SystemExit) as ended:
        repaired(package, "9.9", other)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert f"error: {package} 9.9 cannot be repaired" in said
    assert f"hint: use {package}=={version}" in said


def test_the_label_of_an_image_names_what_its_recipe_repairs():
    labels = re.findall(r"io\.tapdock\.repaired=(\S+)", (FOLDER / "Dockerfile").read_text())
    assert labels == [",".join(REPAIRS)]


def _require(config: dict[str, Any], **labels: str) -> None:
    facts = ImageFacts(
        image="tapdock/target-duckdb:0.8.0",
        digest="sha256:0",
        labels={f"io.tapdock.{name}": value for name, value in labels.items()},
    )
    quirks = quirks_of(facts)
    connector = Connector(name="lake", role="target", image=facts.image)
    ready = PreparedConnector(connector=connector, facts=facts, kind="singer", quirks=quirks)
    require_repaired(ready, Resolved(user=config, given=config), quirks)


@pytest.mark.parametrize("labels", [{}, {"package": "target_duckdb==0.8.0"}, {"repaired": "other"}])
@pytest.mark.parametrize("config", [{}, {"add_metadata_columns": False}])
def test_an_image_that_was_not_repaired_is_refused(labels, config):
    with pytest.raises(UsageError, match="loses the first row of each batch") as refused:
        _require(config, **labels)
    assert "targets.lake.build" in refused.value.hint
    assert "targets.lake.config.add_metadata_columns: true" in refused.value.hint


def test_a_repaired_image_and_the_setting_that_avoids_the_loss_are_accepted():
    _require({}, package="target-duckdb==0.8.0", repaired="target-duckdb")
    _require({"add_metadata_columns": True})
