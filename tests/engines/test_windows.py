"""Tests backfills on engines: each step has containers of its own, and a signal ends the step that is running."""

import json
import signal

import pytest

from engines.places import SLOW_BESIDE, SLOW_CONTAINER
from engines.project import wait_for

CALL = ("backfill", "source", "target", "--from", "2026-01-01", "--to", "2026-03-01", "--json")


@pytest.mark.parametrize("place", [SLOW_BESIDE, SLOW_CONTAINER])
def test_a_backfill_that_was_stopped_resumes(project):
    """The fixture checks that no container is left."""
    project.source_keys = {"window": {"start": "start_date", "end": "end_date"}}
    dates = {"start_date": "2026-01-01", "end_date": "2026-01-03"}
    project.steps("days users", "state", **dates)
    assert project.run("backfill", "source", "target", "--from", "2026-01-01", "--to", "2026-02-01").code == 0
    assert sorted(project.ids()) == list(range(1, 32))
    project.steps("days users", "state", "forever users", **dates)
    run = project.start(*CALL)
    wait_for(lambda: 59 in project.ids() or run.process.poll() is not None, "the rows of the second step")
    run.signal(signal.SIGTERM)
    ended = run.ended()
    told = json.loads(ended.stdout)
    assert (ended.code, told["done"], told["steps"]) == (143, 1, 2), ended.stderr
    project.steps("days users", "state", **dates)
    ended = project.run(*CALL)
    told = json.loads(ended.stdout)
    assert (ended.code, told["done"], told["steps"]) == (0, 2, 2), ended.stderr
    assert [run["window"] for run in told["runs"]] == [{"from": "2026-02-01", "to": "2026-03-01"}]
    assert project.ids() >= set(range(1, 60))
    assert json.loads(project.run("state", "list", "--json").stdout) == []
