"""Tests what a terminal shows after Ctrl-C."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

from engines.places import local_only
from engines.project import Project, wait_for

PARTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\r\n\x1b]+")


class Terminal:
    """A terminal of 80 columns that keeps all lines. `text` is everything that was written to it."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self._ours, 1 << 16):
                self.text += chunk.decode("utf-8", "replace")
        except OSError:
            pass  # all other ends are closed

    def interrupt(self, process: "subprocess.Popen[str]") -> None:
        """Do what a terminal does at Ctrl-C."""
        os.write(self.theirs, b"^C")
        process.send_signal(signal.SIGINT)

    def closed(self) -> list[str]:
        """Return the lines that are visible at the end. The last one is the line of the cursor."""
        os.close(self.theirs)
        self._reader.join(20)
        os.close(self._ours)
        return screen(self.text)


def screen(text: str) -> list[str]:
    """Return the lines that a terminal shows after some text, wide enough for all of them, to that of the cursor."""
    lines, row, column = [""], 0, 0
    for part in PARTS.findall(text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.startswith("\x1b[") and part.endswith("A"):
            row -= int(part[2:-1] or 1)
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    assert not any(line.strip() for line in lines[row + 1 :]), "nothing is left below the cursor"
    return [line.rstrip() for line in lines[: row + 1]]


def interrupted(project: Project, ready: str, *words: str, times: int = 1) -> tuple[int, list[str]]:
    """Run a command in a terminal, interrupt it once the terminal shows `ready`, and return its code and the screen."""
    project.environ = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    terminal = Terminal()
    run = project.start(*(words or ("run", "source", "target")), stdout=terminal.theirs, stderr=terminal.theirs)
    wait_for(lambda: re.search(ready, terminal.text), f"`{ready}` on the terminal")
    for number in range(times):
        terminal.interrupt(run.process)
        if number < times - 1:
            wait_for(lambda: "stopping: " in terminal.text, "the first signal's line")
    code = run.process.wait(60)
    return code, terminal.closed()


def assert_clean(lines: list[str]) -> None:
    assert lines[-1] == "", "the cursor is at the start of a line"
    assert not [line for line in lines if "Traceback" in line or "^C" in line or "records/s" in line]
    assert len([line for line in lines if line.startswith("stopping: ")]) == 1


@local_only
@pytest.mark.parametrize("times", [1, 2])
def test_in_the_middle_of_a_run(project, times):
    project.steps("until users 20", "state users", "forever users")
    code, lines = interrupted(project, r"users .*running", times=times)
    assert code == 130
    assert_clean(lines)
    assert re.fullmatch(r"users +[\d,]+ +[\d.]+ k?B +incomplete", lines[-3])
    saved = "state default:source-to-target saved" if times == 1 else "state (default:source-to-target saved|unchanged)"
    assert re.fullmatch(rf"source-to-target stopped in [\d.]+ s: [\d,]+ records; {saved}; run \S+", lines[-2])


@local_only
def test_before_any_record(project):
    project.source = {"slow": True}
    code, lines = interrupted(project, "asking source: discover")
    assert code == 130
    assert_clean(lines)
    assert re.fullmatch(r"source-to-target stopped in [\d.]+ s: 0 records; state unchanged; run \S+", lines[-2])


@local_only
def test_a_question(project):
    project.source = {"slow": True}
    code, lines = interrupted(project, "asking source: discover", "discover", "source")
    assert code == 130
    assert_clean(lines)
    assert lines[-2] == "error: source: stopped by signal"


@local_only
@pytest.mark.parametrize("place_of_the_signal", ["importing", "working"])
def test_before_signals_are_handled(project, tmp_path, place_of_the_signal):
    """The signal arrives during the imports of the command line, or later, outside of a run."""
    (tmp_path / "early").mkdir()
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "early" / "orjson.py").write_text(kill)
    importing = place_of_the_signal == "importing"
    first = "" if importing else "import tapdock.cli.session as s; s.Session.project = property(lambda _: exec(KILL))"
    # As in a terminal, also if these tests run behind `&`, where SIGINT is ignored.
    caught = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{caught}\nimport sys; KILL = {kill!r}; {first}\nfrom tapdock.__main__ import start; sys.exit(start())"
    path = f"{tmp_path / 'early'}:" if importing else ""
    environ = {**os.environ, "PYTHONPATH": path + os.environ.get("PYTHONPATH", "")}
    project.write()
    ended = subprocess.run(
        [sys.executable, "-c", code, "run", "source", "target"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in ended.stderr
    assert ended.stderr == ("" if ended.returncode < 0 and importing else "error: stopped by signal\n")
