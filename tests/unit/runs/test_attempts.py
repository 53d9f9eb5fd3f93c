"""Tests how the record of a run describes its failure."""

import itertools
import warnings
from pathlib import Path

import msgspec
import pytest

from tapdock.connectors.context import Context
from tapdock.connectors.images import making
from tapdock.engines.local import LocalEngine
from tapdock.errors import EngineError
from tapdock.launch import ImageFacts
from tapdock.log import Log
from tapdock.project.load import load
from tapdock.project.model import Pipeline
from tapdock.relay.signals import Signals
from tapdock.runs import attempts
from tapdock.runs.options import Options
from tapdock.state.backends.file import FileBackend

PROJECT = """\
version: 1
state_backend: {uri: "mssql://me:st4te-pw@h/d?password=qu3ry-pw"}
sources: {s: {build: {singer: "tap-s==1.0"}, config: {password: c0nfig-pw}}}
targets: {t: {image: y}}
"""
SECRETS = ("st4te-pw", "qu3ry-pw", "c0nfig-pw", "ind3x-pw")


class Refusing(LocalEngine):
    """An engine whose error quotes everything that it was given."""

    def inspect(self, image: str) -> ImageFacts | None:
        del image
        quoted = "\\x1b[1m".join(SECRETS)
        raise EngineError(f"cannot be had:\n::error::{quoted}", hint=f"##[x] {quoted}")


class Addressed(FileBackend):
    @property
    def uri(self) -> str:
        return "mssql://me:st4te-pw@h/d?password=qu3ry-pw"


@pytest.fixture
def context(tmp_path) -> Context:
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    said: list[str] = []
    return Context(
        engine=Refusing(),
        project=load(tmp_path / "tapdock.yaml", environment=None, environ={}),
        backend=Addressed(tmp_path / "states"),
        relay_image=lambda: "",
        making=making({"PIP_INDEX_URL": "https://me:ind3x-pw@index/simple"}),
        progress=said.append,
        log=said.append,
        signals=Signals(said.append),
        now=lambda: 1795346553.0,
    )


def test_a_failure_is_harmless_and_has_no_secret(context):
    wanted = Pipeline(name="p", source="s", target="t")
    done = attempts.run(context, wanted, Options(), make_log=lambda run_id, _: Log(run_id), show=lambda _: None)
    assert done.error
    for text in (done.error.message, done.error.hint):
        assert not [secret for secret in SECRETS if secret in text]
        assert text.count("[secret]") == len(SECRETS)
        assert not any(word in text for word in ("\x1b", "\n::", "##["))
    assert done.state.backend == "mssql://me:[secret]@h/d?password=[secret]"
    kept = next(Path(context.project.private).glob("runs/*/record.json")).read_text()
    assert not [secret for secret in SECRETS if secret in kept]


def test_progress_has_no_secret_of_what_is_built(context):
    said: list[str] = []
    msgspec.structs.replace(context, progress=said.append).say("fetching https://me:ind3x-pw@index/simple")
    assert said == ["fetching https://[secret]@index/simple"]


class Waits(Signals):
    """Signals that record how long a run would have slept."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Unreachable(LocalEngine):
    def inspect(self, image: str) -> ImageFacts | None:
        raise EngineError("no answer", retryable=True)


def test_a_run_is_retried_after_five_seconds_at_first_and_five_minutes_at_most(context):
    waits = Waits()
    context = msgspec.structs.replace(context, engine=Unreachable(), signals=waits)
    wanted = Pipeline(name="p", source="s", target="t", retries=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attempts.run(context, wanted, Options(), make_log=lambda run_id, _: Log(run_id), show=lambda _: None)
    expected = [5, 10, 20, 40, 80, 160, 299, 299]
    assert len(waits.seconds) == len(expected)
    assert all(least <= wait <= least + 1 for least, wait in zip(expected, waits.seconds, strict=True))
    assert len(set(waits.seconds[-2:])) == 2, "two runs that failed together do not begin together again"


def test_all_attempts_have_the_time_of_the_first_and_run_ids_of_their_own(context, monkeypatch):
    """The values of `${NOW}` and `${RUN_ID}`."""
    seen: list[Options] = []

    def prepared(_context, _wanted, options):
        seen.append(options)
        raise EngineError("no answer", retryable=True)

    monkeypatch.setattr(attempts, "prepare", prepared)
    times = itertools.count(1795346553)
    context = msgspec.structs.replace(context, signals=Waits(), now=lambda: float(next(times)))
    wanted = Pipeline(name="p", source="s", target="t", retries=2)
    last = attempts.run(context, wanted, Options(), make_log=lambda run_id, _: Log(run_id), show=lambda _: None)
    assert {options.began for options in seen} == {1795346553.0}
    assert len({options.run_id for options in seen}) == 3
    assert seen[-1].run_id == last.run_id
