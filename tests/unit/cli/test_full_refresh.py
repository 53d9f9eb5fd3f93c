"""Tests `--full-refresh` with real programs: all rows are read again, and the next run resumes behind them."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
STATES = ["STREAM", "GLOBAL", "LEGACY"]


@pytest.fixture
def project(tmp_path, tapdock):
    """project(*steps, program, retries=0, source={}, target={}, **config) -> a function that runs tapdock."""
    (tmp_path / "data").mkdir()

    def made(*steps, program="source", retries=0, source=None, target=None, **config):
        settings = {"token": "t", "streams": ["users"], "steps": list(steps), **config}
        kind = {"source": "airbyte", "tap": "singer"}[program]
        whole = {
            "version": 1,
            "sources": {
                "shop": {"image": str(CONNECTORS / f"{program}.py"), "kind": kind, "config": settings, **(source or {})}
            },
            "targets": {
                "lake": {
                    "image": str(CONNECTORS / "target.py"),
                    "kind": "singer",
                    "config": {"path": str(tmp_path / "data" / "rows"), **(target or {})},
                }
            },
            "pipelines": {"demo": {"source": "shop", "target": "lake", "retries": retries}},
        }
        (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
        return lambda *words, code=0: _ended(tapdock(*words, TAPDOCK_ENGINE="local"), code)

    return made


def _ended(ended, code):
    assert ended.returncode == code, ended.stderr
    return ended


def counts(ended):
    """Return the number of records of each stream in the result of a run."""
    return {each["stream"]: each["records"] for each in json.loads(ended.stdout)["streams"]}


def reads(tapdock, *words):
    return sum(counts(tapdock("run", "demo", "--json", *words)).values())


@pytest.mark.parametrize("states", STATES)
def test_the_run_after_a_full_refresh_of_an_airbyte_source_resumes(project, states):
    tapdock = project("until users 3", "state", states=states)
    assert [reads(tapdock, *words) for words in ((), (), ("--full-refresh",), ())] == [3, 0, 3, 0]


TAP = ("schema users", "until users 3", "state")


@pytest.mark.parametrize("method", ["INCREMENTAL", "LOG_BASED"])
def test_the_run_after_a_full_refresh_of_a_tap_resumes(project, method):
    tapdock = project(*TAP, program="tap", replication=method)
    assert [reads(tapdock, *words) for words in ((), (), ("--full-refresh",), ())] == [3, 0, 3, 0]


def test_a_tap_without_discovery_gets_no_state(project):
    """Its streams are known only while it runs, so a full refresh removes its whole state."""
    tapdock = project(*TAP, program="tap", source={"discovery": False}, discovery="none")
    assert [reads(tapdock, *words) for words in ((), (), ("--full-refresh",), ())] == [3, 0, 3, 0]


def test_a_full_refresh_of_one_stream_leaves_the_others_where_they_are(project):
    tapdock = project("until users 3", "until orders 2", "state", streams=["users", "orders"])
    tapdock("run", "demo", "--quiet")
    assert counts(tapdock("run", "demo", "--json", "--full-refresh", "--select", "users.*")) == {"users": 3}
    assert reads(tapdock) == 0


def test_a_full_refresh_of_one_stream_of_a_tap_does_not_change_the_state(project):
    steps = ("schema users", "schema orders", "until users 3", "until orders 2", "state")
    tapdock = project(*steps, program="tap", streams=["users", "orders"])
    tapdock("run", "demo", "--quiet")
    some = ("--full-refresh", "--select", "users.*")
    assert "this run leaves out `orders`" in tapdock("run", "demo", *some, code=2).stderr
    assert counts(tapdock("run", "demo", "--json", "--no-state-update", *some)) == {"users": 3}
    assert reads(tapdock) == 0


TWO = {"streams": ["users", "orders"]}
REFUSED = {
    "a full refresh of a part of a tap": (
        (*TAP[:1], "schema orders", "until users 3", "until orders 2", "state"),
        {"program": "tap", **TWO},
        ("--full-refresh", "--select", "users.*"),
        "this run leaves out `orders`",
    ),
    "a part of one position": (
        ("until users 3", "until orders 2", "state"),
        {"states": "GLOBAL", **TWO},
        ("--select", "users.*"),
        "one position for all streams",
    ),
}


@pytest.mark.parametrize(("steps", "config", "words", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_dry_run_is_refused_for_the_saved_state_as_the_run_is(project, steps, config, words, reason):
    tapdock = project(*steps, **config)
    tapdock("run", "demo", "--quiet")
    for more in ((), ("--dry-run",), ("--dry-run", "--json"), ("--dump", "config")):
        ended = tapdock("run", "demo", *words, *more, code=2)
        assert reason in ended.stderr, more
    assert reads(tapdock) == 0


def test_a_dry_run_is_refused_for_a_state_of_the_other_protocol(project):
    project(*TAP, program="tap")("run", "demo", "--quiet")
    tapdock = project("until users 3", "state")
    for more in ((), ("--dry-run",), ("--dump", "state")):
        assert "the state `default:shop-to-lake` is a Singer state" in tapdock("run", "demo", *more, code=6).stderr


def test_a_dry_run_says_that_the_state_goes(project):
    tapdock = project("until users 3", "state")
    tapdock("run", "demo", "--quiet")
    shown = tapdock("run", "demo", "--dry-run", "--full-refresh").stdout
    assert "reading everything again: the state of these streams is removed first" in shown
    assert reads(tapdock) == 0


def test_a_target_that_empties_its_tables_gets_no_incremental_stream(project):
    tapdock = project("until users 3", "state", target={"load_method": "overwrite"})
    for words in ((), ("--full-refresh",)):
        ended = tapdock("run", "demo", *words, code=2)
        assert "stream `users` is incremental, but target `lake` empties its tables in every run" in ended.stderr


def test_a_spool_that_fails_says_that_the_state_was_cleared(project, tmp_path):
    tapdock = project("until users 3", "state")
    tapdock("run", "demo", "--quiet")
    tapdock("run", "shop", "--to", str(tmp_path / "spool"), "--quiet")
    broken = project("until users 3", "state", target={"after": 0, "then": "exit 1"})
    ended = broken("run", "demo", "--from", str(tmp_path / "spool"), "--full-refresh", "--quiet", code=4)
    assert "cleared for users" in ended.stdout, ended.stdout


@pytest.mark.parametrize("states", STATES)
def test_a_full_refresh_that_is_stopped_goes_on_in_the_next_run(project, states):
    project("until users 3", "state", states=states)("run", "demo", "--quiet")
    broken = project("until users 2", "state", "exit 1", states=states)
    broken("run", "demo", "--quiet", "--full-refresh", code=3)
    assert reads(project("until users 3", "state", states=states)) == 1


def test_a_full_refresh_that_fails_at_once_is_not_forgotten(project):
    """The state is cleared before anything is read: the next run reads all rows."""
    project("until users 3", "state")("run", "demo", "--quiet")
    project("exit 1")("run", "demo", "--quiet", "--full-refresh", code=3)
    assert reads(project("until users 3", "state")) == 3


@pytest.mark.slow  # waits five seconds before it tries again
@pytest.mark.parametrize(
    ("steps", "rows"),
    [
        (("until users 2", "state", "once {mark}", "until users 3", "state"), 3),
        (("until users 2", "once {mark}", "until users 3", "state"), 5),  # what has no state is read again
    ],
)
def test_a_second_attempt_resumes_behind_the_first_one(project, tmp_path, steps, rows):
    project("until users 3", "state")("run", "demo", "--quiet")
    before = len((tmp_path / "data" / "rows").read_text().splitlines())
    tapdock = project(*(step.format(mark=tmp_path / "mark") for step in steps), retries=1)
    assert reads(tapdock, "--full-refresh") in (1, 3)
    written = (tmp_path / "data" / "rows").read_text().splitlines()[before:]
    assert len([line for line in written if '"RECORD"' in line]) == rows
