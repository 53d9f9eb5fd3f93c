"""Tests what a user sees of a run, with a terminal and without one."""

import os
import pty
import re
import signal
from contextlib import contextmanager

import pytest

from engines.places import local_only
from engines.project import Ended, Running, wait_for

RUN = ("run", "source", "target")
DRAWING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The stderr of a command that treats it as a terminal."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._text = ""

    def shown(self) -> str:
        """Return all text so far, without escape codes. Wait for more text."""
        try:
            self._text += os.read(self._ours, 1 << 16).decode("utf-8", "replace")
        except OSError:
            pass  # the other end is closed
        return DRAWING.sub("", self._text)

    def close(self) -> None:
        os.close(self._ours)


@contextmanager
def in_a_terminal(project):
    """Start a run whose stderr is a terminal, and yield both."""
    terminal = Terminal()
    try:
        run = project.start(*RUN, stderr=terminal.theirs)
        os.close(terminal.theirs)
        yield run, terminal
    finally:
        terminal.close()


def stopped(run: Running) -> Ended:
    run.signal(signal.SIGTERM)
    return run.ended()


@local_only
@pytest.mark.parametrize("stream", ["users", "[/x]", "[bold]users"])
def test_live_in_a_terminal_and_a_table_at_the_end(project, stream):
    """A source can choose any name for its streams. Text that looks like markup is shown as text."""
    project.environ = {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    project.steps(f"until {stream} 20", f"state {stream}", f"forever {stream}", streams=[stream])
    with in_a_terminal(project) as (run, terminal):
        row = re.compile(rf"^{re.escape(stream)} +\d+ .* running", re.MULTILINE)
        wait_for(lambda: row.search(terminal.shown().replace("\r", "")), "the stream's row")
        assert re.search(r"source-to-target +\d+ s", terminal.shown())
        assert re.search(r"\d records/s", terminal.shown())
        ended = stopped(run)
    assert ended.code == 143
    header, row, last = ended.stdout.splitlines()
    assert header.split() == ["stream", "records", "size", "status"]
    assert row.startswith(f"{stream} ")
    assert last.startswith("source-to-target stopped in ")
    assert str(max(project.ids(stream))) in row.replace(",", "")


@local_only
def test_line_now_and_then_without_a_terminal(project):
    project.steps("until users 20", "state", "forever users")
    run = project.start(*RUN)
    line = wait_for(lambda: found(run, r"^source-to-target: .*"), "a line of progress")
    assert re.fullmatch(r"source-to-target: [\d,]+ records, [\d,]+/s, [\d.]+ k?B\n", line)
    ended = stopped(run)
    assert ended.code == 143
    assert "\x1b" not in ended.stdout + ended.stderr


def found(run: Running, pattern: str) -> str:
    line = run.process.stderr.readline()
    return line if re.match(pattern, line) else ""


@local_only
def test_nobody_reads_stderr_any_more(project):
    """As with `2> >(head -1)`: the run continues to its end."""
    project.steps("until users 20", "state")
    reader, writer = os.pipe()
    os.close(reader)
    run = project.start(*RUN, "--json", stderr=writer)
    os.close(writer)
    ended = run.ended()
    assert (ended.code, ended.record["status"]) == (0, "succeeded")
    assert project.ids() == set(range(1, 21))
