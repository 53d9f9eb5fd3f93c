"""Tests the messages of engines about a missing folder, and how long each answer is cached."""

import os
import time
from pathlib import Path

import docker.errors
import pytest

from tapdock.cache import Cache
from tapdock.engines.docker import handshake
from tapdock.engines.docker.engine import DockerEngine
from tapdock.engines.docker.handshake import NO_SECONDS, Answers
from tapdock.errors import UsageError
from tapdock.launch import Launch
from tapdock.project.connector_values import Mount
from tapdock.runs import doctor


class Refusing:
    """An engine that creates no container."""

    def __init__(self, words: str) -> None:
        self._words = words

    def create_host_config(self, **_: object) -> dict[str, object]:
        return {}

    def create_container(self, *_: object, **__: object) -> None:
        raise docker.errors.APIError(self._words)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ('invalid mount config for type "bind": bind source path does not exist: /tmp/x', False),  # Docker
        ("container create: statfs /tmp/x: no such file or directory", False),  # Podman
        ("No such image: probe", None),  # does not mention folders
    ],
)
def test_a_folder_that_the_engine_does_not_have(tmp_path, words, answer):
    assert handshake.has_folder(Refusing(words), "probe", tmp_path, owner="me") is answer
    assert handshake.has_pipes(Refusing(words), "probe", tmp_path, source="/tmp/x", owner="me") is answer
    assert [path.name for path in tmp_path.iterdir()] == ["probe"], "the pipe that was tried; its folder goes with it"


class Asked:
    """A test that always returns the same answer, and counts its calls."""

    def __init__(self, answer: bool | None) -> None:
        self.times = 0
        self._answer = answer

    def __call__(self) -> bool | None:
        self.times += 1
        return self._answer


@pytest.mark.parametrize(("answer", "times"), [(True, 1), (False, 2), (None, 3)])
def test_how_long_an_answer_is_believed(tmp_path, answer, times):
    """A "no" is cached for an hour, a "yes" as long as the cache exists, and an unknown answer is not cached."""
    asked = Asked(answer)
    for later in (0, NO_SECONDS - 60, NO_SECONDS + 60):
        answers = Answers(cache=Cache(tmp_path / "cache"), engine=("a",), now=lambda later=later: time.time() + later)
        assert answers.of("pipes in /tmp/\udcff", asked) is answer
    assert asked.times == times


@pytest.mark.parametrize(("answer", "times"), [(True, 1), (False, 2)])
def test_an_answer_that_is_dated_in_the_future(tmp_path, answer, times):
    """A "no" whose age is unknown may be older than an hour; a "yes" has no age."""
    asked = Asked(answer)
    answers = Answers(cache=Cache(tmp_path / "cache"), engine=("a",))
    assert answers.of("pipes in /tmp", asked) is answer
    (file,) = (tmp_path / "cache").iterdir()
    os.utime(file, (time.time(), time.time() + 30 * 24 * 3600))
    assert answers.of("pipes in /tmp", asked) is answer
    assert asked.times == times
    assert answers.of("pipes in /tmp", asked) is answer
    assert asked.times == times, "the new answer has the right date"


def test_what_an_engine_does_not_have_is_forgotten_by_name(tmp_path):
    mine, other = (Answers(cache=Cache(tmp_path), engine=(name,)) for name in ("mine", "other"))
    no, yes = Asked(False), Asked(True)
    for answers in (mine, other):
        answers.of("pipes in /tmp", no)
        answers.of("the folder /data", yes)
    assert mine.forget() == ("pipes in /tmp",)
    assert mine.forget() == ()
    mine.of("pipes in /tmp", no)
    mine.of("the folder /data", yes)
    other.of("pipes in /tmp", no)
    assert (no.times, yes.times) == (3, 2)


@pytest.mark.parametrize("content", [b"", b"no", b"perhaps\nthe folder", b"\xff"])
def test_a_damaged_answer_is_none(tmp_path, content):
    answers, asked = Answers(cache=Cache(tmp_path), engine=()), Asked(True)
    answers.of("x", Asked(False))
    next(tmp_path.glob("shares-*")).write_bytes(content)
    assert answers.forget() == ()
    assert answers.of("x", asked) is True
    assert asked.times == 1


def test_a_cache_that_cannot_be_written_costs_a_try_only(tmp_path):
    (tmp_path / "cache").write_text("")
    answers, asked = Answers(cache=Cache(tmp_path / "cache"), engine=()), Asked(False)
    assert [answers.of("x", asked), answers.of("x", asked)] == [False, False]
    assert asked.times == 2


class Elsewhere(Refusing):
    """An engine on another machine."""

    base_url = "tcp://elsewhere"

    def info(self) -> dict[str, object]:
        return {"ID": "i", "Name": "n", "DockerRootDir": "/d", "MemoryLimit": True}

    def version(self) -> dict[str, object]:
        return {"Version": "1"}

    def inspect_container(self, name: str) -> None:
        raise docker.errors.NotFound(name)

    def containers(self, **_: object) -> list[object]:
        return []

    networks = containers

    def volumes(self, **_: object) -> dict[str, object]:
        return {"Volumes": []}


def test_doctor_names_what_is_remembered_and_forgets_it(tmp_path):
    api = Elsewhere('invalid mount config for type "bind": bind source path does not exist')
    engine = DockerEngine(api, address=api.base_url, cache=tmp_path / "cache", relay="auto", homes=())
    (tmp_path / "data").mkdir()
    launch = Launch(role="target", image="x", entrypoint=(), mounts=(Mount(str(tmp_path / "data"), "/data"),))
    with pytest.raises(UsageError, match="does not have the folder"):
        engine.placed(launch)
    found = [finding for finding in doctor.of_engine(engine, now=0.0) if finding.what == "shared folders"]
    assert len(found) == 2
    assert found[1].found.endswith(f"could not use the folder {tmp_path}/data")
    assert "the next run tries again" in found[1].fix
    assert list(Path(tmp_path / "cache").iterdir()) == []
    assert not [finding for finding in doctor.of_engine(engine, now=0.0) if finding.what == "shared folders"]
