"""Tests how a run ends if its target fails, stops or behaves wrongly."""

from engines.places import with_containers

MANY = ("until users 40", "state", "until users 30000", "state", "forever users")


def test_target_dies_at_once(project):
    project.target = {"after": 0, "then": "exit 9"}
    project.steps(*MANY)
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "the target exited with 9 before" in ended.message
    assert "last words" in ended.message
    assert project.rows() == []
    assert ended.record["state"]["committed"] == 0


@with_containers
def test_target_dies_midway_and_the_next_run_goes_on(project):
    project.target = {"after": 25000, "then": "exit 1"}
    project.steps(*MANY)
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "the target exited with 1 before the end of its input" in ended.message
    assert project.done() == 0
    saved = project.cursor()
    assert saved <= max(project.ids())

    project.target = {}
    project.steps("until users 30010", "state")
    assert project.run().code == 0
    assert project.ids() >= set(range(1, 30011))


def test_target_leaves_early_with_code_0(project):
    project.target = {"after": 100, "then": "exit 0"}
    project.steps(*MANY)
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "exited with 0 before the end of its input" in ended.message


def test_target_leaves_early_with_code_0_on_a_short_input(project):
    """All further input fits into the pipe, so the early exit is detected by the unread input."""
    project.target = {"after": 5, "then": "exit 0"}
    project.steps("until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")


def test_target_fails_once_its_input_is_over(project):
    project.target = {"path": "/no/such/folder"}
    project.steps("until users 10")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "the target exited with 1" in ended.message
    assert "No such file" in ended.message


def test_target_reads_everything_and_never_acknowledges(project):
    project.target = {"ack": "never"}
    project.steps("until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "never acknowledged the final state" in ended.message
    assert project.run("state", "list").stdout.count("source-to-target") == 0
    assert ended.record["state"]["committed"] == 0
    assert project.done() == 1


def test_target_does_not_acknowledge_the_last_state(project):
    project.target = {"ack": "not-the-last"}
    project.steps("until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "never acknowledged the final state" in ended.message


def test_target_acknowledges_what_it_was_never_sent(project):
    project.target = {"ack": "invented"}
    project.steps("until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "which it was never sent" in ended.message
    assert ended.record["state"]["committed"] == 0


def test_target_takes_nothing_for_too_long_and_is_deaf(project):
    project.target = {"after": 10, "then": "hang", "deaf": True}
    project.target_keys = {"idle_timeout": "2s", "stop_grace": "1s"}
    project.source_keys = {"stop_grace": "1s"}
    project.steps("until users 100000")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "the target was silent for 2 s" in ended.message
    assert project.done() == 0
