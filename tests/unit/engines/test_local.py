"""Tests programs that a user runs by hand without a container."""

import signal
import subprocess
from pathlib import Path

import pytest

from tapdock.engines.local import LocalAttended
from tapdock.launch import Launch


@pytest.mark.parametrize("terminal", [True, False])
def test_a_signal_ends_the_program(tmp_path: Path, terminal: bool) -> None:
    """In a terminal, it is not the leader of a group."""
    with subprocess.Popen(["sleep", "600"], start_new_session=not terminal) as process:
        launch = Launch(role="source", image="sleep", entrypoint=("sleep",))
        attended = LocalAttended(process, tmp_path / "config.json", launch, terminal=terminal)
        attended.signal(signal.SIGTERM)
        assert attended.wait() == 143
        attended.signal(signal.SIGTERM)  # it has ended


def test_ctrl_c_in_a_terminal_is_not_sent_twice(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        launch = Launch(role="source", image="sleep", entrypoint=("sleep",))
        attended = LocalAttended(process, tmp_path / "config.json", launch, terminal=True)
        attended.signal(signal.SIGINT)
        attended.signal(signal.SIGTERM)
        assert attended.wait() == 143
