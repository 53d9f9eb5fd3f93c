"""Tests the hint for a file that another run writes to, with the words of real drivers."""

import pytest

from tapdock.text.lock_hints import lock_hint

DUCKDB = 'IO Error: Could not set lock on file "/data/lake.duckdb": Conflicting lock is held in /usr/bin/python (PID 7)'


@pytest.mark.parametrize("message", [DUCKDB, "sqlite3.OperationalError: database is locked"])
def test_a_file_that_another_run_writes_to(message):
    hint = lock_hint(message) or ""
    assert "`--concurrency 1`" in hint
    assert "file of its own" in hint


@pytest.mark.parametrize("message", ["the account is locked", 'IO Error: Cannot open file "/data/lake.duckdb"'])
def test_another_failure(message):
    assert lock_hint(message) is None
