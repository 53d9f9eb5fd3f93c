"""Tests jobs with whole runs: what one run's failure and a signal stop, and what is printed."""

import re
import signal

import pytest

from engines.places import local_only
from engines.project import wait_for


@pytest.fixture
def jobs(project):
    """jobs(STEPS, *words) -> the result of a job `j`: pipeline `good` runs well, `bad` fails, `late` runs well."""

    def run(steps, *words, bad=("until users 3", "state", "exit 1"), start=False):
        project.steps("until users 5", "state")
        project.write()  # for the images of the connectors
        keys = {"kind": "airbyte", "image": project.images["source"], "stop_grace": "10s", "exit_grace": "10s"}
        failing = {**keys, "config": {"token": "x", "streams": ["orders"], "steps": list(bad)}}
        project.keys = {
            "sources": {"source": {**keys, "config": {"token": "x", **project.source}}, "failing": failing},
            "pipelines": {
                "good": {"source": "source", "target": "target"},
                "late": {"source": "source", "target": "target", "state_suffix": "late"},
                "bad": {"source": "failing", "target": "target"},
            },
            "jobs": {"j": steps},
        }
        return (project.start if start else project.run)("run", "j", *words)

    return run


def of(ended):
    return {run["place"]: (run["pipeline"], run["exit_code"]) for run in ended.record["runs"]}


def test_a_failure_stops_its_own_sequence_only(jobs, project):
    ended = jobs([{"parallel": [["bad", "late"], "good"]}, "late"], "--json", "--log-format", "json")
    assert ended.code == 3, ended.stderr
    assert (ended.record["job"], ended.record["exit_code"], ended.record["errors"]) == ("j", 3, [])
    assert of(ended) == {"j/1/1/1": ("bad", 3), "j/1/2": ("good", 0)}
    assert ended.record["not_started"] == ["late", "late"]
    assert project.ids() == {1, 2, 3, 4, 5}


@local_only
def test_people_see_which_steps_have_run(jobs):
    ended = jobs(["good", {"parallel": ["bad", "late"]}, "good"], "--concurrency", "1")
    assert ended.code == 3, ended.stderr
    rows = [re.split(r"  +", line) for line in ended.stdout.splitlines() if line.startswith(("STEP", "j/"))]
    assert rows[0] == ["STEP", "NAME", "STATUS", "TIME"]
    assert [row[:3] for row in rows[1:]] == [
        ["j/1", "good", "succeeded"],
        ["j/2/1", "bad", "failed"],
        ["j/2/2", "late", "succeeded"],
        ["j/3", "good", "not started"],
    ]
    assert all(re.fullmatch(r"\d+\.\d s", row[3]) for row in rows[1:4])
    assert ended.stderr.splitlines()[-1] == "not started: good"
    assert max(map(len, ended.stdout.splitlines()[-5:])) <= 80


@local_only
def test_a_signal_stops_all_members_in_order(jobs, project):
    running = jobs(
        [{"parallel": ["good", "bad"]}, "late"], "--json", bad=("until orders 3", "state", "silent"), start=True
    )
    wait_for(lambda: len(project.ids("orders")) == 3 and len(project.ids()) == 5, "the rows of both")
    running.signal(signal.SIGTERM)
    ended = running.ended()
    assert ended.code == 143, ended.stderr
    assert ended.record["exit_code"] == 143
    assert of(ended)["j/1/2"] == ("bad", 143)
    assert ended.record["not_started"] == ["late"]


@local_only
def test_steps_of_one_state_are_refused_before_anything_starts(jobs, project):
    ended = jobs([{"parallel": ["good", "source target"]}], "--json")
    assert (ended.code, ended.record["error"]["side"]) == (2, "runner")
    assert (
        "`good` (j/1/1) and `source-to-target` (j/1/2) would run at the same time" in ended.record["error"]["message"]
    )
    assert not project.rows()
    assert jobs([{"parallel": ["good", "source target"]}], "--json", "--concurrency", "1").code == 0
