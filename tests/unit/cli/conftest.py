"""Fixtures for a project in its own folder, and the command line in it."""

import io
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tapdock.cli import main
from tapdock.relay import host
from tapdock.relay.plan import decode_plan
from tapdock.runs import execute
from tapdock.state.backends.file import FileBackend

PROJECT = """\
version: 1
sources: {faker: {image: x, config: {count: 5, token: "${TOKEN}", password: hunter22}}}
targets: {lake: {image: y, mounts: ["./data:/data:ro"]}}
pipelines: {demo: {source: faker, target: lake}}
environments: {prod: {sources: {faker: {config: {count: 9}}}}}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    return tmp_path


@pytest.fixture
def backend(folder) -> FileBackend:
    return FileBackend(folder / ".tapdock" / "state")


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def plans_fit_on_a_line(monkeypatch):
    """A relay in a container gets its plan as JSON. So each plan of these tests must be the same after that."""

    def perform(engine, plan, *rest, **more):
        assert decode_plan(msgspec.json.encode(plan)) == plan
        return host.perform(engine, plan, *rest, **more)

    monkeypatch.setattr(execute, "perform", perform)


@pytest.fixture
def tapdock(folder, capsys, monkeypatch):
    """tapdock(*words, stdin="") -> the result of the command, called in the project's folder."""
    monkeypatch.chdir(folder)

    def ended(*words: str, stdin: str = "", **environ: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environ.items():
                patch.setenv(name, value)
            code = main(words)
        return Ended(code, *capsys.readouterr())

    return ended
