"""Tests that the reference of the command line is that of the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_the_commands():
    ended = subprocess.run([sys.executable, ROOT / "scripts" / "commands", "--check"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
