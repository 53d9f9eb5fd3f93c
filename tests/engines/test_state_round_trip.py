"""Tests that a state can be printed, edited and set, for each protocol and target: the next run resumes from it."""

import json
import shutil

import pytest

from engines.places import local_only
from engines.project import STATE_ID

pytestmark = local_only
SOURCES = [("source", "STREAM"), ("source", "GLOBAL"), ("source", "LEGACY"), ("tap", "SINGER")]
# Destinations that are built like Airbyte's current ones do not acknowledge LEGACY states. Each kind of state is always
# tried with one of the targets.
ALWAYS = {("STREAM", "target"), ("GLOBAL", "destination"), ("LEGACY", "target"), ("SINGER", "target")}
EACH_ROUTE = [
    pytest.param(
        reads, states, writes, id=f"{states}-{writes}", marks=[pytest.mark.slow] * ((states, writes) not in ALWAYS)
    )
    for reads, states in SOURCES
    for writes in ("target", "destination")
    if (states, writes) != ("LEGACY", "destination")
]


def as_jq_prints(text: str) -> str:
    return json.dumps(json.loads(text), indent=2) + "\n"


def steps(project, *words: str) -> None:
    first = ["schema users"] if project.programs[0] == "tap" else []
    project.steps(*first, *words)


@pytest.fixture
def started(project, reads, states, writes):
    """Return a project after a run that has saved a state at record 20."""
    project.programs = (reads, writes)
    if reads == "source":
        project.source = {"states": states}
    steps(project, "until users 20", "state")
    first = project.run()
    assert first.code == 0, first.stderr
    return project


def records(project, *words: str) -> int:
    steps(project, *words)
    ended = project.run()
    assert ended.code == 0, ended.stderr
    return ended.record["streams"][0]["records"]


@pytest.mark.parametrize(("reads", "states", "writes"), EACH_ROUTE)
def test_a_state_that_was_printed_and_set_is_resumed(started):
    """The state is cleared in between: a LEGACY state is then still recognized, although its form is that of Singer."""
    printed = started.run("state", "get", STATE_ID).stdout
    (started.folder / "state.json").write_text(as_jq_prints(printed))
    for words in (("clear", STATE_ID, "--yes"), ("set", STATE_ID, "state.json")):
        ended = started.run("state", *words)
        assert ended.code == 0, ended.stderr
    assert records(started, "until users 25", "state") == 5
    assert records(started, "until users 26", "state") == 1


@pytest.mark.parametrize(("reads", "states", "writes"), [("tap", "SINGER", "target"), ("source", "STREAM", "target")])
def test_a_run_into_a_new_target_is_told(started):
    started.target_keys = {"mounts": ["./data:/data"]}
    new = f"`target` looks new: there is no file in {started.data}, but this run resumes from the state `{STATE_ID}`"
    steps(started, "until users 25", "state")
    assert new not in started.run().stderr
    shutil.rmtree(started.data)
    ended = started.run()
    assert (new in ended.stderr, "`tapdock run source target --full-refresh`" in ended.stderr) == (True, True)
    shutil.rmtree(started.data)
    assert new not in started.run("run", "source", "target", "--full-refresh").stderr


@pytest.mark.parametrize(("reads", "states", "writes"), EACH_ROUTE)
def test_a_run_into_another_database_is_told(started):
    """The state covers rows of the first database. It is also told after the state was set by hand."""
    new = "`target` looks new: `config.database` has changed since the state was saved"
    started.target = {"database": "shop"}
    steps(started, "until users 25", "state")
    started.run()
    assert new not in started.run().stderr
    (started.folder / "state.json").write_text(started.run("state", "get", STATE_ID).stdout)
    assert started.run("state", "set", STATE_ID, "state.json").code == 0
    started.target = {"database": "shop2"}
    assert f"{new}, but there is a state `{STATE_ID}`" in " ".join(started.run("doctor").stdout.split())
    ended = started.run()
    assert f"{new}, but this run resumes from the state `{STATE_ID}`" in ended.stderr
    assert "`tapdock run source target --full-refresh`" in ended.stderr
    assert new not in started.run().stderr
