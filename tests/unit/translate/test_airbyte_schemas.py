"""Tests the conversion of taps' schemas for a destination (protocol.md 3.3, right to left)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tapdock.translate.schemas.to_airbyte import airbyte_schema, merged

SCALARS = {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}


def field(schema: Any, **root: Any) -> Any:
    return airbyte_schema({"properties": {"a": schema}, **root})["properties"]["a"]


@pytest.mark.parametrize(
    ("schema", "translated"),
    [
        ({"type": ["null", "string"]}, {"type": ["null", "string"]}),
        (
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
        ),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "singer.decimal"}, {"type": "string"}),
        ({"type": "number", "multipleOf": 0.01}, {"type": "number", "multipleOf": 0.01}),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, {"type": "integer"}),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}, {"type": ["null", "string"]}),
        ({}, SCALARS),
        ({"enum": [1, 2]}, SCALARS),
        ("text", SCALARS),
        ({"properties": {"b": {}}}, {"type": ["null", "object"], "properties": {"b": SCALARS}}),
        ({"items": {"type": "integer"}}, {"type": ["null", "array"], "items": {"type": "integer"}}),
        ({"type": "object", "inclusion": "available", "selected": True}, {"type": "object"}),
    ],
)
def test_fields(schema: Any, translated: Any) -> None:
    assert field(schema) == translated


def test_a_field_may_be_called_as_a_keyword_is() -> None:
    schema = {"properties": {"selected": {"type": "boolean"}, "$ref": {"type": "string"}, "type": {"type": "string"}}}
    assert airbyte_schema(schema)["properties"] == schema["properties"]
    assert field({"type": "object", **schema})["properties"] == schema["properties"]


def test_references_are_resolved() -> None:
    definitions = {"money": {"type": "number"}, "many": {"type": "array", "items": {"$ref": "#/definitions/many"}}}
    assert field({"$ref": "#/definitions/money"}, definitions=definitions) == {"type": "number"}
    assert field({"$ref": "#/definitions/many"}, definitions=definitions) == {"type": "array"}
    assert field({"$ref": "#/definitions/none"}, definitions=definitions) == SCALARS
    assert field({"$ref": "https://host/x.json"}) == SCALARS


def test_a_reference_in_circles_ends() -> None:
    assert field({"$ref": "#/definitions/a"}, definitions={"a": {"$ref": "#/definitions/a"}}) == SCALARS
    tree = {"type": "object", "properties": {"left": {"$ref": "#/definitions/tree"}}}
    assert field({"$ref": "#/definitions/tree"}, definitions={"tree": tree})["properties"]["left"]


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(),
    "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(max_size=3),
    "boolean": st.booleans(),
    "array": st.lists(st.integers(), max_size=2),
    "object": st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
}
KINDS = st.sampled_from(sorted(VALUES))


@settings(deadline=None, max_examples=80)
@given(KINDS, KINDS, st.booleans(), st.data())
def test_a_merged_schema_takes_the_values_of_both(one: str, other: str, nullable: bool, data: st.DataObject) -> None:
    schemas = [
        airbyte_schema({"properties": {"a": {"type": ["null", kind] if nullable else kind}}}) for kind in (one, other)
    ]
    both = merged(*schemas)
    for kind in (one, other):
        value = None if nullable and data.draw(st.booleans()) else data.draw(VALUES[kind])
        whole = both["properties"]["a"]
        found = [error for error in Draft7Validator(whole).iter_errors(value) if error.validator != "oneOf"]
        assert not found
        assert "oneOf" not in whole or any(Draft7Validator(part).is_valid(value) for part in whole["oneOf"])


def test_merging_keeps_every_field_and_is_nothing_for_the_same() -> None:
    one = {"properties": {"a": {"type": "object", "properties": {"x": {"type": "integer"}}}, "b": {"type": "string"}}}
    other = {"properties": {"a": {"type": "object", "properties": {"y": {"type": "string"}}}, "c": {"type": "string"}}}
    both = merged(one, other)["properties"]
    assert list(both) == ["a", "b", "c"]
    assert both["a"]["properties"] == {"x": {"type": "integer"}, "y": {"type": "string"}}
    assert merged(one, one) == one
