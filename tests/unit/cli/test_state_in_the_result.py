"""Tests what the result of a run says about its state: saved, unchanged, or cleared at its start."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"


@pytest.fixture
def project(tmp_path, tapdock):
    """project(*steps, retries=0) -> a function that runs tapdock. A new snapshot removes the state of its stream."""
    (tmp_path / "data").mkdir()

    def made(*steps: str, retries: int = 0):
        config = {"token": "t", "streams": ["users"], "steps": list(steps), "describes": {"is_resumable": True}}
        source = {"image": str(CONNECTORS / "source.py"), "kind": "airbyte", "stop_grace": "5s", "config": config}
        rows = {"path": str(tmp_path / "data" / "rows")}
        target = {"image": str(CONNECTORS / "target.py"), "kind": "singer", "config": rows}
        pipeline = {"source": "shop", "target": "lake", "retries": retries}
        whole = {
            "version": 1,
            "sources": {"shop": source},
            "targets": {"lake": target},
            "pipelines": {"demo": pipeline},
        }
        (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
        return lambda *words: tapdock(*words, TAPDOCK_ENGINE="local")

    made("until users 3", "state users")("run", "demo", "--quiet")
    return made


def result(ended) -> str:
    return next(line for line in ended.stdout.splitlines() if line.startswith("demo "))


def test_a_failed_full_refresh_says_that_the_state_was_cleared(project):
    tapdock = project("exit 1")
    ended = tapdock("run", "demo", "--full-refresh", "--quiet")
    assert ended.returncode == 3
    assert "; state default:shop-to-lake cleared for users: the next run reads from the beginning; run " in result(
        ended
    )
    assert tapdock("state", "get", "demo").returncode == 6, "there is no state any more"
    assert "cleared at the start for users, saved 0 times" in tapdock("runs", "show").stdout
    again = tapdock("run", "demo", "--quiet")
    assert "; state unchanged; run " in result(again), "nothing was left to clear"


def test_a_failed_run_that_did_not_touch_the_state_says_so(project):
    tapdock = project("exit 1")
    for words in ((), ("--full-refresh", "--no-state-update")):
        ended = tapdock("run", "demo", "--quiet", *words)
        assert ended.returncode == 3
        assert "; state unchanged; run " in result(ended)
    assert tapdock("state", "get", "demo").returncode == 0


def test_a_full_refresh_that_saved_a_state_says_so(project):
    ended = project("until users 2", "state users", "exit 1")("run", "demo", "--full-refresh", "--quiet")
    assert "; state default:shop-to-lake saved; run " in result(ended)


@pytest.mark.slow  # waits five seconds before it tries again
def test_the_last_attempt_says_what_the_first_one_did(project, tmp_path):
    """The first attempt removes the state, saves a new one and fails; the second one fails at once."""
    tapdock = project("until users 5", "state users", f"once {tmp_path}/mark", "exit 1", retries=1)
    ended = tapdock("run", "demo", "--full-refresh", "--json")
    state = json.loads(ended.stdout)["state"]
    assert state["cleared"] == ["users"]
    assert state["earlier"] > 0


def test_the_list_of_runs_shows_what_was_special(project):
    tapdock = project("until users 4", "state users")
    tapdock("run", "demo", "--full-refresh", "--quiet", "--exclude", "users.price")
    tapdock("run", "demo", "--limit", "2", "--no-state-update", "--quiet")
    lines = tapdock("runs", "list").stdout.splitlines()
    assert lines[1].endswith("--no-state-update --limit 2")
    assert lines[2].endswith("--full-refresh --exclude users.price")
    assert "--" not in lines[3]
    assert "--full-refresh --exclude users.price" in tapdock("runs", "show", lines[2].split()[0]).stdout


@pytest.mark.parametrize(
    ("words", "warns"),
    [
        (("--select", "users.id"), True),
        (("--full-refresh", "--exclude", "users.price"), True),
        (("--select", "users.id", "--no-state-update"), False),
        (("--select", "users.*"), False),
    ],
)
def test_a_run_that_leaves_out_fields_says_that_its_state_moves_on(project, words, warns):
    ended = project("until users 4", "state users")("run", "demo", "--quiet", *words)
    assert ended.returncode == 0, ended.stderr
    assert ("leaves out fields of `users`, and this run saves its state" in ended.stderr) == warns, ended.stderr
