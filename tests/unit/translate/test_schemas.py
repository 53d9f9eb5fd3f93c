from typing import Any

import pytest

from tapdock.errors import TranslationError, UsageError
from tapdock.protocol.catalog import Stream
from tapdock.translate.schemas.to_singer import singer_schema
from tapdock.translate.write.undeclared import declared_names


def translated(schema: Any, **root: Any) -> tuple[dict[str, Any], bytes]:
    """Return the Singer schema of a field, and the translated form of a nested value in that field."""
    stream = Stream(name="s", json_schema={"properties": {"f": schema}, **root})
    result = singer_schema(stream)
    data = b'{"f":[{"a":"1.0"}]}'
    return result.schema["properties"]["f"], result.rule(data) if result.rule else data


def null_or(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": ["null", kind], **more}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, null_or("string")),
        ({"type": ["string", "null"], "maxLength": 3, "description": "d"}, null_or("string")),
        ({"type": "string", "format": "date"}, null_or("string", format="date")),
        (
            {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
            null_or("string", format="date-time"),
        ),
        ({"type": "string", "format": "time"}, null_or("string", format="time")),
        ({"type": "string", "format": "date-ime"}, null_or("string")),
        ({"type": "string", "contentEncoding": "base64"}, null_or("string", contentEncoding="base64")),
        ({"type": "integer", "multipleOf": 1}, null_or("integer")),
        ({"type": "integer", "airbyte_type": "big_integer"}, null_or("integer")),
        ({"type": "number", "airbyte_type": "integer"}, null_or("integer")),
        ({"type": "number", "maximum": 5}, null_or("number")),
        ({"type": ["integer", "number", "null"]}, null_or("number")),
        ({"type": "boolean"}, null_or("boolean")),
        ({"type": "object"}, null_or("object", properties={})),
        ({"type": "object", "oneOf": [{"properties": {}}]}, null_or("object", properties={})),
        ({"properties": {"a": {"type": "string"}}}, null_or("object", properties={"a": null_or("string")})),
        ({"items": {"type": "string"}}, null_or("array", items=null_or("string"))),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, null_or("boolean")),
        ({"oneOf": [{"type": "string", "format": "date"}, {"type": "string"}]}, null_or("string")),
        ({"allOf": [{"type": "integer"}]}, null_or("integer")),
        ({"$ref": "WellKnownTypes.json#/definitions/Date"}, null_or("string", format="date")),
        (
            {"$ref": "WellKnownTypes.json#/definitions/BinaryData"},
            null_or("string", contentEncoding="base64"),
        ),
        ({"$ref": "#/definitions/a~1b"}, null_or("integer")),
    ],
)
def test_values_are_passed_on_where_the_target_understands_the_type(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    result, value = translated(schema, definitions={"a/b": {"type": "integer"}})
    assert result == expected
    assert value == b'{"f":[{"a":"1.0"}]}'


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "null"},
        {"type": []},
        {"type": "varchar"},
        {"description": "only"},
        {"enum": [1]},
        {"type": ["string", "object"]},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"oneOf": []},
        {"allOf": [{"type": "object"}, {"type": "array"}]},
        {"$ref": "#/definitions/gone"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "WellKnownTypes.json#/definitions/Unknown"},
        {"$ref": "#/properties/f"},
        {"$ref": "#"},
    ],
)
def test_what_has_no_single_type_is_json_text(schema: Any) -> None:
    assert translated(schema) == (null_or("string"), b'{"f":"[{\\"a\\":\\"1.0\\"}]"}')


@pytest.mark.parametrize("more", [{}, {"items": {}}, {"items": True}, {"items": []}, {"items": {"description": "any"}}])
def test_elements_without_a_declared_type_are_left_as_they_are(more: dict[str, Any]) -> None:
    assert translated({"type": "array", **more}) == (null_or("array"), b'{"f":[{"a":"1.0"}]}')


def test_rules_reach_where_the_schema_says() -> None:
    number = {"$ref": "WellKnownTypes.json#/definitions/Number"}
    result = translated({"type": "array", "items": {"type": "object", "properties": {"a": number}}})
    items = null_or("object", properties={"a": null_or("number")})
    assert result == (null_or("array", items=items), b'{"f":[{"a":1.0}]}')


def test_a_big_integer_in_a_string_is_an_integer() -> None:
    stream = Stream(name="s", json_schema={"properties": {"f": {"type": "string", "airbyte_type": "big_integer"}}})
    schema, rule, _ = singer_schema(stream)
    assert schema["properties"]["f"] == null_or("integer")
    assert rule is not None
    assert rule(b'{"f":"123456789012345678901234567890"}') == b'{"f":123456789012345678901234567890}'


def test_a_recursive_schema_is_text_from_the_second_round_on() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/definitions/node"}}}
    result, _ = translated({"$ref": "#/definitions/node"}, definitions={"node": node})
    assert result == null_or("object", properties={"next": null_or("string")})


def test_the_root_may_be_a_reference() -> None:
    root = {"$ref": "#/definitions/s", "definitions": {"s": {"properties": {"a": {"type": "string"}}}}}
    assert singer_schema(Stream(name="s", json_schema=root)).schema == {
        "type": "object",
        "properties": {"a": null_or("string")},
    }


@pytest.mark.parametrize("combination", ["allOf", "anyOf", "oneOf"])
def test_fields_that_only_alternatives_declare_are_columns(combination: str) -> None:
    """A field that they declare as several types is text. The schema's own declaration of a field is used alone."""
    a = {"properties": {"id": {"type": "integer"}, "a": {"type": "string"}, "own": {"type": "string"}}}
    b = {"properties": {"id": {"type": "boolean"}, "b": {"type": "number"}, "a": {"type": "string"}}}
    schema = {combination: [{"type": "null"}, a, {"$ref": "#/definitions/b"}, {"$ref": "#"}], "definitions": {"b": b}}
    columns = {"id": null_or("string"), "a": null_or("string"), "b": null_or("number"), "own": null_or("string")}
    found, rule, _ = singer_schema(Stream(name="s", json_schema=schema))
    assert found["properties"] == columns
    assert rule is not None
    assert rule(b'{"id":1,"a":"x"}') == b'{"id":"1","a":"x"}'
    own = {**schema, "properties": {"own": {"type": "integer"}}}
    found, _, _ = singer_schema(Stream(name="s", json_schema=own))
    assert found["properties"] == {**columns, "own": null_or("integer")}


@pytest.mark.long
def test_alternatives_that_double_at_each_step_are_refused() -> None:
    steps = {f"d{step}": {"allOf": [{"$ref": f"#/definitions/d{step + 1}"}] * 2} for step in range(40)}
    root = {"$ref": "#/definitions/d0", "definitions": {**steps, "d40": {"properties": {"a": {}}}}}
    assert declared_names(root) == {"a"}
    with pytest.raises(TranslationError, match="expands to more than"):
        singer_schema(Stream(name="s", json_schema=root))


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"properties": {}}, {"properties": 7}])
def test_a_stream_without_fields_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="declares no fields for stream `s`"):
        singer_schema(Stream(name="s", json_schema=schema))
