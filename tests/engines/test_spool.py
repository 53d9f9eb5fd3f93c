"""Tests a tap that is read to its end before its destination starts: signals, a full disk, and a killed process."""

import signal
import sys

import pytest

from engines.places import local_only
from engines.project import wait_for


@pytest.fixture
def spooling(project):
    project.programs = ("tap", "destination")
    return project


def said(project) -> str:
    """Return the logs of the project's runs."""
    return "".join(file.read_text() for file in project.private.glob("runs/*/log.jsonl"))


BEYOND_A_PIPE = "long users 2000000"  # more than a pipe takes: behind it, tapdock reads, so both sides have started


def begun(project):
    running = project.start("run", "source", "target", "--json", "--log-format", "json")
    wait_for(lambda: "eeee" in said(project), "the tap's own word")
    return running


def test_a_signal_ends_it_in_order_and_what_was_read_is_written(spooling):
    spooling.source_keys = {"stop_grace": "60s"}  # the destination needs twice this time for its late input files
    spooling.steps("schema users", "until users 500", BEYOND_A_PIPE, "state", "stderr 100", "forever users")
    running = begun(spooling)
    assert spooling.table() == []
    running.signal(signal.SIGTERM)
    ended = running.ended()
    assert ended.code == 143, ended.stderr
    rows = [row["id"] for row in spooling.table()]
    assert rows == list(range(1, len(rows) + 1))
    assert len(rows) >= 500
    assert spooling.state()["bookmarks"]["users"]["id"] <= rows[-1]


def test_a_second_signal_ends_it_at_once(spooling):
    spooling.source_keys = {"stop_grace": "300s"}
    spooling.steps("deaf", "schema users", "until users 500", BEYOND_A_PIPE, "state", "stderr 100", "forever users")
    running = begun(spooling)
    running.signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in running.process.stderr.readline(), "the word that it stops")
    running.signal(signal.SIGTERM)
    assert running.ended().code == 143
    assert spooling.table() == []


def test_a_killed_run_leaves_nothing_and_the_next_one_reads_all(spooling):
    spooling.steps("schema users", "until users 500", BEYOND_A_PIPE, "state", "stderr 100", "forever users")
    running = begun(spooling)
    running.signal(signal.SIGKILL)
    running.ended()
    spooling.steps("schema users", "until users 20", "state")
    ended = spooling.run()
    assert ended.code == 0, ended.stderr
    assert [row["id"] for row in spooling.table()] == list(range(1, 21))


@local_only
def test_a_full_disk_is_reported_and_both_sides_end(spooling):
    """A limit for the size of a file replaces the full disk: the same call fails."""
    limited = ("sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", sys.executable, "-m", "tapdock")
    spooling.prefix = limited
    spooling.steps("schema users", "until users 20", "state", "long users 3000000", "forever users")
    ended = spooling.run()
    assert (ended.code, ended.side) == (8, "runner")
    assert "could not be spooled to disk" in ended.message
    assert "TMPDIR" in ended.hint
    assert spooling.table() == []
    assert ended.record["state"]["committed"] == 0
