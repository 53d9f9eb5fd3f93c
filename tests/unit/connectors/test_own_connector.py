"""Runs the example of the page about connectors of one's own, with the commands as written there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "runner" / "guides" / "own-connector.md"


@pytest.fixture
def example(tmp_path):
    """Write the page's files, and return a function that runs a shell script there."""
    for name, text in re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(text)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tapdock").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tapdock "$@"\n')
    (programs / "tapdock").chmod(0o755)
    environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=environ, capture_output=True, text=True)

    run.folder = tmp_path
    return run


@pytest.mark.long
def test_the_programs_of_the_page_run_as_it_says(example):
    (commands,) = (
        text
        for text in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        if "run try" in text
    )
    ended = example(commands)
    assert ended.returncode == 0, ended.stderr
    rows = example.folder / "users.jsonl"
    assert [json.loads(row)["id"] for row in rows.read_text().splitlines()] == [1, 2, 3]
    again = example(f"{commands}\ntapdock runs logs latest")
    assert again.returncode == 0, again.stderr
    assert len(rows.read_text().splitlines()) == 3, "a second run reads nothing"
    example(f"{commands.rstrip()} --full-refresh")
    assert len(rows.read_text().splitlines()) == 6
