"""Tests mistakes of a user: the message has the mistake, its place and the next command.

Nothing is started or changed.
"""

import pytest

pytestmark = pytest.mark.docker
HEAD = "version: 1\nsources: {ledger: {image: '${LEDGER_IMAGE}', config: {rows: 5, token: x}}}\n"
LINES = "targets: {lines: {image: 'tapdock/target-jsonl:0.1.4'%s}}\n"

# the command line, the project file (None: unchanged), the exit code, a part of stderr
MISTAKES = {
    "unknown pipeline": ("run shpo", None, 2, ["`shpo`", "`shop`"]),
    "unknown target": ("run ledger lines2", None, 2, ["`lines2` is not a target", "`lines`"]),
    "target without a source": ("run lake", None, 2, ["must follow a source"]),
    "source without a target": ("run ledger", None, 2, ["must be followed by a target", "lake"]),
    "unknown command": ("rum shop", None, 2, ["`rum`", "`run`"]),
    "unknown connector": ("check fakr", None, 2, ["`fakr`", "`faker`"]),
    "unknown stream": ("run copy --select entires.*", None, 2, ["entires", "entries"]),
    "unknown field": ("run copy --select entries.nite", None, 2, ["nite", "note"]),
    "unknown environment": ("run copy --environment lrge", None, 2, ["`lrge`", "`large`"]),
    "malformed YAML": ("run copy", "version: 1\nsources: {ledger: [\n", 2, ["tapdock.yaml", "line 3"]),
    "no version": ("run copy", "sources: {}\n", 2, ["version: 1"]),
    "unknown key": ("run copy", HEAD + LINES % ", confg: {}", 2, ["targets.lines.confg", "config"]),
    "missing variable": ("run ledger lines", HEAD + LINES % ", config: {a: '${NOT_SET}'}", 2, ["NOT_SET"]),
    "no such image": (
        "run ledger lines",
        HEAD + LINES.replace("0.1.4", "none") % ", pull: never",
        8,
        ["tapdock.yaml:3: `targets.lines.image`: ", "tapdock/target-jsonl:none", "docker pull"],
    ),
    "no such network": (
        "check lines",
        HEAD + LINES % ", network: shpo",
        8,
        ["tapdock.yaml:3: `targets.lines.network`: there is no network `shpo`", "docker network create shpo"],
    ),
    "no such program": ("run ledger lines", HEAD + LINES % ", entrypoint: nothing-here", 8, ["nothing-here"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_and_nothing_happens(shop, mistake):
    line, project, code, said = MISTAKES[mistake]
    if project is not None:
        shop.write(project)
    ended = shop(*line.split())
    assert ended.code == code, ended.stderr
    assert [words for words in said if words not in ended.stderr] == [], ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (shop.folder / "lines").exists()
    assert not list((shop.folder / ".tapdock").glob("state/*"))


def test_a_project_that_is_not_there(shop, tmp_path):
    ended = shop("--project", str(tmp_path), "run", "shop")
    assert (ended.code, "tapdock.yaml" in ended.stderr) == (2, True)


@pytest.mark.slow
def test_a_wrong_program_in_an_image_that_is_known_already(shop):
    """The cached answers of the image are those of its own program, and must not be used for another."""
    lines = LINES % ", config: {destination_path: /data}, mounts: ['./lines:/data']"
    shop.write(HEAD + lines)
    shop.well("run", "ledger", "lines")
    state = shop.well("state", "get", "ledger-to-lines").stdout
    shop.write(HEAD.replace("image:", "entrypoint: nothing-here, image:") + lines)
    ended = shop("run", "ledger", "lines")
    assert (ended.code, "nothing-here" in ended.stderr) == (8, True), ended.stderr
    assert shop.well("state", "get", "ledger-to-lines").stdout == state
