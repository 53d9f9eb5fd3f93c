"""Tests mappers in the project file: their names and mappings, and blocks of a run with them."""

import re

import pytest

from tapdock.errors import UsageError
from tapdock.project.blocks import block_of, parse_blocks
from tapdock.project.load import load
from tapdock.project.mapping import mapper_of
from tapdock.project.named import mapper
from tapdock.project.secret import Secret
from tapdock.text.redaction import Redactor

FILE = """\
version: 1
sources: {tap: {image: a}}
mappers:
  plain: {image: m, memory: 64m, config: {x: 1}}
  between:
    image: m
    config: {x: 1, y: {a: 1, b: 2}, key: "${KEY}"}
    mappings:
      - {name: hide, config: {y: {c: 3}, key: "${OTHER}"}}
      - {name: "all"}
targets: {lake: {image: b}}
pipelines:
  nightly: {source: tap, mappers: hide, target: lake}
"""


def project(tmp_path, text: str = FILE, **environ: str):
    file = tmp_path / "tapdock.yaml"
    file.write_text(text)
    return load(file, environment=None, environ={"KEY": "k1", "OTHER": "k2", **environ})


def test_a_mapping_is_laid_over_the_config_of_its_mapper(tmp_path):
    """Each key replaces the one of the mapper, as in Meltano. A value from a variable is a secret."""
    loaded = project(tmp_path)
    hide = mapper_of("hide", loaded.mappers)
    assert (hide.name, hide.role) == ("between", "mapper")
    assert {**hide.config, "key": hide.config["key"].reveal()} == {"x": 1, "y": {"c": 3}, "key": "k2"}
    assert isinstance(hide.config["key"], Secret)
    assert mapper_of("all", loaded.mappers).config["y"] == {"a": 1, "b": 2}
    assert mapper_of("plain", loaded.mappers).memory == 64 << 20
    assert loaded.pipelines["nightly"].mappers == ("hide",)


def test_built_in_variables(tmp_path):
    text = FILE.replace("y: {c: 3}", 'y: "${SOURCE}-${TARGET}-${PIPELINE}"')
    loaded = project(tmp_path, text)
    found = mapper(loaded, loaded.pipelines["nightly"], now=0.0)
    assert found.config["y"] == "tap-lake-nightly"


def test_blocks(tmp_path):
    loaded = project(tmp_path)
    blocks = parse_blocks(loaded, ["tap", "hide", "lake", "nightly", "tap", "lake", "tap", "plain", "lake"])
    assert [(each.name, each.mappers) for each in blocks] == [
        ("tap-to-lake", ("hide",)),
        ("nightly", ("hide",)),
        ("tap-to-lake", ()),
        ("tap-to-lake", ("plain",)),
    ]
    named = [block_of(loaded, each) for each in blocks]
    assert named == ["tap hide lake", "nightly", "tap lake", "tap plain lake"], "for commands in hints"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["tap", "between", "lake"], "`tap` is followed by `between`, which is a mapper with mappings", "hide, all"),
        (["tap", "all", "hide", "lake"], "a run has at most one mapper, not `all`, `hide`", "one mapping"),
        (["hide", "lake"], "`hide` is a mapper, and must follow a source", "`tapdock run SOURCE hide TARGET`"),
        (["tap", "hid", "lake"], "`tap` is a source, and `hid` is not a target", "hide"),
        (["tap", "hide"], "`tap` is a source, and must be followed by a target", "targets: lake"),
    ],
)
def test_blocks_that_are_refused(tmp_path, words, message, hint):
    with pytest.raises(UsageError) as caught:
        parse_blocks(project(tmp_path), words)
    assert caught.value.message == message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "mappers: hide",
            "mappers: hid",
            r":13: `pipelines\.nightly\.mappers` names `hid`, but there is no such mapper",
        ),
        ("mappers: hide", "mappers: between", "names `between`, which is a mapper with mappings"),
        ("mappers: hide", "mappers: [hide, plain]", "names 2 mappers, but a run has at most one"),
        ('{name: "all"}', "{config: {}}", r":10: `mappers\.between\.mappings\.1` has no `name`"),
        ('{name: "all"}', "{name: hide}", "is `hide`, which another mapping of the list has, too"),
        ('{name: "all"}', "{name: tap}", r"`mappers\.between\.mappings\.1` has the same name as `sources\.tap`"),
        ('{name: "all"}', "{name: a b}", "is `a b`, not a valid name"),
        ('{name: "all"}', "{name: all, settings: {}}", "is not a known key"),
        ("plain: {image: m", "lake: {image: m", r"`targets\.lake` has the same name as `mappers\.lake`"),
        ("memory: 64m", "select: [x]", "only a source can have `select`"),
        ("memory: 64m", "extends: tap", "names `tap`, which is a source, not a mapper"),
    ],
)
def test_mistakes(tmp_path, old, new, problem):
    assert old in FILE
    with pytest.raises(UsageError) as caught:
        project(tmp_path, FILE.replace(old, new))
    told = f"{caught.value.message}; {caught.value.hint}"
    assert re.search(problem, told), told


def test_secrets_of_a_mapping_are_known_to_redaction(tmp_path):
    from tapdock.connectors.masking import project_secrets

    loaded = project(tmp_path, KEY="first-s3cret", OTHER="other-s3cret")
    assert Redactor(project_secrets(loaded))("first-s3cret other-s3cret") == "[secret] [secret]"
