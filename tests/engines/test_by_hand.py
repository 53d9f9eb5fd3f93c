"""Tests of `tapdock invoke` with containers: a terminal, pipes and signals. Nothing of it is left, nor recorded."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from typing import Any

import pytest

from engines import leftovers
from engines.places import LOCAL, SLOW_BESIDE
from engines.project import Project, wait_for

PROGRAM = """
case "$1" in
    size) stty size; if [ -t 0 ] && [ -t 1 ]; then echo a terminal; fi ;;
    ask) read -r answer; echo "got $answer" ;;
    wait) trap 'echo stopped; exit 5' INT TERM; echo waiting; while :; do sleep 0.1; done ;;
    cat) cat; echo err >&2; exit 3 ;;
    show) cat "$2"; echo; echo "$SHOP_KEY" ;;
    renew) printf '{"token": "n3w-token-value"}' >"$2" ;;
esac
"""
pytestmark = [pytest.mark.long, pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE])]


def start(project: Project, *words: str, **stdio: Any) -> "subprocess.Popen[bytes]":
    keys = {"kind": "singer", "env": {"SHOP_KEY": "${TAPDOCK_TEST_SECRET}"}}
    project.source_keys = {**keys, "entrypoint": ["/bin/sh", "-c", PROGRAM, "program"]}
    project.programs = ("tap", "target")
    project.environ = {"TERM": "xterm"}
    project.write()
    argv = [*project.prefix, "invoke", "source", "--", *words]
    process = subprocess.Popen(argv, cwd=project.folder, env=project.variables(), **stdio)
    project.started.append(process)
    project.pids.add(process.pid)
    return process


def piped(project: Project, *words: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(project, *words, **pipes)
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out, err


def test_pipes_are_passed_on_unchanged(project):
    data = bytes(range(256)) * 4096
    assert piped(project, "cat", stdin=data) == (3, data, b"err\n")


def test_files_are_in_place_and_a_renewed_token_is_kept(project):
    code, out, err = piped(project, "show", "{config}")
    config, key = out.splitlines()
    assert (code, json.loads(config), key.decode()) == (0, {"token": project.secret}, project.secret), err
    code, out, err = piped(project, "renew", "{config}")
    assert (code, out, b"changed its config: /token" in err) == (0, b"", True)
    assert b"n3w-token-value" in piped(project, "show", "{config}")[1]


class Terminal:
    """A terminal of this size, in which a command runs."""

    def __init__(self, project: Project, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(40, 100)
        self.before = termios.tcgetattr(theirs)
        stdio = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.process = start(project, *words, **stdio, preexec_fn=lambda: os.login_tty(os.dup(theirs)))
        self._theirs = theirs
        self.text = b""

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self._ours, text)

    def until(self, text: bytes) -> None:
        os.set_blocking(self._ours, False)

        def found() -> bool:
            try:
                self.text += os.read(self._ours, 4096)
            except (BlockingIOError, OSError):
                pass
            return text in self.text

        wait_for(found, f"{text!r} in {self.text!r}")

    def ended(self) -> int:
        code = self.process.wait(timeout=60)
        assert termios.tcgetattr(self._theirs) == self.before, "the terminal is as before"
        os.close(self._ours)
        os.close(self._theirs)
        return code


def test_a_terminal_is_the_connectors_own(project):
    terminal = Terminal(project, "size")
    terminal.until(b"a terminal")
    assert b"40 100" in terminal.text
    assert terminal.ended() == 0


def test_what_is_typed_reaches_the_connector(project):
    terminal = Terminal(project, "ask")
    terminal.type(b"yes\r")
    terminal.until(b"got yes")
    assert terminal.ended() == 0


def test_ctrl_c_in_a_terminal_is_for_the_connector(project):
    terminal = Terminal(project, "wait")
    terminal.until(b"waiting")
    terminal.type(b"\x03")
    terminal.until(b"stopped")
    assert terminal.ended() == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_connector_and_no_secret_is_recorded(project, number, request):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(project, "wait", **pipes)
    assert process.stdout.readline() == b"waiting\n"
    if project.place != "local":
        api = request.getfixturevalue("api")
        (container,) = leftovers.containers(api, project.pids)
        assert project.secret not in json.dumps(api.inspect_container(container["Id"]))
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, b"stopped\n")
