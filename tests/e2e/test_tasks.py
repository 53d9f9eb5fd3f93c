"""Tests of dbt as a task after a real pipeline, by itself and through a real extension of Meltano (meltano-dbt-ext)."""

import json

import pytest
import yaml

from connectors.images import base_image
from e2e.project import Shop

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PACKAGES = "dbt-core==1.10.13 dbt-duckdb==1.9.6 meltano-dbt-ext==0.5.0"
PROFILES = "shop: {target: dev, outputs: {dev: {type: duckdb, path: \"{{ env_var('LAKE') }}\"}}}\n"
MODELS = {
    "names.sql": "select id, upper(name) as name from {{ source('main', 'users') }}",
    "sources.yml": "version: 2\nsources: [{name: main, tables: [{name: users}]}]\n"
    "models: [{name: names, columns: [{name: id, data_tests: [unique, not_null]}]}]\n",
}


@pytest.fixture
def project(tmp_path) -> Shop:
    """Return a project whose pipeline writes users into a DuckDB file, with a dbt project beside it."""
    transform = tmp_path / "transform"
    (transform / "models").mkdir(parents=True)
    (transform / "dbt_project.yml").write_text("name: shop\nprofile: shop\nversion: '1.0'\n")
    (transform / "profiles.yml").write_text(PROFILES)
    for name, text in MODELS.items():
        (transform / "models" / name).write_text(text)
    dbt = {
        "build": {"pip": PACKAGES, "executable": "dbt_invoker"},
        "mounts": [".:/project"],
        "working_dir": "/project",
        "env": {
            "LAKE": "/project/lake/lake.duckdb",
            "DBT_EXT_TYPE": "duckdb",
            "DBT_PROJECT_DIR": "/project/transform",
            "DBT_PROFILES_DIR": "/project/transform",
        },
        "commands": {
            "build": {"executable": "dbt", "args": "build"},
            "describe": {"executable": "dbt_extension", "args": "describe --format json"},
            "extension": "run --select names",
            "none": {"executable": "dbt_nothing"},
        },
    }
    lake = {
        "build": {"singer": "target-duckdb==0.8.0"},
        "config": {"filepath": "/data/lake.duckdb", "default_target_schema": "main"},
        "mounts": ["./lake:/data"],
    }
    faker = {
        "build": {"airbyte": "airbyte-source-faker==7.2.1"},
        "config": {"count": 20, "seed": 1},
        "select": ["users"],
    }
    whole = {"version": 1, "sources": {"faker": faker}, "targets": {"lake": lake}, "tasks": {"dbt": dbt}}
    whole["jobs"] = {"nightly": ["faker lake", "dbt:build"]}
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(whole))
    return Shop(tmp_path, {"TAPDOCK_BASE_IMAGE": base_image()})


def test_models_are_built_from_what_a_pipeline_wrote(project):
    ended = project.well("run", "nightly", "--json")
    assert (ended.json["job"], ended.json["exit_code"]) == ("nightly", 0)
    assert [(run["place"], run["kind"], run["exit_code"]) for run in ended.json["runs"]] == [
        ("nightly/1", "pipeline", 0),
        ("nightly/2", "task", 0),
    ]
    assert "Completed successfully" in ended.stderr
    users = project.query("select id, upper(name) from users order by id")
    assert len(users) == 20
    assert project.query("select id, name from names order by id") == users
    extension = project.well("run", "dbt:extension")
    assert "Extension executing `dbt deps`" in extension.stderr, "its own hook"
    described = json.loads(project.well("invoke", "dbt:describe").stdout)
    assert {command["name"] for command in described["commands"]} >= {"dbt_extension"}
    missing = project("run", "dbt:none")
    assert missing.code == 127
    assert "there is no program `dbt_nothing` in this image; its packages have: " in missing.stderr
    assert " dbt_extension dbt_invoker " in missing.stderr
    (project.folder / "transform" / "models" / "names.sql").write_text("select id from nowhere")
    broken = project("run", "nightly", "--json")
    assert (broken.code, broken.json["runs"][1]["status"]) == (1, "failed")
