"""Tests that the parts of project files that README and guides show are valid. `test_keys.py` tests whole files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tapdock.project.keys import ROOT
from tapdock.project.load import load

TOP = Path(__file__).parents[3]
PAGES = [TOP / "README.md", *sorted((TOP / "runner" / "guides").glob("*.md"))]
STUB = {"image": "example/connector:1"}


def parts() -> list[Any]:
    """Return the blocks of the pages that are top-level keys of a project file."""
    found = []
    for page in PAGES:
        for number, text in enumerate(re.findall(r"^```ya?ml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)):
            block = yaml.safe_load(text)
            if isinstance(block, dict) and block.keys() <= {key.name for key in ROOT} - {"version"}:
                found.append(pytest.param(block, id=f"{page.stem}-{number}"))
    return found


@pytest.mark.parametrize("block", parts())
def test_a_part_of_a_project_file_that_a_page_shows_is_valid(block, tmp_path):
    project = {"version": 1, **block}
    for pipeline in (block.get("pipelines") or {}).values():
        for role in ("source", "target"):
            project.setdefault(f"{role}s", {}).setdefault(pipeline[role], STUB)
    for connector in [*project.get("sources", {}).values(), *project.get("targets", {}).values()]:
        if isinstance(connector.get("manifest"), str):
            manifest = tmp_path / connector["manifest"]
            manifest.write_text(
                "type: DeclarativeSource\nversion: 7.0.0\nstreams: []\ncheck: {type: CheckStream, stream_names: []}\n"
            )
    file = tmp_path / "tapdock.yaml"
    file.write_text(yaml.safe_dump(project))
    variables = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)", file.read_text()), "1")
    assert load(file, environment=None, environ=variables)


def test_the_pages_show_parts_of_project_files():
    assert len(parts()) > 6
