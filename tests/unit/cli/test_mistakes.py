"""Tests mistakes of a user: the message has the mistake, its place and the next command.

They are found without the engine, and nothing is changed.
"""

import pytest

PROJECT = """\
version: 1
sources: {faker: {image: a/b:1}, ledger: {image: a/c:1}}
targets: {lake: {image: a/d:1}, lines: {image: a/e:1}}
pipelines: {shop: {source: faker, target: lake}, copy: {source: ledger, target: lines}}
environments: {large: {sources: {ledger: {config: {rows: 8}}}}}
"""
HEAD = "version: 1\nsources: {ledger: {image: a/b:1, config: {rows: 5, token: x}}}\n"
LINES = "targets: {lines: {image: 'tapdock/target-jsonl:0.1.4'%s}}\n"

# the command line, the project file (None: PROJECT), parts of stderr
MISTAKES = {
    "unknown pipeline": ("run shpo", None, ["`shpo`", "`shop`"]),
    "unknown target": ("run ledger lines2", None, ["`lines2` is not a target", "`lines`"]),
    "target without a source": ("run lake", None, ["must follow a source"]),
    "source without a target": ("run ledger", None, ["must be followed by a target", "lake"]),
    "unknown command": ("rum shop", None, ["`rum`", "`run`"]),
    "unknown connector": ("check fakr", None, ["`fakr`", "`faker`"]),
    "unknown environment": ("run copy --environment lrge", None, ["`lrge`", "`large`"]),
    "malformed YAML": ("run copy", "version: 1\nsources: {ledger: [\n", ["tapdock.yaml", "line 3"]),
    "no version": ("run copy", "sources: {}\n", ["version: 1"]),
    "unknown key": ("run copy", HEAD + LINES % ", confg: {}", ["targets.lines.confg", "config"]),
}


@pytest.fixture
def shop(folder, tapdock):
    """shop(*words, project) -> the result of a command on a machine without an engine."""

    def ended(*words, project=None):
        (folder / "tapdock.yaml").write_text(project or PROJECT)
        return tapdock(*words, DOCKER_HOST="unix:///nowhere/docker.sock")

    return ended


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_and_nothing_happens(shop, folder, mistake):
    line, project, said = MISTAKES[mistake]
    ended = shop(*line.split(), project=project)
    assert ended.returncode == 2, ended.stderr
    assert [words for words in said if words not in ended.stderr] == [], ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list((folder / ".tapdock").glob("state/*"))
    assert not list((folder / ".tapdock").glob("runs/*"))


def test_a_project_that_is_not_there(shop, folder):
    (folder / "empty").mkdir()
    ended = shop("--project", str(folder / "empty"), "run", "shop")
    assert (ended.returncode, "tapdock.yaml" in ended.stderr) == (2, True)
