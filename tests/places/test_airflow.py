"""Tests the DAG file of `tapdock deploy airflow` with real Airflow, which runs it on the engine that answers here."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from connectors.images import image
from engines.project import wait_for
from support.environments import environment
from support.pages import Shell, page_steps

pytestmark = [pytest.mark.docker, pytest.mark.slow]

VERSIONS = {
    "2": (("apache-airflow==2.11.2", "apache-airflow-providers-docker==4.5.5"), "2026-04-15"),
    "3": (("apache-airflow==3.3.2", "apache-airflow-providers-docker==4.6.1"), "2026-11-29"),
}
"""Requirements, and a date: Airflow's own constraints are not on PyPI."""
SECRET = "s3cret-of-the-shop"


@dataclass
class Airflow:
    """The programs of one version, and a folder for its database, of one test."""

    programs: Path
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "shop" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW_VAR_REGION": "eu",
        }

    def rows(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(query, values).fetchall()

    def states(self, dag_id: str) -> dict[str, tuple[str, int]]:
        """Return the state and the number of tries of each task. The DAG itself is the task without a name."""
        found = self.rows("SELECT task_id, state, try_number FROM task_instance WHERE dag_id = ?", dag_id)
        ((state,),) = self.rows("SELECT state FROM dag_run WHERE dag_id = ?", dag_id)
        return {"": (state, 1), **{task: (state, tries) for task, state, tries in found}}


@pytest.fixture(params=VERSIONS)
def airflow(request, tmp_path) -> Airflow:
    requirements, before = VERSIONS[request.param]
    return Airflow(environment(f"airflow-{request.param}", *requirements, before=before), tmp_path)


@pytest.fixture
def shell(api, runner_image, airflow, tmp_path) -> Shell:
    """A shell in a project of small connectors. `demo` succeeds, `bad` fails in its source, `held` runs for ever."""

    def source(*steps: str) -> dict[str, Any]:
        config = {"token": "${SHOP_TOKEN}", "steps": list(steps)}
        return {"image": image(api, "source"), "pull": "never", "config": config}

    project = {
        "version": 1,
        "sources": {
            "faker": source("status users STARTED", "until users 5", "state", "status users COMPLETE"),
            "broken": source("exit 1"),
            "mistaken": source() | {"config": {"token": "x", "steps": 5}},
            "endless": source("forever users"),
        },
        "targets": {
            "lake": {
                "image": image(api, "target"),
                "pull": "never",
                "config": {"path": "/data/rows.jsonl"},
                "mounts": ["./data:/data"],
            }
        },
        "pipelines": {
            name: {"source": source, "target": "lake"}
            for name, source in (("demo", "faker"), ("bad", "broken"), ("wrong", "mistaken"), ("held", "endless"))
        },
        "jobs": {"nightly": ["demo", {"parallel": [["bad", "demo"], "wrong", "held"]}]},
        "schedules": {"early": {"run": "demo", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}},
    }
    folder = tmp_path / "shop"
    (folder / "data").mkdir(parents=True)
    (folder / ".env").write_text(f"SHOP_TOKEN={SECRET}\n")
    (folder / "tapdock.yaml").write_text(json.dumps(project))
    made = Shell(folder, **airflow.environ)
    made.program("airflow", f'unset PYTHONPATH; PATH="{airflow.programs}:$PATH" exec "{airflow.programs}/airflow" "$@"')
    run(made, "airflow db migrate")
    return made


def run(shell: Shell, line: str) -> str:
    ended = subprocess.run(["sh", "-c", line], cwd=shell.folder, env=shell.environ, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@contextmanager
def held(shell: Shell) -> Iterator[None]:
    """Another run holds the state of `held`."""
    command = [shell.programs / "tapdock", "run", "held", "--quiet"]
    with subprocess.Popen(command, cwd=shell.folder, env=shell.environ, stdout=subprocess.DEVNULL) as running:
        try:
            wait_for(lambda: _rows(shell) > 20, "rows of the other run", seconds=180)
            yield
        finally:
            running.terminate()
            running.wait(120)


def _rows(shell: Shell) -> int:
    """Return how many rows the target has. A run of `demo` writes five."""
    return len((shell.folder / "data" / "rows.jsonl").read_text().splitlines())


def test_the_page(airflow, shell):
    """The commands of the page: a green run, whose result is an XCom. Then a job with all other ends."""
    shell.follow(page_steps("airflow.md"), timeout=1800)
    text = (shell.folder / "dags" / "shop.py").read_text()
    assert SECRET not in text
    assert airflow.states("shop.demo") == {"": ("success", 1), "demo": ("success", 1)}
    ((result,),) = airflow.rows("SELECT value FROM xcom WHERE dag_id = 'shop.demo' AND key = 'return_value'")
    record = json.loads(result)
    record = json.loads(record) if isinstance(record, str) else record
    assert (record["status"], [each["stream"] for each in record["streams"]]) == ("succeeded", ["users"])
    outlets = "asset"
    if "dataset" in {name for (name,) in airflow.rows("SELECT name FROM sqlite_master")}:
        outlets = "dataset"
        run(shell, "airflow dags reserialize")  # Airflow 2 stores them when its scheduler reads the file
    assert ("tapdock://shop/lake/users",) in airflow.rows(f"SELECT uri FROM {outlets}")

    words = "--output dags/shop.py --retries 1 --retry-delay 1 --variable REGION"
    run(shell, f"tapdock deploy airflow demo nightly {words}")
    with held(shell):
        run(shell, "airflow dags test shop.nightly || true")
    assert airflow.states("shop.nightly") == {
        "": ("failed", 1),
        "demo": ("success", 1),
        "bad": ("failed", 2),  # the source failed, and was tried again
        "demo_2": ("upstream_failed", ANY),
        "wrong": ("failed", 1),  # the project is wrong: a retry cannot help
        "held": ("skipped", ANY),
    }
    assert "No data found" in run(shell, "airflow dags list-import-errors")
