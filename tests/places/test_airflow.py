"""Tests the DAG file of `tapdock deploy airflow` with real Airflow, which runs it on the engine that answers here."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.images import image
from engines.project import wait_for
from support.environments import environment

pytestmark = [pytest.mark.docker, pytest.mark.slow]

VERSIONS = {
    "2": (("apache-airflow==2.11.2", "apache-airflow-providers-docker==4.5.5"), "2026-04-15"),
    "3": (("apache-airflow==3.3.2", "apache-airflow-providers-docker==4.6.1"), "2026-11-29"),
}
SECRET = "s3cret-of-the-shop"


@dataclass
class Airflow:
    """airflow(*words): the command of one version, with a database and a folder of DAGs of its own."""

    programs: Path
    home: Path

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    def __call__(self, *words: str, code: int | None = 0) -> str:
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environ |= {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW_VAR_SHOP_REGION": "eu",
        }
        command = [self.programs / "airflow", *words]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, cwd=self.home)
        assert code is None or ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def rows(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(query, values).fetchall()

    def states(self, dag_id: str) -> dict[str, tuple[str, int]]:
        """Return the state and the number of tries of each task."""
        found = self.rows("SELECT task_id, state, try_number FROM task_instance WHERE dag_id = ?", dag_id)
        return {task: (state, tries) for task, state, tries in found}

    def state(self, dag_id: str) -> str:
        return self.rows("SELECT state FROM dag_run WHERE dag_id = ?", dag_id)[0][0]


@pytest.fixture(scope="module", params=VERSIONS)
def airflow(request, tmp_path_factory) -> Airflow:
    requirements, before = VERSIONS[request.param]
    made = Airflow(environment(f"airflow-{request.param}", *requirements, before=before), tmp_path_factory.mktemp("af"))
    made.dags.mkdir()
    made("db", "migrate")
    return made


def tapdock(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "tapdock", "--project", folder, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture
def shop(api, runner_image, tmp_path) -> Path:
    """A project of small connectors. `good` succeeds, `bad` fails in its source, `held` runs as long as it is let."""

    def source(*steps: str) -> dict[str, Any]:
        config = {"token": "${SHOP_TOKEN}", "steps": list(steps)}
        return {"image": image(api, "source"), "pull": "never", "config": config}

    (tmp_path / "data").mkdir()
    (tmp_path / ".env").write_text(f"SHOP_TOKEN={SECRET}\n")
    project = {
        "version": 1,
        "sources": {
            "of-good": source("status users STARTED", "until users 5", "state", "status users COMPLETE"),
            "of-bad": source("exit 1"),
            "of-wrong": source("until users 5") | {"config": {"token": "x", "steps": 5}},
            "of-held": source("forever users"),
        },
        "targets": {
            "rows": {
                "image": image(api, "target"),
                "pull": "never",
                "config": {"path": "/data/rows.jsonl"},
                "mounts": ["./data:/data"],
            }
        },
        "pipelines": {name: {"source": f"of-{name}", "target": "rows"} for name in ("good", "bad", "wrong", "held")},
        "jobs": {
            "nightly": ["good", {"parallel": ["bad", "wrong", "held", ["good", "bad"]]}],
            "all": {"steps": ["nightly", "good"]},
        },
    }
    (tmp_path / "tapdock.yaml").write_text(json.dumps(project))
    return tmp_path


@pytest.fixture
def held(shop) -> Iterator[None]:
    """Another run holds the state of `held`."""
    command = [sys.executable, "-m", "tapdock", "--project", shop, "run", "held"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            wait_for(lambda: list((shop / "data").glob("rows.jsonl")), "the first rows of the other run")
            yield
        finally:
            running.terminate()
            running.wait(60)


def test_a_dag_runs_to_its_end(airflow, shop, held):
    """One DAG succeeds. Of the other, a task fails and is tried again, one fails at once, and one is skipped."""
    tapdock(shop, "run", "good")
    name = shop.name.strip("_")
    words = ("--output", str(airflow.dags / "shop.py"), "--schedule", "@daily", "--retries", "1", "--retry-delay", "1")
    said = tapdock(shop, "deploy", "airflow", "good", "nightly", "all", *words, "--variable", "SHOP_REGION")
    assert f"airflow pools set {name}.of-good 1" in said
    text = (airflow.dags / "shop.py").read_text()
    assert SECRET not in text
    assert "import tapdock" not in text
    assert "No data found" in airflow("dags", "list-import-errors")

    airflow("dags", "test", f"{name}.good")
    assert (airflow.state(f"{name}.good"), airflow.states(f"{name}.good")) == ("success", {"good": ("success", 1)})
    ((result,),) = airflow.rows("SELECT value FROM xcom WHERE dag_id = ? AND key = 'return_value'", f"{name}.good")
    record = json.loads(result)
    record = json.loads(record) if isinstance(record, str) else record
    assert (record["status"], [each["stream"] for each in record["streams"]]) == ("succeeded", ["users"])

    airflow("dags", "test", f"{name}.nightly", code=None)
    found = airflow.states(f"{name}.nightly")
    assert found["good"] == ("success", 1)
    assert found["bad"] == ("failed", 2), "the source failed, and was tried again"
    assert found["wrong"] == ("failed", 1), "the project is wrong: a retry cannot help"
    assert found["held"][0] == "skipped"
    assert airflow.state(f"{name}.nightly") == "failed"
