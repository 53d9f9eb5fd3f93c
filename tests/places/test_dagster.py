"""Tests real Dagster with the code of its page: assets of streams, a subset, Dagster Pipes, and failures."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.images import image
from support.environments import environment
from support.pages import CHECKOUT, PAGES, Shell, page_steps

pytestmark = [pytest.mark.docker, pytest.mark.slow]

PACKAGES = ("-r", str(CHECKOUT / "pyproject.toml"), "--extra", "dagster", "dagster==1.13.27")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGES["dagster.md"].read_text(), re.DOTALL | re.MULTILINE)
SHOWN = """
import json, sys
import dagster as dg
with dg.DagsterInstance.get() as instance:
    found = {}
    for event in instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION), limit=99):
        made = event.asset_materialization
        counts = {name: value.value for name, value in made.metadata.items() if name in ("records", "status", "bytes")}
        found.setdefault(made.asset_key.to_user_string(), []).append(counts)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    return environment("dagster", *PACKAGES, before="2026-11-29")


@pytest.fixture
def shell(api, programs, tmp_path) -> Shell:
    """A shell in a project of small connectors, with the commands `tapdock` and `dagster`."""
    folder = tmp_path / "shop"
    (folder / "data").mkdir(parents=True)

    def source(*steps: str) -> dict[str, Any]:
        config = {"token": "x", "streams": ["users", "orders"], "steps": list(steps)}
        return {"image": image(api, "source"), "pull": "never", "config": config}

    good = [f"{what} {name}" for name in ("users", "orders") for what in ("until", "state", "status")]
    steps = {"until": " 5", "state": "", "status": " COMPLETE"}
    whole = ["status users STARTED", "status orders STARTED", *(f"{each}{steps[each.split()[0]]}" for each in good)]
    project = {
        "version": 1,
        "sources": {"faker": source(*whole), "broken": source(*whole[:5], "exit 1")},
        "targets": {
            "lake": {
                "image": image(api, "target"),
                "pull": "never",
                "config": {"path": "/data/rows.jsonl"},
                "mounts": ["./data:/data"],
            }
        },
        "pipelines": {"demo": {"source": "faker", "target": "lake"}},
    }
    (folder / "tapdock.yaml").write_text(json.dumps(project))
    home = tmp_path / "dagster"
    home.mkdir()
    environ = {"DAGSTER_HOME": str(home), "PYTHONPATH": str(CHECKOUT / "runner"), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    made = Shell(folder, **environ)
    made.program("dagster", f'exec "{programs}/dagster" "$@"')
    return made


def python(programs: Path, shell: Shell, code: str, *words: str) -> str:
    command = [programs / "python", "-c", code, *words]
    ended = subprocess.run(command, cwd=shell.folder, env=shell.environ, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()[-1]


def shown(programs: Path, shell: Shell) -> dict[str, list[dict[str, Any]]]:
    """Return the counts of all materializations, the newest first, by asset."""
    return json.loads(python(programs, shell, SHOWN))


def test_the_page(programs, shell):
    """Two streams, then one by subset. The numbers of records are in the metadata."""
    shell.follow(page_steps("dagster.md"), timeout=900)
    found = shown(programs, shell)
    assert set(found) == {"lake/users", "lake/orders"}
    assert [len(found["lake/users"]), len(found["lake/orders"])] == [2, 1]
    assert {each["status"] for rows in found.values() for each in rows} == {"complete"}
    assert all("records" in each and "bytes" in each for rows in found.values() for each in rows)
    records = [json.loads(file.read_text()) for file in sorted(shell.folder.glob(".tapdock/runs/*/record.json"))]
    assert [[each["stream"] for each in record["streams"]] for record in records] == [
        ["users", "orders"],
        ["users", "orders"],
        ["users"],
    ]
    counted = [{each["stream"]: each["records"] for each in record["streams"]} for record in records]
    assert [each["records"] for each in found["lake/users"]] == [counted[2]["users"], counted[1]["users"]]


PIPES_RUN = """
import sys; sys.path.insert(0, ".")
import dagster as dg, os
import pipes_definitions
result = pipes_definitions.defs.get_implicit_global_asset_job_def().execute_in_process(
    instance=dg.DagsterInstance.get(), raise_on_error=False)
print(result.success)
"""
FAILED = """
import dagster as dg
from tapdock.dagster import load_assets
assets = load_assets(".", retries=1, retry_seconds=0)
result = dg.materialize(assets, instance=dg.DagsterInstance.get(), raise_on_error=False)
steps = [event for event in result.all_events if event.is_step_event]
print(result.success, sum(event.is_step_up_for_retry for event in steps),
      [event.step_failure_data.user_failure_data.description for event in steps if event.is_step_failure])
"""


def test_pipes_from_an_asset_of_the_user(programs, shell):
    (shell.folder / "pipes_definitions.py").write_text(CODE[1])
    assert python(programs, shell, PIPES_RUN) == "True"
    assert [each["records"] for each in shown(programs, shell)["demo"]] == [10]


def test_a_failure(programs, shell):
    """The stream that is complete is materialized, the other is not. The step is tried again, and fails."""
    subprocess.run([shell.programs / "tapdock", "run", "demo"], cwd=shell.folder, env=shell.environ, check=True)
    file = shell.folder / "tapdock.yaml"
    project = json.loads(file.read_text())
    project["sources"]["faker"] = project["sources"].pop("broken")
    file.write_text(json.dumps(project))
    said = python(programs, shell, FAILED)
    assert said.startswith("False 1 ['tapdock failed with exit code 3: "), said
    assert "lake/orders" not in shown(programs, shell)
    project["sources"]["faker"]["config"]["steps"] = 5
    file.write_text(json.dumps(project))
    said = python(programs, shell, FAILED)
    assert said.startswith("False 0 ['tapdock failed with exit code 2: "), said
