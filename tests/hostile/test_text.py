"""Tests attacks by text: the output of a connector is harmless and has no secrets, in every display and every file."""

import json

import pytest

from hostile import attacker
from hostile.conftest import one_place, peak

pytestmark = pytest.mark.docker
SECRET = 'p&ss/w<rd+ünï"codé=1234'
FRESH = "fr3sh-t0ken-of-a-near-miss"


def everything(project, ended) -> str:
    kept = [path for path in project.private.rglob("*") if path.is_file() and "state" not in path.parts]
    return ended.stdout + ended.stderr + "".join(path.read_text("utf-8", "replace") for path in kept)


@one_place
def test_secrets_in_every_form(attacked):
    project = attacked(source=["secrets", "records 1", "state"], token="${HOSTILE_SECRET}")
    project.environ = {"HOSTILE_SECRET": SECRET}
    ended = project.run()
    assert ended.code == 0, ended.stderr
    found = everything(project, ended)
    assert "a message with [secret]" in found
    for form in attacker.forms(SECRET):
        plain = form.replace("\x1b[31m", "").replace("\x00", "")
        assert plain not in found, form
        assert json.dumps(plain)[1:-1] not in found, form


@one_place
def test_lines_that_almost_are_control_messages(attacked):
    project = attacked(source=["records 1", "near", "state"], fresh=FRESH[::-1])
    ended = project.run()
    found = everything(project, ended)
    assert FRESH[::-1] not in found.replace(json.dumps(project.source), ""), "a token that nobody knows yet"


@one_place
def test_text_that_a_terminal_or_a_ci_would_obey(attacked):
    project = attacked(source=["commands", "records 1", "state"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    logs = project.run("runs", "logs", "latest")
    for text in (ended.stderr, ended.stdout, logs.stdout, logs.stderr):
        assert not any(each in text for each in ("\x1b", "\u202e", "##vso["))
        assert not any(line.startswith("::") for line in text.splitlines())


@pytest.mark.slow
def test_a_line_longer_than_memory_should_hold(attacked, next_run):
    project = attacked(source=["records 1", "state", f"long {500 << 20}"])
    ended = project.run()
    assert ended.code == 5, ended.stderr
    assert "of stream `users` is longer than the limit of 64 MiB" in ended.message
    assert "max_line" in ended.hint
    assert peak(ended) < 400 << 20
    next_run()


@pytest.mark.slow
def test_a_long_line_that_is_legal(attacked):
    project = attacked(source=[f"long {60 << 20}", "state"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == {1}
    assert peak(ended) < 600 << 20


@pytest.mark.slow
def test_an_answer_longer_than_memory_should_hold(attacked):
    project = attacked()
    project.source["discover_attacks"] = [f"long {500 << 20}"]
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source"), ended.stderr
    assert "longer than 64 MiB" in ended.message
    assert peak(ended) < 400 << 20


@pytest.mark.slow
def test_a_target_that_prints_without_end(attacked):
    project = attacked(source=["records 1", "state"], target=[f"long {500 << 20}"])
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target"), ended.stderr
    assert peak(ended) < 400 << 20
