"""Tests specs that were made to crash or to block their reader."""

import json
from pathlib import Path
from typing import Any

import pytest

from tapdock.connectors.masking import masked
from tapdock.connectors.settings import coerce, violations
from tapdock.connectors.spec_checks import flaw
from tapdock.project.connector_values import Config

REGISTRY = Path(__file__).parents[3].parent / "shared" / "registry"
DOUBLING = {
    f"d{number}": {"properties": {side: {"$ref": f"#/definitions/d{number + 1}"} for side in "ab"}}
    for number in range(30)
}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"oneOf": [schema, {"properties": {"a": schema}}]}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": 5},
        {"properties": {"a": {"properties": "x"}}},
        {"items": {"definitions": 5}},
        {"oneOf": {"a": {}}},
        {"allOf": [5]},
        {"$ref": "#/definitions/d0", "definitions": DOUBLING},
        nested(30),
    ],
    ids=range(7),
)
def test_what_cannot_be_used_is_found_out(schema: Any) -> None:
    assert flaw(schema) is not None


def test_mistakes_that_harm_nobody_are_tolerated() -> None:
    """Every connector made with Meltano's SDK has the first mistake in its settings."""
    choices = {"anyOf": ["null", {"type": "string"}]}
    schema = {"properties": {"a": choices, "b": 5, "c": {"items": 5}, "d": {"additionalProperties": 5}}}
    config = {"a": "x", "b": 1, "c": [1], "d": {"e": 1}}
    assert flaw(schema) is None
    assert coerce(Config(config), schema) == config
    assert masked(config, schema) == config
    assert violations(config, schema) == []


def test_a_spec_may_refer_to_itself() -> None:
    tree = {"definitions": {"node": {"properties": {"children": {"items": {"$ref": "#/definitions/node"}}}}}}
    assert flaw({**tree, "properties": {"root": {"$ref": "#/definitions/node"}}}) is None
    assert flaw({"$ref": "#"}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"required": 5},
        {"properties": {"a": {"multipleOf": 0}}},
        {"properties": {"a": {"minimum": "x"}}},
        {"properties": {"a": {"enum": 5}}},
        {"properties": {"b": {"pattern": "^(a+)+$"}}},
        {"properties": {"b": {"pattern": "("}}},
        {"type": {"a": 1}},
    ],
    ids=range(8),
)
def test_what_is_wrong_in_a_spec_is_not_the_users_fault(schema: dict[str, Any]) -> None:
    config = {"a": 7, "b": "a" * 60 + "!"}
    assert violations(config, schema) == []
    assert coerce(Config(config), schema) == config
    assert masked(config, schema) == config


@pytest.mark.skipif(not REGISTRY.is_dir(), reason="the specs of published connectors are not here")
def test_specs_of_published_connectors_can_be_used() -> None:
    found = [spec for file in REGISTRY.rglob("*.json") for spec in specs_in(json.loads(file.read_text()))]
    assert found
    assert [flaw(spec) for spec in found] == [None] * len(found)


def specs_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        here = [value[name] for name in ("connectionSpecification", "connection_specification") if name in value]
        return here or [spec for inner in value.values() for spec in specs_in(inner)]
    return [spec for inner in value for spec in specs_in(inner)] if isinstance(value, list) else []
