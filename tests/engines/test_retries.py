"""Tests a pipeline with `retries`: a retryable failure is retried, from the state of the previous attempt."""

import signal

from engines.places import local_only
from engines.project import wait_for

RUN = ("run", "again", "--json", "--log-format", "json")
PIPELINES = {"again": {"source": "source", "target": "target", "retries": 2}}


@local_only
def test_second_try_goes_on_where_the_first_one_failed(project):
    project.keys = {"pipelines": PIPELINES}
    project.steps("until users 5", "state", f"once {project.folder / 'tried'}", "until users 10", "state")
    ended = project.run(*RUN)
    assert (ended.code, ended.record["status"]) == (0, "succeeded"), ended.stderr
    assert "again failed; retrying in" in ended.stderr
    assert [run["status"] for run in project.listed()] == ["succeeded", "failed"]
    assert project.ids() == set(range(1, 11))
    assert len(project.rows()) == 10 + 2  # each row once, and two targets have seen the end of their input
    assert project.cursor() == 10


@local_only
def test_what_will_not_pass_is_not_tried_again(project):
    project.keys = {"pipelines": PIPELINES}
    project.steps("error - config_error", "exit 1")
    ended = project.run(*RUN)
    assert (ended.code, ended.side) == (3, "source")
    assert [run["status"] for run in project.listed()] == ["failed"]


@local_only
def test_signal_between_two_tries_ends_at_once(project):
    project.keys = {"pipelines": PIPELINES}
    project.steps("until users 5", "state", "error - transient_error", "exit 1")
    run = project.start(*RUN)
    wait_for(lambda: "again failed; retrying in" in run.process.stderr.readline(), "the word that it is tried again")
    run.signal(signal.SIGTERM)
    ended = run.ended()
    assert ended.code == 143, ended.stderr
    assert "Traceback" not in ended.stderr
    assert [run["status"] for run in project.listed()] == ["failed"]
    assert project.cursor() == 5
