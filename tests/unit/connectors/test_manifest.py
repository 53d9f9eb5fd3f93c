"""Tests how a low-code source gets its manifest: in its config, for every command that has a config."""

import json
from pathlib import Path

from tapdock.connectors.kinds import airbyte
from tapdock.launch import FileArg, ImageFacts
from tapdock.project.connector_values import Manifest
from tapdock.project.model import Connector

FACTS = ImageFacts(image="x", digest="sha256:1", entrypoint=("run",))
CONFIG = {"token": "t"}
MANIFEST = Manifest(file=Path("low.yaml"), content=b'{"type": "DeclarativeSource", "rate": 1.50}')


def launches(manifest):
    low = Connector(name="low", role="source", image="x", manifest=manifest)
    yield airbyte.check(low, FACTS, CONFIG)
    yield airbyte.discover(low, FACTS, CONFIG)
    yield airbyte.read(low, FACTS, config=CONFIG, catalog=b"{}", state=None)


def test_a_manifest_is_a_part_of_the_config():
    for launch in launches(MANIFEST):
        given = launch.files[0]
        assert given.name == "config.json"
        assert json.loads(given.content) == {**CONFIG, "__injected_declarative_manifest": json.loads(MANIFEST.content)}
        assert b"1.50" in given.content


def test_arguments_are_those_of_any_source():
    for low, other in zip(launches(MANIFEST), launches(None), strict=True):
        assert low.args == other.args
        assert FileArg("config.json") in low.args
        assert json.loads(other.files[0].content) == CONFIG


def test_its_content_is_not_shown():
    assert "DeclarativeSource" not in repr(MANIFEST)
