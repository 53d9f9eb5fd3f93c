"""Tests attacks on the pipes: a pipe cannot be replaced, and text in a pipe is not trusted."""

import signal

import pytest

from engines.project import wait_for
from hostile.conftest import both_users, one_place, peak, reports
from support.variants import variants

pytestmark = pytest.mark.docker


def ids(project) -> set[int]:
    return project.ids()


@both_users
def test_a_source_finds_nothing_to_swap(attacked, next_run):
    project = attacked(source=["swap", "nest", "fill", "records 20", "state"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert reports(ended) == ["swapped []", "nested 0", "filled 0"]
    assert ids(project) == set(range(1, 21))
    next_run()


@pytest.mark.slow
@both_users
def test_a_target_finds_nothing_to_swap_while_the_source_still_writes(attacked, next_run):
    project = attacked(source=["records 5", "sleep 2", "records 20", "state"], target=["swap", "nest", "fill"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert reports(ended) == ["swapped []", "nested 0", "filled 0"]
    assert ids(project) == set(range(1, 21))
    next_run()


@pytest.mark.slow
@both_users
def test_a_shell_that_swaps_before_it_greets(attacked, next_run):
    project = attacked(source=["records 20", "state"], shell="swap")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert reports(ended) == ["swapped []"]
    assert ids(project) == set(range(1, 21))
    next_run()


@pytest.mark.slow
@one_place
def test_programs_of_the_image_that_are_called_cat_and_wc_are_not_used(attacked):
    """A console script of any package is at the front of the image's PATH."""
    project = attacked(source=["records 20", "state"], target=["connect 127.0.0.1:1"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert "hostile-cat" not in ended.stderr


@pytest.mark.slow
@one_place
@variants("word", "forged", "junk", "long")
@variants("side", "source", "target")
def test_words_on_the_control_pipe(attacked, next_run, side, word):
    """The pipe has no name. A connector reaches it through its parent's descriptors, and can only harm its own side."""
    attacks = [f"control {word}", "exit 3"]
    if side == "source":
        project = attacked(source=["records 20", "state", *attacks])
    else:
        project = attacked(source=["records 20", "state"], target=attacks)
    ended = project.run()
    (reached,) = reports(ended)
    assert "/proc/" in reached, "the attack got no further than its name"
    assert "/tapdock/pipes/control" not in reached
    assert (ended.code, ended.side) == ((3, "source") if side == "source" else (4, "target"))
    next_run()


@pytest.mark.slow
@variants("shell", "flood-control", "config", "huge-config")
def test_a_shell_that_plays_the_launcher_badly(attacked, next_run, shell):
    project = attacked(shell=shell)
    project.source_keys = {"idle_timeout": "3s", "stop_grace": "1s", "exit_grace": "1s"}
    project.target_keys = {"stop_grace": "1s"}
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source"), ended.stderr
    assert peak(ended) < 400 << 20
    next_run()


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_a_source_that_nobody_can_stop(attacked, next_run, signals):
    """The shell ignores the end of the run, and continues to write."""
    project = attacked(shell="deaf")
    project.source_keys = {"stop_grace": "1s", "exit_grace": "1s"}
    project.target_keys = {"stop_grace": "1s"}
    running = project.start()
    wait_for(lambda: "on and on" in log_of(project), "what the source writes")
    for _ in range(signals):
        running.signal(signal.SIGTERM)
    ended = running.ended()
    assert ended.code == 143, ended.stderr
    next_run()


def log_of(project) -> str:
    return "".join(path.read_text("utf-8", "replace") for path in project.private.glob("runs/*/log.jsonl"))
