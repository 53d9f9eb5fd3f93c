"""Tests the parts of the recipes that start programs: the shims for older packages, and the check of the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapdock.connectors.images import images_folder

FAMILIES = ["singer", "airbyte-python"]
FOLDERS = [images_folder() / family for family in FAMILIES]


@pytest.mark.parametrize("name", ["tapdock_shims.py", "starts.sh"])
def test_both_recipes_have_the_same_part(name):
    texts = {(folder / name).read_text() for folder in FOLDERS}
    assert len(texts) == 1


def _shimmed(program: str) -> str:
    """Return what a program prints that starts with the shims, or the last line of its error."""
    environ = {**os.environ, "PYTHONPATH": str(FOLDERS[0]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", f"import tapdock_shims\n{program}"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    return (done.stdout or done.stderr.splitlines()[-1]).strip()


DATACLASS = """
from dataclasses import dataclass, field
@dataclass
class Decoder:
    size: int = 1
class Child(Decoder): pass
@dataclass
class Holder:
    one: Decoder = Decoder(2)
    two: Child = Child(3)
print(Holder().one.size, Holder().two.size, Decoder.__hash__, "__hash__" in vars(Child))
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import collections; print(issubclass(dict, collections.MutableMapping))", "True"),
        (DATACLASS, "2 3 None False"),
    ],
)
def test_a_package_for_an_older_python_starts(program, said):
    assert _shimmed(program) == said


@pytest.mark.parametrize("default", ["[]", "field(default={})", "set()", "bytearray()"])
def test_dataclasses_still_refuse_plain_defaults_that_change(default):
    program = (
        f"from dataclasses import dataclass, field\n@dataclass\nclass X:\n    x: object = {default}\nprint('made')"
    )
    assert "ValueError: mutable default" in _shimmed(program)


def _starts(tmp_path: Path, program: str) -> "subprocess.CompletedProcess[str]":
    """Run the check of the start on a program, which is in the folder of this test instead of the image's."""
    run = tmp_path / "run"
    run.write_text(f"#!/bin/sh\n{program}\n")
    run.chmod(0o755)
    script = (FOLDERS[0] / "starts.sh").read_text()
    script = script.replace("/opt/connector/run", str(run)).replace("/tmp/said", str(tmp_path / "said"))
    environ = {**os.environ, "PACKAGE": "tap-x==1"}
    return subprocess.run(
        ["sh", "-c", script, "starts.sh", "--help", "--about"], env=environ, capture_output=True, text=True
    )


TRACEBACK = "echo 'Traceback (most recent call last):' >&2; echo 'ImportError: no module x' >&2; exit 1"


@pytest.mark.parametrize(
    "program",
    [
        "exit 0",
        '[ "$1" = --about ]',
        "echo 'usage: tap-x --config CONFIG' >&2; exit 2",
        f'[ "$1" = --about ] || {{ {TRACEBACK}; }}',
    ],
)
def test_a_program_that_starts(tmp_path, program):
    done = _starts(tmp_path, program)
    assert done.returncode == 0, done.stderr


def test_a_program_that_cannot_start_fails_the_build_with_its_reason(tmp_path):
    done = _starts(tmp_path, TRACEBACK)
    assert done.returncode == 1
    assert "error: tap-x==1 was installed, but its program does not start: ImportError: no module x" in done.stderr
    assert "hint: add other releases" in done.stderr


def test_a_program_that_is_killed_without_a_word_does_not_start(tmp_path):
    assert _starts(tmp_path, "kill -9 $$").returncode == 1
