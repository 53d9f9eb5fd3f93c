"""Blocks of a run, and the checks of jobs and hooks when a project is loaded."""

import pytest

from tapdock.errors import UsageError
from tapdock.project.blocks import Group, JobBlock, TaskBlock, parse_blocks, pipelines_of
from tapdock.project.load import load
from tapdock.project.model import Pipeline, Project

FILE = """\
version: 1
sources: {shop: {image: x}, crm: {image: x}}
targets: {lake: {image: y}}
tasks:
  dbt: {image: z, commands: {build: build --select staging, docs: {args: [docs], executable: sh}}}
pipelines:
  demo: {source: shop, target: lake, before: "dbt:docs", after: {failure: ["dbt:build"]}}
"""


def project(tmp_path, more: str = "") -> Project:
    file = tmp_path / "tapdock.yaml"
    file.write_text(FILE + more)
    return load(file, environment=None, environ={})


def test_words_are_pipelines_tasks_and_jobs(tmp_path):
    loaded = project(tmp_path, "jobs: {nightly: [{parallel: [demo, [crm lake, dbt:build]]}, dbt:docs]}")
    job, task, unnamed = parse_blocks(loaded, ["nightly", "dbt:build", "crm", "lake"])
    assert task == TaskBlock("dbt", "build")
    assert isinstance(unnamed, Pipeline)
    assert isinstance(job, JobBlock)
    group, docs = job.blocks
    assert isinstance(group, Group)
    assert [[block.name for block in member] for member in group.members] == [["demo"], ["crm-to-lake", "dbt:build"]]  # type: ignore[union-attr]
    assert docs == TaskBlock("dbt", "docs")
    assert [each.name for each in pipelines_of([job, unnamed])] == ["demo", "crm-to-lake", "crm-to-lake"]


def test_commands_and_hooks_are_read(tmp_path):
    loaded = project(tmp_path)
    assert loaded.tasks["dbt"].commands["build"].args == ("build", "--select", "staging")
    assert loaded.tasks["dbt"].commands["docs"].executable == "sh"
    assert loaded.pipelines["demo"].before == ("dbt:docs",)
    assert loaded.pipelines["demo"].after.failure == ("dbt:build",)


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ("{a: [b], b: [a]}", "job `a` contains itself: a -> b -> a"),
        ("{a: [a]}", "job `a` contains itself"),
        ("{a: [dbt:biuld]}", "task `dbt` has no command `biuld`"),
        ("{a: [dbt]}", "task `dbt` needs a command"),
        ("{a: [dtb:build]}", "there is no task `dtb`"),
        ("{a: []}", "is empty"),
        ("{a: [{parallel: []}]}", "is empty"),
        ("{a: {tasks: [demo]}}", "write `steps`"),
        ("{a: {steps: [demo], before: dbt:none}}", "has no command `none`"),
        ("{a: [shop]}", "must be followed by a target"),
        ("{demo: [shop lake]}", "has the same name"),
    ],
)
def test_a_mistake_in_a_job_has_its_place(tmp_path, jobs, message):
    with pytest.raises(UsageError) as raised:
        project(tmp_path, f"jobs: {jobs}")
    assert "tapdock.yaml:8" in raised.value.message
    assert message in f"{raised.value.message} {raised.value.hint}"


def test_a_hook_of_a_pipeline_names_a_command(tmp_path):
    file = tmp_path / "tapdock.yaml"
    file.write_text(FILE.replace('"dbt:docs"', "dbt:dosc"))
    with pytest.raises(
        UsageError, match=r"tapdock.yaml:7: `pipelines.demo`: task `dbt` has no command `dosc`"
    ) as raised:
        load(file, environment=None, environ={})
    assert raised.value.hint == "did you mean `docs`?"
