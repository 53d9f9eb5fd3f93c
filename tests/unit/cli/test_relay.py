"""Tests `tapdock relay` without a valid plan."""

import subprocess
import sys

import pytest

from tapdock.cli import main

pytestmark = pytest.mark.long

RELAY = [sys.executable, "-m", "tapdock", "relay"]


def told(folder, given: bytes | None, *words: str) -> tuple[int, str]:
    ended = subprocess.run([*RELAY, *words, str(folder)], input=given, capture_output=True, check=False)
    assert ended.stdout == b""
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "stdin does not contain a plan: it ended, or its first line is empty"),
        (b"\n", "stdin does not contain a plan"),
        (b'{"type": "plan"', "stdin does not contain a plan"),
        (b"hello\n", "the first line of stdin is not a plan: JSON is malformed"),
        (b'{"type":"plan"}\n', "the first line of stdin is not a plan: Object missing required field `run_id`"),
        (b'{"type":"plan","run_id":"r","route":"x"}\n', "the first line of stdin is not a plan: there is no route `x`"),
        (b"[" * 100_000 + b"\n", "the first line of stdin is not a plan: "),
    ],
)
def test_what_is_on_stdin_is_reported(tmp_path, given, message):
    code, text = told(tmp_path, given)
    assert code == 2
    assert text.startswith(f"error: {message}")
    assert "hint: `tapdock run` starts this command where necessary" in text


def test_a_closed_stdin_has_no_plan(tmp_path):
    ended = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *RELAY, str(tmp_path)], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr[:23]) == (2, b"error: stdin does not c"[:23])


def test_a_file_that_is_no_plan(tmp_path):
    (tmp_path / "plan").write_text("")
    assert "/plan is empty" in told(tmp_path, b"", "--plan", f"{tmp_path}/plan")[1]
    for name in ("nothing", "."):
        code, text = told(tmp_path, b"", "--plan", f"{tmp_path}/{name}")
        assert (code, "cannot be read" in text) == (2, True)


def test_the_folder_of_the_pipes_is_there(tmp_path):
    code, text = told(tmp_path / "nothing", b'{"type":"collection","run_id":"r"}\n')
    assert (code, "is not a folder" in text) == (2, True)


@pytest.mark.parametrize("words", [("set", "demo"), ("import", "-", "demo", "--format", "airbyte")])
def test_a_state_is_not_read_from_a_closed_stdin(folder, monkeypatch, capsys, words):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["state", *words]) == 2
    assert "error: stdin is closed" in capsys.readouterr().err


def test_nobody_is_asked_on_a_closed_stdin(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["state", "clear", "demo"]) == 2
    assert "cannot ask for confirmation without a terminal" in capsys.readouterr().err


def test_bytes_that_are_not_unicode_are_refused_in_every_locale(folder):
    command = [sys.executable, "-m", "tapdock", "state", "set", "demo"]
    for locale in ("C", "C.UTF-8"):
        env = {"LC_ALL": locale, "PYTHONPATH": ":".join(sys.path)}
        ended = subprocess.run(command, cwd=folder, input=b'["\xff"]', env=env, capture_output=True, check=False)
        assert (ended.returncode, ended.stderr[:20]) == (2, b"error: cannot read -")
