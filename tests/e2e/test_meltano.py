"""Tests a Meltano project that is taken over after its pipelines have run: real Meltano, real taps and targets.

The same pipelines then run once more in both, each on its own copy of the database. All tables must be the same.
"""

import dataclasses
import io
import json
import re
import shutil
import sqlite3
import subprocess
import tarfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.images import base_image, made
from e2e.junction import MAKE_SLOT
from e2e.project import HERE, Shop

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PROJECT = HERE / "meltano"
FILES = ("meltano.yml", "pipelines", "plugins")
RUNS = "meltano run orders both log; meltano schedule run contacts-hourly; meltano schedule run 'archive into raw'"
STATES = {
    "orders-1": "prod:tap-shop-to-target-lake:eu-central-1",
    "both-1": "prod:tap-archive-to-target-lake:eu-central-1",
    "both-2": "prod:tap-crm-to-target-base:eu-central-1",
    "log": "prod:tap-log-to-target-lake:eu-central-1",
    "contacts-hourly": "contacts-hourly",
    "archive-into-raw": "archive into raw",
}
READ = {
    "orders-1": {"shop-orders": 3, "shop-lines": 3},
    "both-1": {"archive-orders": 2},
    "both-2": {"contacts": 3},
    "log": {"shop-orders": 3},
    "contacts-hourly": {"contacts": 3},
    "archive-into-raw": {"archive-orders": 2},
}
"""A tap also reads the row of its bookmark. Without a state, it would read all five rows of a table with a cursor."""
OWN = ("archive", "crm", "shop")
NOT_COMPARED = ("_sdc_", "phone")
PHONE = "SELECT phone FROM base_crm.contacts WHERE id = 5"
"""A field that is not selected. The tap reads it nevertheless; Meltano passes it on, and tapdock removes it."""
SCHEMAS = {"base_crm", "shop_log", "shop_prod", "silver_crm", "silver_tap_archive", "tap_archive"}


@pytest.fixture(scope="session")
def meltano_image(api) -> str:
    """An image of Meltano with the project, and the plugins that Meltano itself has installed."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in FILES:
            tar.add(PROJECT / name, name, filter=lambda one: one.replace(mtime=0))
    files = {"Dockerfile": (PROJECT / "Dockerfile").read_bytes(), "project.tar": archive.getvalue()}
    return made(api, "tapdock-test/meltano-project", files, {"BASE_IMAGE": base_image()}, installs=True)


_COUNT = re.compile(r'(tap-\w+) +METRIC\b.*\brecord_count\b.*(?:metric_value=|"value": )(\d+)')


def meltano(image: str, postgres: Any, folder: Path, *, password: str) -> Counter[str]:
    """Run all pipelines in production, on a database, and return how many records each tap reports.

    `folder` has, and gets, what Meltano keeps in `.meltano`.
    """
    variables = {
        "POSTGRES_HOST": postgres.host,
        "POSTGRES_PASSWORD": password,
        "DATABASE": postgres.database,
        "SLOT": f"slot_{postgres.database}",
        "MELTANO_ENVIRONMENT": "prod",
    }
    words = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    script = f"cp -r /kept/. .meltano; {RUNS}; cp -r .meltano/meltano.db .meltano/run /kept; chmod -R a+rwX /kept"
    command = ["docker", "run", "--rm", "--network", postgres.network, *words, "--volume", f"{folder}:/kept"]
    ended = subprocess.run([*command, image, script], capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    counts: Counter[str] = Counter()
    for tap, count in _COUNT.findall(ended.stdout + ended.stderr):
        counts[tap] += int(count)
    return counts


def tables(postgres: Any) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return columns and rows of all tables that targets wrote, without values that are not compared."""
    found: dict[str, Any] = {}
    listed = postgres.query(
        "SELECT table_schema, table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_name)"
        " FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema', "
        + ", ".join(f"'{name}'" for name in OWN)
        + ") GROUP BY 1, 2"
    )
    for schema, table, columns in listed:
        rows = postgres.query(f'SELECT to_jsonb(t) FROM "{schema}"."{table}" AS t')
        values = [json.loads("|".join(row), parse_float=str) for row in rows]
        values = [{key: value for key, value in row.items() if not key.startswith(NOT_COMPARED)} for row in values]
        found[f"{schema}.{table}"] = (columns, sorted(values, key=json.dumps))
    return found


def states(file: Path) -> dict[str, Any]:
    """Return the bookmarks in Meltano's database, by the names of states."""
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT state_id, completed_state FROM state").fetchall()
    return {name: cursors(json.loads(text)["singer_state"]) for name, text in rows}


def cursors(state: Any) -> dict[str, Any]:
    """Return the cursors of a state by stream; of a stream that is read from the log, this is its place there."""
    marks = state["bookmarks"].items()
    return {stream: mark["replication_key_value"] for stream, mark in marks if "replication_key_value" in mark}


@pytest.fixture
def project(environ, database, tmp_path) -> Shop:
    """The folder of the Meltano project, in which nothing of tapdock is yet."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=lambda _, names: set(names) - {*FILES} if "meltano.yml" in names else [])
    names = ("POSTGRES_HOST", "POSTGRES_PASSWORD", "TAPDOCK_BASE_IMAGE", "TAPDOCK_LOG_FORMAT")
    own = {"DATABASE": database.database, "SLOT": f"slot_{database.database}", "TAPDOCK_ENVIRONMENT": "prod"}
    return Shop(folder, {**own, **{name: environ[name] for name in names}})


def test_the_first_run_of_each_pipeline_resumes_in_the_same_tables(meltano_image, environ, seeded, database, project):
    password = environ["POSTGRES_PASSWORD"]
    kept = project.folder / ".meltano"
    kept.mkdir()
    database.query(MAKE_SLOT.format(f"slot_{database.database}"))
    database.query((PROJECT / "seed.sql").read_text())
    meltano(meltano_image, database, kept, password=password)
    before = tables(database)
    assert {name.partition(".")[0] for name in before} == SCHEMAS

    seeded.query(f"CREATE DATABASE oracle TEMPLATE {database.database}")
    oracle = dataclasses.replace(database, database="oracle")
    try:
        oracle.query(MAKE_SLOT.format("slot_oracle"))
        for each in (database, oracle):
            each.query((PROJECT / "changes.sql").read_text())
        theirs = project.folder.parent / "theirs"
        shutil.copytree(kept, theirs, symlinks=True)
        counts = meltano(meltano_image, oracle, theirs, password=password)
        wanted = tables(oracle)
        assert oracle.query(PHONE) == [["+5"]]
        oracle.query("SELECT pg_drop_replication_slot('slot_oracle')")
    finally:
        seeded.query("DROP DATABASE oracle WITH (FORCE)")

    _taken_over(project, environ["POSTGRES_NETWORK"])
    given = {key: project.well("run", name, "--dump", "state").json["source"] for name, key in STATES.items()}
    assert {key: cursors(state) for key, state in given.items()} == states(kept / "meltano.db")
    assert {name: project.well("run", name, "--json").records for name in STATES} == READ
    assert counts == {"tap-shop": 6, "tap-archive": 4, "tap-crm": 6, "tap-log": 2}, "the slot begins after the bookmark"
    assert database.query(PHONE) == [[""]], "a null"
    assert tables(database) == wanted
    assert wanted.keys() == before.keys()
    after = {key: cursors(project.well("state", "get", name).json) for name, key in STATES.items()}
    theirs_after = states(theirs / "meltano.db")
    for each in (after, theirs_after):
        del each[STATES["log"]]  # the place in the log differs from database to database
    assert after == theirs_after
    job = project.well("run", "orders", "--json")
    assert [(run["pipeline"], run["exit_code"]) for run in job.json["runs"]] == [("orders-1", 0), ("report:nightly", 0)]
    assert "the report is made" in job.stderr


def _taken_over(project: Shop, network: str) -> None:
    compared = project.well("init", "--from-meltano", ".", "--compare", "--json").json["pipelines"]
    found = {one["pipeline"]: one for one in compared}
    assert found.pop("hidden")["target"] == "target-lake", "the pipeline with a mapping, which has not run"
    assert {name: one["state"] for name, one in found.items()} == STATES
    for one in found.values():
        assert one["state_found"], one
        assert one["schema_before"] == one["schema_after"], one
        assert (one["more"], one["less"], one["unknown"]) == ([], [], None), one
    project.well("init", "--from-meltano", ".")
    file = project.folder / "tapdock.yaml"
    made = yaml.safe_load(file.read_text())
    made["defaults"]["network"] = network
    file.write_text(yaml.safe_dump(made, sort_keys=False))
    project.well("build")
    imported = project.well("state", "import", ".meltano/meltano.db", "--format", "meltano")
    assert "belong to no pipeline" not in imported.stderr
