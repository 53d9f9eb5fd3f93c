"""Tests commands of tasks that refer to the row of a matrix: their values, and what is refused before a run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tapdock.errors import UsageError
from tapdock.project.blocks import parse_blocks
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.secret import Secret
from tapdock.runs.matrices import of_matrices
from tapdock.runs.steps import Step, steps_of, tree_of

ROWS = [{"name": "acme", "token": "${ACME_TOKEN}"}, {"name": "beta", "token": "two", "port": 7}]
DBT = {
    "image": "x",
    "env": {"TENANT": "${matrix.name}", "TOKEN": "${matrix.token}", "PORT": "${matrix.port:-5}"},
    "commands": {"build": ["build", "--vars", "tenant=${matrix.name}"], "docs": "docs"},
}


def project(folder: Path, task: Any = DBT, *, rows: Any = ROWS, jobs: Any = None, **more: Any) -> Project:
    """`more` are keys of the pipeline with a matrix."""
    whole = {
        "version": 1,
        "sources": {"crm": {"image": "x", "config": {"host": "${matrix.name}"}}, "other": {"image": "x"}},
        "targets": {"lake": {"image": "y"}},
        "tasks": {"dbt": task},
        "pipelines": {
            "shop": {"source": "crm", "target": "lake", "matrix": rows, **more},
            "plain": {"source": "other", "target": "lake"},
        },
        "jobs": jobs or {},
    }
    file = folder / "tapdock.yaml"
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    return load(file, environment=None, environ={"ACME_TOKEN": "s3cret-of-acme"})


def steps(loaded: Project, *words: str) -> list[Step]:
    return list(steps_of(tree_of(loaded, parse_blocks(loaded, words))))


def problem(act: Any) -> str:
    with pytest.raises(UsageError) as raised:
        act()
    return f"{raised.value.message}\n{raised.value.hint}"


def test_a_hook_of_a_row_has_the_values_of_the_row(tmp_path):
    found = {}
    for step in steps(project(tmp_path, after={"success": ["dbt:build"]}), "shop"):
        ((when, block),) = step.wrap.after
        assert (when, block.row) == ("success", step.block)
        assert block.row
        assert block.row.variant
        task = block.row.variant.tasks["dbt"]
        env = {name: each.reveal() if isinstance(each, Secret) else each for name, each in task.env.items()}
        found[block.name] = (env, task.commands["build"].args)
        assert "s3cret" not in repr(task)
    assert found == {
        "dbt:build[acme]": (
            {"TENANT": "acme", "TOKEN": "s3cret-of-acme", "PORT": "5"},
            ("build", "--vars", "tenant=acme"),
        ),
        "dbt:build[beta]": ({"TENANT": "beta", "TOKEN": "two", "PORT": "7"}, ("build", "--vars", "tenant=beta")),
    }


OUTSIDE = "tasks.dbt.env.TENANT` depends on the row of a matrix: it refers to `${matrix.name}`, but"


def test_a_command_that_refers_to_a_row_does_not_run_without_one(tmp_path):
    loaded = project(tmp_path)
    said = problem(lambda: steps(loaded, "dbt:docs"))
    assert f"{OUTSIDE} `dbt:docs` runs without a row\nname it under `before` or `after`" in said
    assert "`tapdock invoke dbt:docs --pipeline 'shop[ROW]'`" in said


@pytest.mark.parametrize(
    "jobs",
    [
        {"nightly": ["shop", "dbt:build"]},
        {"nightly": {"steps": ["shop"], "after": "dbt:build"}},
        {"nightly": {"steps": ["shop"], "before": "dbt:build"}},
        {"inner": {"steps": ["shop"], "before": "dbt:build"}, "nightly": [{"parallel": ["plain", "inner"]}]},
    ],
)
def test_a_job_that_runs_such_a_command_is_refused_when_the_project_is_loaded(tmp_path, jobs):
    said = problem(lambda: project(tmp_path, jobs=jobs))
    assert f"`jobs.{next(iter(jobs))}`: tapdock.yaml:" in said
    assert "depends on the row of a matrix" in said


def test_a_hook_of_another_pipeline_is_refused_when_the_project_is_loaded(tmp_path):
    text = project(tmp_path).file.read_text().replace("  plain:\n", "  plain:\n    after: dbt:build\n")
    (tmp_path / "tapdock.yaml").write_text(text)
    said = problem(lambda: load(tmp_path / "tapdock.yaml", environment=None, environ={}))
    assert "`pipelines.plain`: tapdock.yaml:" in said
    assert "depends on the row of a matrix" in said


def test_the_other_commands_of_a_task_run_without_a_row(tmp_path):
    task = {"image": "x", "commands": DBT["commands"]}
    loaded = project(tmp_path, task, jobs={"nightly": ["shop", "dbt:docs"]}, after="dbt:build")
    assert [step.name for step in steps(loaded, "nightly")] == ["shop[acme]", "shop[beta]", "dbt:docs"]
    said = problem(lambda: steps(loaded, "dbt:build"))
    assert "`tasks.dbt.commands.build.2` depends on the row of a matrix" in said
    said = problem(
        lambda: steps(project(tmp_path, {"image": "x", "mounts": ["./${matrix.name}:/x"], **task}), "dbt:docs")
    )
    assert "`tasks.dbt.mounts.0` depends on the row of a matrix" in said


def test_a_row_without_the_value_is_refused_before_a_row_runs(tmp_path):
    rows = [*ROWS, {"name": "gamma"}]
    said = problem(lambda: steps(project(tmp_path, rows=rows, after="dbt:build"), "shop"))
    assert "`tasks.dbt.env.TOKEN` refers to `${matrix.token}`, but the row `gamma` of `shop` has no `token`" in said


def test_a_secret_of_a_row_is_refused_in_arguments(tmp_path):
    for command in ("build ${matrix.token}", {"executable": "${matrix.token}"}, ["--x=${matrix.token}"]):
        loaded = project(tmp_path, {"image": "x", "commands": {"build": command}}, after="dbt:build")
        said = problem(lambda loaded=loaded: steps(loaded, "shop[acme]"))
        assert "has a secret of a row, which every user of the machine could see\nwrite it under `env`" in said
        assert "s3cret" not in said
    assert steps(loaded, "shop[beta]"), "text that the project file shows is no secret"


def test_the_image_and_the_place_of_a_task_are_the_same_for_all_rows(tmp_path):
    for key, value in {"image": "x:${matrix.name}", "engine": "${matrix.name}"}.items():
        said = problem(lambda key=key, value=value: project(tmp_path, {"image": "x", **DBT, key: value}))
        assert f"refers to the row of a matrix, but `{key}` is the same for all rows" in said


def test_doctor_checks_the_hooks_of_a_row_only(tmp_path):
    loaded = project(tmp_path, {**DBT, "env": {"A": "${matrix.nothing}"}})
    assert [each.found for each in of_matrices(loaded)] == ["2 rows"]
    loaded = project(tmp_path, {**DBT, "env": {"A": "${matrix.nothing}"}}, after="dbt:build")
    found = [each for each in of_matrices(loaded) if each.level == "error"]
    assert [each.what for each in found] == ["variables of shop[acme]", "variables of shop[beta]"]
