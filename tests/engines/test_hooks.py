"""Tests hooks and tasks in jobs with whole runs: pipelines on each engine, tasks as programs of the host."""

import json
import signal

import pytest

from engines.places import local_only
from engines.project import wait_for


@pytest.fixture
def hooked(project):
    """hooked(**hooks) -> the project with a pipeline `p` with these hooks, and a task whose commands write `trace`.

    Command `bad` fails with exit code 3, `ok` and `last` do not.
    """

    def prepared(*steps, jobs=None, **hooks):
        project.steps(*(steps or ("until users 5", "state")))
        line = 'echo {0} >> "$0/trace"; exit {1}'
        commands = {
            name: {"executable": "sh", "args": ["-c", line.format(name, code), str(project.folder)]}
            for name, code in {"ok": 0, "last": 0, "bad": 3}.items()
        }
        project.keys = {
            "tasks": {"t": {"engine": "host", "commands": commands}},
            "pipelines": {"p": {"source": "source", "target": "target", **hooks}},
            "jobs": jobs or {},
        }
        return project

    return prepared


def trace(project) -> list[str]:
    file = project.folder / "trace"
    return file.read_text().split() if file.exists() else []


def records(project) -> list[tuple[str, int]]:
    found = json.loads(project.run("runs", "list", "--json").stdout)
    return [(each["pipeline"], each["exit_code"]) for each in reversed(found)]


def test_hooks_run_around_a_pipeline(hooked):
    project = hooked(before=["t:ok"], after={"always": "t:last", "failure": "t:bad"})
    ended = project.run("run", "p", "--json")
    assert (ended.code, ended.record["pipeline"], ended.record["exit_code"]) == (0, "p", 0), ended.stderr
    assert (trace(project), len(project.ids())) == (["ok", "last"], 5)
    assert records(project) == [("t:ok", 0), ("p", 0), ("t:last", 0)]


@local_only
def test_a_failed_before_has_a_record_of_its_own(hooked):
    project = hooked(before=["t:bad", "t:ok"], after={"always": ["t:last"], "success": ["t:ok"]})
    ended = project.run("run", "p", "--json")
    expected = "task `t:bad`, which runs before `p`, failed with exit code 3, so `p` did not start"
    assert (ended.code, ended.record["exit_code"], ended.side, ended.message) == (11, 11, "task", expected)
    assert (trace(project), project.rows()) == (["bad", "last"], [])
    assert records(project) == [("t:bad", 3), ("p", 11), ("t:last", 0)]
    said = project.run("run", "p")
    assert f"error: {expected}\nhint: `tapdock runs logs " in said.stderr
    assert project.run(*said.stderr.rpartition("hint: `tapdock ")[2].partition("`")[0].split()).code == 0
    assert "p failed in" in said.stdout


@local_only
def test_a_failed_after_fails_a_run_that_had_succeeded_and_keeps_its_state(hooked):
    project = hooked(after={"success": "t:bad", "always": "t:last"})
    ended = project.run("run", "p", "--json")
    assert (ended.code, ended.record["exit_code"], ended.record["status"]) == (11, 11, "failed")
    assert ended.message == "task `t:bad`, which runs after `p`, failed with exit code 3"
    assert (trace(project), project.cursor()) == (["bad", "last"], 5)
    assert records(project) == [("p", 11), ("t:bad", 3), ("t:last", 0)]


@local_only
def test_a_failed_after_does_not_hide_the_failure_of_the_pipeline(hooked):
    project = hooked("until users 2", "state", "exit 1", after={"failure": "t:bad", "success": "t:ok"})
    ended = project.run("run", "p", "--json")
    assert (ended.code, ended.side, trace(project)) == (3, "source", ["bad"])
    assert records(project) == [("p", 3), ("t:bad", 3)]


@local_only
def test_after_a_signal_only_what_always_runs(hooked):
    project = hooked(
        *("until users 5", "state", "forever users"),
        before="t:ok",
        after={"always": "t:last", "failure": "t:bad", "success": "t:bad"},
        jobs={"j": {"steps": ["p", "t:ok"], "after": {"always": "t:last", "failure": "t:bad"}}},
    )
    running = project.start("run", "j", "--json")
    wait_for(lambda: len(project.ids()) >= 5, "the first rows")
    running.signal(signal.SIGTERM)
    ended = running.ended()
    assert (ended.code, trace(project)) == (143, ["ok", "last", "last"]), ended.stderr
    assert [(run["place"], run["exit_code"]) for run in ended.record["runs"]] == [
        *(("j/1/before", 0), ("j/1", 143), ("j/1/after", 0), ("j/after", 0))
    ]
    assert (ended.record["not_started"], ended.record["errors"]) == (["t:ok"], [])


@local_only
def test_a_job_with_tasks_has_one_summary(hooked):
    project = hooked(jobs={"j": {"steps": [{"parallel": ["p", "t:ok"]}, "t:bad", "t:last"], "before": "t:ok"}})
    ended = project.run("run", "j")
    assert ended.code == 3, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines() if line.startswith("j/")]
    assert [row[:3] for row in rows] == [
        ["j/before", "t:ok", "succeeded"],
        ["j/1/1", "p", "succeeded"],
        ["j/1/2", "t:ok", "succeeded"],
        ["j/2", "t:bad", "failed"],
        ["j/3", "t:last", "not"],
    ]
    assert trace(project) == ["ok", "ok", "bad"]


@local_only
def test_a_failed_hook_of_a_job_is_its_error(hooked):
    project = hooked(jobs={"j": {"steps": ["p"], "before": "t:bad"}, "k": {"steps": ["p"], "after": "t:bad"}})
    ended = project.run("run", "j", "--json")
    message = "task `t:bad`, which runs before `j`, failed with exit code 3, so `j` did not start"
    assert (ended.code, [each["message"] for each in ended.record["errors"]]) == (11, [message])
    assert (ended.record["not_started"], project.rows()) == (["p"], [])
    assert f"error: {message}" in ended.stderr
    ended = project.run("run", "k", "--json")
    assert (ended.code, ended.record["exit_code"], len(project.ids())) == (11, 11, 5)
    assert records(project)[-2:] == [("p", 0), ("t:bad", 3)]


@local_only
def test_hooks_do_not_run_where_nothing_is_run(hooked, tmp_path):
    project = hooked(before="t:bad", after="t:bad")
    spool = str(project.folder / "spool")
    for words in (("p", "--dry-run"), ("p", "--dump", "config"), ("source", "--to", spool), ("--from", spool, "p")):
        ended = project.run("run", *words)
        assert ended.code == 0, ended.stderr
    assert trace(project) == []
    assert len(project.ids()) == 5


@local_only
def test_no_hook_runs_beside_another_run_of_the_pipeline(hooked):
    """A hook that cleans up would remove what the other run uses."""
    project = hooked(
        *("until users 5", "state", "forever users"), before="t:ok", after={"always": "t:last", "failure": "t:bad"}
    )
    running = project.start("run", "p", "--json")
    wait_for(lambda: len(project.ids()) >= 5, "the first rows")
    ended = project.run("run", "p", "--json")
    assert (ended.code, ended.record["status"], ended.record["exit_code"]) == (7, "failed", 7), ended.stderr
    assert "is in use by run" in ended.message
    assert trace(project) == ["ok"], "those of the first run"
    running.signal(signal.SIGTERM)
    assert running.ended().code == 143
    assert trace(project) == ["ok", "last"]
    assert [name for name, code in records(project) if code == 7] == ["p"]
