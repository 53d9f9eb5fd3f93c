"""Tests a matrix of three rows, of which one fails, in each place."""

import json

import pytest

from engines.places import local_only


def test_two_of_three_rows_succeed(project):
    good = ["until users 3", "state"]
    rows = [
        {"name": "acme", "steps": good, "secret": "${ACME_SECRET}"},
        {"name": "beta", "steps": ["until users 2", "error - config_error", "exit 1"]},
        {"name": "gamma", "steps": good},
    ]
    project.environ["ACME_SECRET"] = "s3cret-of-acme"
    project.source = {"steps": "${matrix.steps}", "token": "${matrix.secret:-none}"}
    matrix = {"rows": rows, "columns": {"tenant": "${matrix.name}"}}
    project.keys = {"pipelines": {"shop": {"source": "source", "target": "target", "matrix": matrix}}}
    ended = project.run("run", "shop", "--json", "--log-format", "json")
    assert ended.code == 3, ended.stderr
    assert [(each["pipeline"], each["exit_code"]) for each in ended.record["runs"]] == [
        ("shop[acme]", 0),
        ("shop[beta]", 3),
        ("shop[gamma]", 0),
    ]
    found = [json.loads(row)["record"] for row in project.rows() if row != '"done"']
    assert {(each["tenant"], each["id"]) for each in found} >= {
        (name, number) for name in ("acme", "gamma") for number in (1, 2, 3)
    }
    states = json.loads(project.run("state", "list", "shop", "--json").stdout)
    assert [each["key"] for each in states] == ["default:source-to-target:acme", "default:source-to-target:gamma"]
    assert "s3cret-of-acme" not in ended.stdout + ended.stderr


@local_only
@pytest.mark.parametrize(("path", "is_shared"), [("rows.jsonl", True), ("${matrix.name}.jsonl", False)])
def test_rows_of_one_table_do_not_delete_each_other_by_versions(project, path, is_shared):
    """A target deletes the rows of other versions, and those of other tenants have other ones."""
    project.programs = ("tap", "target")
    project.source = {"replication": "FULL_TABLE"}
    project.steps("version users 5", "schema users", "until users 2", "activate users", "state")
    project.target = {"path": str(project.data / path)}
    pipeline = {"source": "source", "target": "target", "matrix": [{"name": "acme"}]}
    project.keys = {"pipelines": {"shop": pipeline}}
    ended = project.run("run", "shop", "--quiet")
    assert ended.code == 0, ended.stderr
    assert ("its ACTIVATE_VERSION is not passed on" in ended.stderr) == is_shared, ended.stderr
