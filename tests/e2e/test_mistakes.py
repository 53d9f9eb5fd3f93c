"""Tests mistakes of a user that only the engine or a connector finds. tests/unit/cli/test_mistakes.py has the others.

The message has the mistake, its place and the next command. Nothing is started or changed.
"""

import pytest

pytestmark = pytest.mark.docker
HEAD = "version: 1\nsources: {ledger: {image: '${LEDGER_IMAGE}', config: {rows: 5, token: x}}}\n"
LINES = "targets: {lines: {image: 'tapdock/target-jsonl:0.1.4'%s}}\n"

# the command line, the project file (None: unchanged), the exit code, a part of stderr
MISTAKES = {
    "unknown stream": ("run copy --select entires.*", None, 2, ["entires", "entries"]),
    "unknown field": ("run copy --select entries.nite", None, 2, ["nite", "note"]),
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
