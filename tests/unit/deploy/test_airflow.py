"""Tests the DAG file of `tapdock deploy airflow` without Airflow: its tasks, its values, and what it refuses."""

import ast
import dataclasses
import shlex
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import ANY

import pytest

from tapdock.cli import main
from tapdock.deploy.airflow import Settings, When, dags, render
from tapdock.project.blocks import parse_blocks
from tapdock.project.load import load

PROJECT = """\
version: 1
sources: {faker: {image: x, config: {token: "${TOKEN}"}}, crm: {image: x}}
targets: {lake: {image: y}}
tasks: {dbt: {image: z, commands: {build: build, test: test, undo: undo, clean: clean}}}
pipelines: {demo: {source: faker, target: lake}, other: {source: crm, target: lake}}
jobs:
  small: [demo, dbt:build]
  nightly:
    before: [dbt:clean]
    steps: [small, {parallel: [other, [demo, other]]}, dbt:test]
    after: {always: [dbt:clean], failure: [dbt:undo], success: [dbt:build]}
schedules:
  early: {run: demo, cron: "0 3 * * *", timezone: Europe/Berlin, options: [--strict-counts]}
  never: {run: other, cron: "@manual"}
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    folder = tmp_path / "my shop"
    folder.mkdir()
    (folder / "tapdock.yaml").write_text(PROJECT)
    (folder / ".env").write_text("TOKEN=s3cret-of-the-shop\n")
    return folder


@pytest.fixture
def deploy(shop, capsys):
    """deploy(*words) -> the exit code, the DAG file on stdout, and what is said."""

    def ended(*words: str) -> tuple[int, str, str]:
        return (main(["--project", str(shop), "deploy", "airflow", *words]), *capsys.readouterr())

    return ended


def values(text: str) -> dict[str, object]:
    """Return the values at the top of a DAG file."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def tasks(text: str, number: int = 0) -> dict[str, dict]:
    return {each["task_id"]: each for each in values(text)["DAGS"][number]["tasks"]}


def test_the_command_at_the_top_writes_the_same_file(deploy):
    words = ["--schedule", "0 4 * * *", "--no-window", "--retries", "0", "--variable", "A={{ conn.x.host }}"]
    words += ["--variable", "B", "--image", 'x:"1"', "--folder", "/srv/my shop"]
    code, text, _ = deploy("demo", "nightly", *words)
    assert code == 0
    (line,) = (line for line in text.splitlines() if "write it again: " in line)
    found = shlex.split(line.partition("write it again: ")[2])
    assert found[:4] == ["tapdock", "deploy", "airflow", "demo"]
    assert deploy(*found[3:]) == (0, text, ANY)
    assert ast.get_docstring(ast.parse(text))


def test_a_pipeline_is_one_task(deploy, shop):
    code, text, said = deploy("demo")
    assert code == 0
    (dag,) = values(text)["DAGS"]
    assert (dag["dag_id"], dag["schedule"], dag["time_zone"]) == ("my_shop.demo", "0 3 * * *", "Europe/Berlin")
    assert dag["options"] == ["--strict-counts"]
    assert dag["tasks"] == [{"task_id": "demo", "words": ["demo"], "pool": "my_shop.faker", "is_pipeline": True}]
    assert values(text)["MOUNTS"][0] == ("/project", str(shop), "bind", False)
    assert "the streams of demo are not known yet" in said
    assert "airflow pools set my_shop.faker 1" in text


def test_it_has_no_secret_and_imports_nothing_of_tapdock(deploy):
    _, text, _ = deploy("demo", "nightly", "--variable", "REGION", "--variable", "TOKEN={{ conn.shop.password }}")
    assert "s3cret" not in text
    modules = [node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert {module.split(".")[0] for module in modules} == {"airflow", "datetime", "docker"}
    assert values(text)["ENVIRONMENT"] == {"REGION": "{{ var.value.REGION }}", "TOKEN": "{{ conn.shop.password }}"}


def test_a_job_has_a_task_for_each_block(deploy):
    found = tasks(deploy("nightly")[1])
    after = {name: task.get("after", []) for name, task in found.items()}
    assert after["dbt_clean"] == []
    assert after["small.demo"] == ["dbt_clean"]
    assert after["small.dbt_build"] == ["small.demo"]
    assert after["other"] == after["demo"] == ["small.dbt_build"]
    assert after["other_2"] == ["demo"]
    assert after["dbt_test"] == ["other", "other_2"]
    assert found["small.demo"]["group"] == "small"
    assert "is_pipeline" not in found["dbt_test"], "its exit codes are those of dbt"


def test_the_hooks_of_a_job_do_not_hide_its_failure(deploy):
    """Airflow takes the state of a DAG from its last tasks. `done` fails with the job, also if all hooks succeed."""
    found = tasks(deploy("nightly")[1])
    inside = ["small.demo", "small.dbt_build", "other", "demo", "other_2", "dbt_test"]
    assert found["done"] == {"task_id": "done", "after": ["dbt_test"]}
    assert found["dbt_undo"]["after"] == inside
    assert found["dbt_undo"]["rule"] == "one_failed"
    assert found["dbt_build"]["after"] == ["done"]
    assert (found["over"]["after"], found["over"]["rule"]) == (inside, "all_done")
    assert found["dbt_clean_2"]["after"] == ["over"]


def test_each_block_is_a_dag(deploy):
    _, text, _ = deploy("demo", "faker", "lake", "dbt:test", "other")
    found = values(text)["DAGS"]
    assert [each["dag_id"].partition(".")[2] for each in found] == ["demo", "faker-to-lake", "dbt_test", "other"]
    assert found[1]["tasks"][0]["words"] == ["faker", "lake"]
    assert [each["schedule"] for each in found] == ["0 3 * * *", None, None, None]


def test_streams_are_outlets_and_windows_are_data_intervals(shop):
    project = load(shop / "tapdock.yaml", environment=None, environ={})
    project = dataclasses.replace(project, sources={**project.sources, "faker": SimpleNamespace(window=object())})
    streams = [SimpleNamespace(stream="users", namespace="eu/1", target_name=None)]
    streams.append(SimpleNamespace(stream="orders", namespace=None, target_name="raw_orders"))
    known = {"demo": SimpleNamespace(streams=streams)}
    blocks = parse_blocks(project, ["demo"])
    found = dags(project, blocks, known, when={"demo": When(cron="@daily")})
    (task,) = tasks(render(found, Settings(image="x", folder=shop), command="c")).values()
    assert task["outlets"] == ["tapdock://my%20shop/lake/eu%2F1.users", "tapdock://my%20shop/lake/raw_orders"]
    assert task["words"][1:] == ["--from", "{{ data_interval_start | ts }}", "--to", "{{ data_interval_end | ts }}"]
    plain = dags(project, blocks, known, when={"demo": When(cron="@daily")}, windows=False)
    assert plain[0].tasks[0].words == ("demo",)


def test_an_environment_and_files_of_variables(deploy, shop):
    (shop / "tapdock.yaml").write_text(PROJECT + "environments: {prod: {}}\n")
    (shop / "prod.env").write_text("TOKEN=s3cret-of-prod\n")
    _, text, _ = deploy("demo", "--environment", "prod", "--env-file", str(shop / "prod.env"))
    found = values(text)
    assert found["OPTIONS"] == ["--environment", "prod", "--env-file", "/run/tapdock/env-0"]
    assert found["MOUNTS"][-1] == ("/run/tapdock/env-0", str(shop / "prod.env"), "bind", True)
    assert found["DAGS"][0]["dag_id"] == "my_shop.prod.demo"
    assert "s3cret" not in text


def test_a_file_is_written_again_and_no_other_file_is_replaced(deploy, tmp_path):
    file = tmp_path / "dags" / "shop.py"
    assert deploy("demo", "--output", str(file))[0] == 0
    assert deploy("demo", "--output", str(file))[0] == 0
    file.write_text("mine = 1\n")
    code, _, said = deploy("demo", "--output", str(file))
    assert (code, file.read_text()) == (2, "mine = 1\n")
    assert "was not written by tapdock" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--variable", "TOKEN=s3cret"], "has a value in place of a template"),
        (["demo", "--variable", "1x"], "is not the name of a variable"),
        (["demo", "--folder", "shop"], "is not absolute"),
        (["demo", "--schedule", "every day"], "--schedule every day"),
        (["demo", "--schedule", "@daily", "--time-zone", "Mars/Base"], "Mars/Base"),
        (["dmeo"], "there is no"),
    ],
)
def test_what_is_refused(deploy, words, message):
    code, text, said = deploy(*words)
    assert (code, text) == (2, "")
    assert message in said
    assert "s3cret" not in said


def test_a_schedule_that_would_lose_something_is_refused(deploy, shop):
    lost = PROJECT.replace("options: [--strict-counts]", "env: {LEVEL: high}")
    (shop / "tapdock.yaml").write_text(lost)
    assert "sets `env`" in deploy("demo")[2]
    (shop / "tapdock.yaml").write_text(PROJECT + "  late: {run: demo, cron: '@daily'}\n")
    assert "the schedules `early` and `late` run the same" in deploy("demo")[2]
    assert deploy("demo", "--schedule", "@daily")[0] == 0


ROWS = """\
version: 1
sources: {crm: {image: x, window: {start: a, end: b}, config: {host: "${matrix.host}"}}}
targets: {lake: {image: y}}
pipelines: {shop: {source: crm, target: lake, matrix: [{name: acme, host: a}, {name: beta, host: b}]}}
schedules: {all: {run: shop, cron: "@daily"}, beta: {run: "shop[beta]", cron: "@hourly"}}
"""


def test_rows_of_a_matrix_have_dags_and_schedules_of_their_own(deploy, shop):
    (shop / "tapdock.yaml").write_text(ROWS + "jobs: {once: ['shop[acme]']}\n")
    _, text, _ = deploy("shop[acme]", "once", "shop[beta]")
    found = values(text)["DAGS"]
    assert [each["dag_id"] for each in found] == ["my_shop.shop_acme", "my_shop.once", "my_shop.shop_beta"]
    assert [each["schedule"] for each in found] == [None, None, "@hourly"]
    assert [each["tasks"][0]["words"][0] for each in found] == ["shop[acme]", "shop[acme]", "shop[beta]"]
    assert values(deploy("shop")[1])["DAGS"][0]["schedule"] == "@daily"


def test_exit_code_7_of_several_rows_is_not_a_skip(deploy, shop):
    """Another row may have failed: the exit code is that of the first one."""
    (shop / "tapdock.yaml").write_text(ROWS)
    blocks = (["shop"], ["shop[acme]", "shop[beta]"], ["shop[acme]"])
    assert [tasks(deploy(*words)[1])["shop"].get("is_matrix", False) for words in blocks] == [True, True, False]


def test_a_dag_that_is_started_by_hand_has_no_data_interval(deploy, shop):
    """Its interval is empty, so that a run of it as a window would be refused."""
    (shop / "tapdock.yaml").write_text(ROWS)
    assert tasks(deploy("shop[acme]")[1])["shop"]["words"] == ["shop[acme]"]
    assert "--from" in tasks(deploy("shop[beta]")[1])["shop"]["words"]


def test_two_blocks_with_one_name_in_airflow_are_refused(deploy):
    """Of two DAGs with one name, Airflow uses the last one."""
    code, text, said = deploy("demo", "demo")
    assert (code, text) == (2, "")
    assert "`demo` and `demo` would both be the DAG `my_shop.demo`" in said


def test_a_project_file_with_another_name(deploy, shop, capsys):
    """Without its name, a run would use another file of the folder, or none."""
    (shop / "tapdock.yaml").rename(shop / "eu.yaml")
    assert main(["--project", str(shop / "eu.yaml"), "deploy", "airflow", "demo"]) == 0
    assert values(capsys.readouterr().out)["OPTIONS"] == ["--project", "/project/eu.yaml"]
