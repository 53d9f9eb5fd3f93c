"""Tests `tapdock run` with jobs, and follows the page of jobs, with programs that need no engine."""

import json
import os
import sys

import pytest

from support.pages import Shell, page_steps

pytestmark = pytest.mark.long

SOURCE = """#!%s
import json, sys
stream = {"name": "users", "supported_sync_modes": ["full_refresh"], "json_schema": {"properties": {"id": {}}}}
answers = {"spec": [{"type": "SPEC", "spec": {"connectionSpecification": {}}}],
    "discover": [{"type": "CATALOG", "catalog": {"streams": [stream]}}],
    "read": [{"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": {
        "stream_descriptor": {"name": "users"}, "status": status}}} for status in ("STARTED", "COMPLETE")]}
for message in answers[sys.argv[1]]:
    print(json.dumps(message))
"""
TARGET = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(2)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "STATE":
        print(json.dumps(message["value"]), flush=True)
"""


@pytest.fixture
def programs(folder):
    for name, text in (("source", SOURCE), ("target", TARGET)):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def run(tapdock, programs):
    """run(*words) -> the result of `tapdock run` in a project with jobs, a task and hooks."""
    (programs / "tapdock.yaml").write_text(
        json.dumps(
            {
                "version": 1,
                "sources": {"shop": {"image": str(programs / "source"), "kind": "airbyte"}},
                "targets": {"lake": {"image": str(programs / "target"), "kind": "singer"}},
                "tasks": {"dbt": {"image": "x", "commands": {"build": "build"}}},
                "pipelines": {
                    "a": {"source": "shop", "target": "lake", "after": {"failure": ["dbt:build"]}},
                    "b": {"source": "shop", "target": "lake", "state_suffix": "b", "before": "dbt:build"},
                },
                "jobs": {
                    "both": [{"parallel": ["a", "b"]}, "dbt:build"],
                    "alone": {"steps": ["a"], "after": "dbt:build"},
                    "twice": [{"parallel": ["a", "alone"]}],
                },
            }
        )
    )
    return lambda *words: tapdock("run", *words, TAPDOCK_ENGINE="local")


def test_the_page(programs):
    path = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    shell = Shell(programs, **path, TAPDOCK_ENGINE="local")
    shell.follow(page_steps("jobs.md", "A job", "One result"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("both", "--dump", "config"), "need a single pipeline"),
        (("alone", "--state", "state.json"), "need a single pipeline"),
        (
            ("both", "--select", "users"),
            "job `both` runs 2 pipelines; `--select` and `--exclude` choose streams of one",
        ),
        (("dbt:build", "--full-refresh"), "`--full-refresh` has no effect: no pipeline is run"),
        (("dbt:build", "--limit", "3"), "`--limit` has no effect: no pipeline is run"),
        (("twice",), "`a` (twice/1/1) and `a` (twice/1/2/alone/1) would run at the same time with one state"),
        (("a", "a", "--concurrency", "2"), "`a` (1) and `a` (2) would run at the same time with one state"),
        (("both", "alone", "--to", "spool"), "`--to` needs the name of one source"),
    ],
)
def test_what_is_refused_before_anything_starts(run, folder, words, message):
    (folder / "state.json").write_text("[]")
    ended = run(*words)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not (folder / ".tapdock" / "runs").exists()


def test_a_dry_run_shows_steps_and_hooks(run, folder):
    ended = run("both", "alone", "dbt:build", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[:8] == [
        "both:",
        "  at the same time:",
        "    both/1/1: a; after it dbt:build (failure)",
        "    both/1/2: b; before it dbt:build",
        "  both/2: dbt:build",
        "alone:; after it dbt:build",
        "  alone/1: a; after it dbt:build (failure)",
        "3: dbt:build",
    ]
    assert [plan["pipeline"] for plan in json.loads(run("both", "--dry-run", "--json").stdout)] == ["a", "b"]
    assert not (folder / ".tapdock" / "runs").exists()


def test_without_arguments_jobs_are_listed(run):
    ended = run()
    assert ended.returncode == 2
    assert "both   (a | b), dbt:build" in ended.stdout
    assert "name what to run: pipelines, jobs, tasks" in ended.stderr
