"""Tests how a run ends if its source fails, stops or behaves wrongly."""

import json
import shutil
from pathlib import Path

import pytest

from engines import leftovers
from engines.places import local_only, with_containers


@with_containers
def test_all_is_well(project):
    project.steps("until users 50", "babble", "until orders 20", "state", streams=["users", "orders"])
    ended = project.run()
    assert (ended.code, ended.record["status"]) == (0, "succeeded"), ended.stderr
    assert {s["stream"]: (s["records"], s["status"]) for s in ended.record["streams"]} == {
        "users": (50, "complete"),
        "orders": (20, "complete"),
    }
    assert project.ids("users") == set(range(1, 51))
    assert project.ids("orders") == set(range(1, 21))
    assert project.done() == 1
    assert (project.cursor("users"), project.cursor("orders")) == (50, 20)
    assert ended.record["relay"] == ("container" if project.place == "docker-container" else "beside")
    assert "[secret]" in ended.stderr


@with_containers
def test_source_fails_midway_and_the_next_run_goes_on_from_there(project):
    project.steps("until users 50", "state", "until users 80", "error - transient_error", "exit 1")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "the source exited with 1: - broke" in ended.message
    assert ended.record["error"]["retryable"]
    assert project.cursor() == 50
    assert project.done() == 1  # a target that appends may keep the rows that it has
    assert ended.record["streams"][0]["status"] != "complete"

    project.steps("until users 120", "state")
    assert project.run().code == 0
    assert project.ids() == set(range(1, 121))
    assert project.cursor() == 120


def test_source_fails_after_a_flood_of_errors(project):
    project.steps("until users 10", "state", "stderr 10000000", "until users 20", "exit 7")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "the source exited with 7" in ended.message
    assert project.ids() == set(range(1, 21))


def test_config_error_says_where_to_correct_it(project):
    project.steps("error - config_error", "exit 1")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "`config`" in ended.hint
    assert not ended.record["error"]["retryable"]


def test_source_that_says_nothing_at_all(project):
    project.steps("exit 0")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.done() == 1


def test_source_lingers_with_its_output_closed(project):
    project.source_keys = {"exit_grace": "1s"}
    project.steps("until users 10", "state", "linger")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "closed its output but did not exit" in ended.message
    assert project.cursor() == 10


def test_source_is_silent_for_too_long_and_deaf(project):
    project.source_keys = {"idle_timeout": "2s", "stop_grace": "1s"}
    project.target_keys = {"stop_grace": "1s"}
    project.steps("deaf", "until users 10", "state", "silent")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "was silent for 2 s" in ended.message
    assert "idle_timeout" in ended.hint
    assert project.cursor() == 10
    assert project.done() == 1


def test_some_streams_failed_and_the_others_are_kept(project):
    streams = ["users", "orders"]
    project.steps(
        "status users STARTED", "until users 10", "state users", "status users COMPLETE",
        "status orders STARTED", "until orders 5", "error orders system_error", "status orders INCOMPLETE",
        streams=streams,
    )  # fmt: skip
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "orders" in ended.message
    assert "users" not in ended.message
    assert {s["stream"]: s["status"] for s in ended.record["streams"]} == {"users": "complete", "orders": "failed"}
    assert project.cursor("users") == 10
    assert project.ids("orders") == set(range(1, 6))


def test_line_that_cannot_be_translated(project):
    bad = {"type": "RECORD", "record": {"stream": "nobody", "data": {"id": 1}, "emitted_at": 1}}
    project.steps("until users 10", "state", f"line {json.dumps(bad)}", "exit 1")
    ended = project.run()
    assert (ended.code, ended.side) == (5, "runner")
    assert "line 12" in ended.message
    assert "nobody" in ended.message
    assert project.ids() == set(range(1, 11))
    assert project.cursor() == 10


def test_long_line(project):
    project.steps("long users 50000000", "until users 3", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert [len(row) > 50_000_000 for row in project.rows()] == [True, False, False, False]


def test_numbers_arrive_as_they_were_written(project):
    project.steps("numbers users", "state")
    assert project.run().code == 0
    assert '"price":12345678901234567.123456789,"big":12345678901234567890' in project.rows()[0]


@pytest.mark.parametrize("kind", ["LEGACY", "GLOBAL"])
def test_other_kinds_of_state_are_resumed_from(project, kind):
    project.steps("until users 5", "state", "until users 8", "state", states=kind)
    assert project.run().code == 0
    project.steps("until users 12", "state", states=kind)
    assert project.run().code == 0
    ids = [json.loads(row)["record"]["id"] for row in project.rows() if row != '"done"']
    assert ids == list(range(1, 13))


@pytest.mark.parametrize(
    ("place", "way"),
    [
        pytest.param("local", "control"),
        pytest.param("local", "rewrite"),
        pytest.param("docker-beside", "control", marks=[pytest.mark.docker, pytest.mark.slow]),
        pytest.param("docker-beside", "rewrite", marks=pytest.mark.docker),  # the file is in the container
        pytest.param("docker-container", "control", marks=[pytest.mark.docker, pytest.mark.slow]),
        pytest.param("docker-container", "rewrite", marks=[pytest.mark.docker, pytest.mark.slow]),
    ],
)
def test_rotated_token_is_used_by_the_next_run(project, way):
    """The source reports the token in a message, or writes the token into its config file.

    The token is a secret, as before.
    """
    project.steps("until users 1", "state", f"{way} another-one")
    first = project.run()
    assert first.code == 0, first.stderr
    assert "source changed its config: /token" in first.stderr
    project.steps("expect another-one", "babble", "until users 2", "state")
    second = project.run()
    assert second.code == 0, second.stderr
    assert "source uses values that it has changed in its config: /token = [secret]" in second.stderr
    assert "token is [secret]" in second.stderr
    project.steps()
    for words in (("config", "show"), ("runs", "show", "latest", "--json"), ("runs", "logs", "latest")):
        assert "another-one" not in project.run(*words).stdout
    kept = leftovers.files_with("another-one", project.private)
    assert [path.parent.name for path in kept] == ["state"]  # stored next to the state, readable only by its owner
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


@local_only
def test_rotated_token_is_not_for_another_program_and_not_where_nothing_is_rotated(project):
    project.steps("until users 1", "state", "control another-one")
    assert project.run().code == 0
    project.steps("expect another-one", "until users 2")
    project.source_keys = {"rotate": "none"}
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "does not use values that it has changed in its config: /token (its `rotate` is `none`)" in ended.stderr
    project.source_keys = {}
    other = Path(project.images["source"]).with_name("other.py")
    shutil.copy(project.images["source"], other)
    project.images = {**project.images, "source": str(other)}
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "changed by another program" in ended.stderr
    assert "(not used: the program has changed)" in project.run("config", "show").stdout


def test_rotated_token_of_a_check_is_kept_until_the_user_writes_another(project):
    project.steps("expect another-one", "until users 1", "state", check_gives="another-one")
    assert project.run("check", "source").code == 0
    assert project.run().code == 0
    project.secret = f"{project.secret}-new"
    project.steps("until users 2", "expect another-one")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "exited with 9" in ended.message


def test_secret_in_a_connectors_own_words_is_in_no_message_and_no_record(project):
    project.steps("until users 5", "state", "betray", "exit 1")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "wrong token [secret]" in ended.message
    assert project.secret not in ended.stdout + ended.stderr
    assert project.secret not in project.run("runs", "show", "latest").stdout
