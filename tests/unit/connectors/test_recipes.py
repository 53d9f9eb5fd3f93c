"""Tests the parts of the recipes that find and start programs: shims for older packages, the check of the start."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tapdock.connectors.images import images_folder

pytestmark = pytest.mark.long

FAMILIES = ["singer", "airbyte-python"]
FOLDERS = [images_folder() / family for family in FAMILIES]


@pytest.mark.parametrize("name", ["install.sh", "program.py", "tapdock_shims.py", "starts.sh"])
def test_recipes_have_the_same_part(name):
    """A recipe cannot copy a file from outside of its folder. That of tasks finds its program in another way."""
    task = [images_folder() / "python"] if name in ("install.sh", "tapdock_shims.py") else []
    texts = {(folder / name).read_text() for folder in (*FOLDERS, *task)}
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
    assert "hint: change what is installed with `with`" in done.stderr


def test_a_program_that_is_killed_without_a_word_does_not_start(tmp_path):
    assert _starts(tmp_path, "kill -9 $$").returncode == 1


PROGRAM = runpy.run_path(str(FOLDERS[0] / "program.py"))
"""Without bytecode: the folder is an input of a recipe."""


@pytest.mark.parametrize(
    ("package", "given", "own", "present", "name"),
    [
        ("airbyte-source-x", "", ["source-x"], ["source-x", "source-declarative-manifest"], "source-x"),
        ("airbyte-source-x", "", ["source-other"], ["source-other", "source-declarative-manifest"], "source-other"),
        ("airbyte-source-x", "", ["source-a", "source-x"], ["source-a", "source-x"], "source-x"),
        ("airbyte-source-x", "", ["source-a", "source-b"], ["source-a", "source-b"], "source-x"),
        ("airbyte-source-x", "source-b", ["source-a"], ["source-a", "source-b"], "source-b"),
        ("meltanolabs-tap-x", "", ["tap-x"], ["tap-x"], "tap-x"),
        ("tap-x", "", [], ["tap-x", "tap-y"], "tap-x"),
        ("numbers", "", [], ["numbers", "pip"], "numbers"),
        ("numbers", "", [], ["numbers", "source-declarative-manifest"], "numbers"),
        ("my-tap", "", [], ["my-tap", "tap-x"], "my-tap"),
        ("", "", [], ["tap-x"], "tap-x"),
    ],
)
def test_which_program_is_started(package, given, own, present, name):
    """A name that is not present is refused with the names that are: see below."""
    others = [each for each in present if each.startswith(("source-", "tap-"))]
    assert PROGRAM["chosen"](package, given, own, others, present) == name


def test_programs_of_a_package_are_those_that_it_declares():
    declared = [SimpleNamespace(group="console_scripts", name=name) for name in ("source-x", "x-tool", "destination-x")]
    other = SimpleNamespace(group="pytest11", name="source-plugin")
    package = SimpleNamespace(entry_points=[*declared, other], files=[])
    assert PROGRAM["scripts"](package, ["source-*", "destination-*"]) == ["destination-x", "source-x"]
    old = SimpleNamespace(entry_points=[], files=["../../../bin/tap-old", "tap_old/tap-data"])
    assert PROGRAM["scripts"](old, ["tap-*", "target-*"]) == ["tap-old"]
    assert PROGRAM["scripts"](None, ["tap-*"]) == []


def _programs(tmp_path: Path, *names: str, **environ: str) -> str:
    """Return the script that starts the program of a package that is not installed, or the message of the refusal."""
    (tmp_path / "bin").mkdir()
    for name in names:
        (tmp_path / "bin" / name).touch(0o755)
    try:
        PROGRAM["main"]({"PROGRAMS": "source-* destination-*", **environ}, tmp_path)
    except PROGRAM["Refused"] as refused:
        return str(refused.args[0])
    return (tmp_path / "run").read_text()


def test_the_only_program_is_started_where_the_package_has_no_name(tmp_path):
    started = _programs(tmp_path, "source-x", "python3", PACKAGE="git+https://git.example/x.git")
    assert f"exec {tmp_path}/bin/source-x " in started


def test_a_program_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    said = _programs(tmp_path, "source-a", "source-b", "python3", PACKAGE="airbyte-source-x==1.0")
    assert (
        said
        == "airbyte-source-x==1.0 has no program `source-x`; source-* and destination-* that it has: source-a source-b"
    )


def test_a_program_with_another_name_than_a_program_is_refused(tmp_path):
    assert "is not the name of a program" in _programs(tmp_path, PACKAGE="airbyte-source-x", EXECUTABLE="../x")


def _installed(tmp_path: Path, uv: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the script that installs, with a stub of uv. Folders of the image are in the folder of this test."""
    script = (FOLDERS[0] / "install.sh").read_text().replace("/tmp/", f"{tmp_path}/").replace("/opt/", f"{tmp_path}/")
    stub = tmp_path / "uv" / "bin" / "uv"
    stub.parent.mkdir(parents=True)
    stub.write_text(f"#!/bin/sh\n{uv}\n")
    stub.chmod(0o755)
    variables = {**os.environ, "PACKAGE": "tap-x==1", "PROGRAMS": "tap-*", **environ}
    return subprocess.run(["sh", "-c", script], env=variables, capture_output=True, text=True)


UV_FAILS = r"""
[ "$2" = venv ] || {
  printf "  x No solution found:\n\n    Because a==1 needs b==2\n    hint: no b\n" >&2
  exit 1
}
"""


def test_the_reason_of_a_failed_installation_is_all_that_the_installer_reported(tmp_path):
    done = _installed(tmp_path, UV_FAILS)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: tap-x==1 cannot be installed:",
        "error:   x No solution found:",
        "error:     Because a==1 needs b==2",
        "error:     hint: no b",
        "hint: change what is installed with `overrides`, `constraints` or `before` under `build`",
    ]


@pytest.mark.parametrize(
    ("said", "key"),
    [("The build backend returned an error", "`apt`"), ("the current Python version (3.11.2)", "`python`")],
)
def test_the_hint_names_the_key_for_the_reason(tmp_path, said, key):
    done = _installed(tmp_path, f'[ "$2" = venv ] || {{ echo "{said}" >&2; exit 1; }}')
    assert key in done.stderr.splitlines()[-1]


def test_the_installer_gets_every_key(tmp_path):
    """Lists have one requirement on each line, after those that tapdock has for the package."""
    (tmp_path / "overrides").mkdir()
    (tmp_path / "overrides" / "tap-x.txt").write_text("# why\nours<1\n")
    lists = {"WITH": 'six; python_version < "4"\nlxml', "CONSTRAINTS": "a<2", "OVERRIDES": "b==1"}
    _installed(
        tmp_path, f'echo "$UV_EXCLUDE_NEWER $@" >>{tmp_path}/calls; [ "$2" = venv ]', BEFORE="2024-06-30", **lists
    )
    _, call = (tmp_path / "calls").read_text().splitlines()
    options = f"--constraint {tmp_path}/constraints --override {tmp_path}/overrides.txt"
    assert call.startswith(
        f"2024-06-30T00:00:00Z --quiet pip install --python {tmp_path}/connector {options} tap-x==1 "
    )
    assert (tmp_path / "with").read_text().split("\n") == ['six; python_version < "4"', "lxml", ""]
    assert (tmp_path / "overrides.txt").read_text() == "# why\nours<1\nb==1\n"


@pytest.mark.parametrize("wanted", ["", "{version[0]}.{version[1]}", "{version[0]}.{version[1]}.{version[2]}"])
def test_a_base_image_with_the_version_of_python(tmp_path, wanted):
    done = _installed(tmp_path, UV_FAILS, PYTHON=wanted.format(version=_python()))
    assert "the base image has Python" not in done.stderr


@pytest.mark.parametrize("wanted", ["3.1", "3.8", "3.8.1"])
def test_a_base_image_with_another_version_of_python_is_refused(tmp_path, wanted):
    done = _installed(tmp_path, UV_FAILS, PYTHON=wanted)
    assert f"error: `python` under `build` is {wanted}, but the base image has Python" in done.stderr
    assert "hint: set TAPDOCK_BASE_IMAGE" in done.stderr


def _python() -> list[str]:
    command = ["python3", "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split(".")
