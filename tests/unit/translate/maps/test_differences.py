"""Where stream maps differ from the Singer SDK on purpose. Each case is a row of the table in runner/guides/maps.md."""

from typing import Any

import pytest
from singer_sdk.exceptions import MapExpressionError

from tapdock.errors import UsageError
from tapdock.translate.write.rules import Unwritable
from unit.translate.maps.sides import of_sdk, of_tapdock

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "email": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["id"],
}
RECORD = {"id": 1, "email": "a@x.org", "n": 7}


def _types(config: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the schema that tapdock and the SDK make."""
    ours, theirs = of_tapdock(config, schema, [], keys=["id"]), of_sdk(config, schema, [], keys=["id"])
    return ours[0].schema["properties"], theirs[0].schema["properties"]


@pytest.mark.parametrize(
    ("fields", "name", "ours", "theirs"),
    [
        ({"n": "md5(email)"}, "n", ["string", "null"], ["integer", "null"]),
        ({"n": "email"}, "n", ["string", "null"], ["integer", "null"]),
        ({"n": None, "m": "n"}, "m", ["integer", "null"], ["string", "null"]),
        ({"__else__": None, "id": "id", "n": "n + 1"}, "n", ["integer", "null"], ["string", "null"]),
        ({"raw": "_"}, "raw", ["object", "null"], ["string", "null"]),
    ],
)
def test_the_type_is_that_of_the_new_value(fields: dict[str, Any], name: str, ours: Any, theirs: Any) -> None:
    found, of_the_sdk = _types({"stream_maps": {"users": fields}})
    assert found[name]["type"] == ours
    assert of_the_sdk[name]["type"] == theirs


def test_keys_stay_without_being_listed() -> None:
    config = {"stream_maps": {"users": {"__else__": None, "email": "email"}}}
    found = of_tapdock(config, SCHEMA, [RECORD], keys=["id"])
    assert list(found[0].schema["properties"]) == ["id", "email"]
    assert found[0].records == [{"id": 1, "email": "a@x.org"}]
    with pytest.raises(Exception, match="'id' was not detected in schema"):
        of_sdk(config, SCHEMA, [RECORD], keys=["id"])


def test_the_mark_of_a_deleted_row_stays_without_being_listed() -> None:
    schema = {"type": "object", "properties": {**SCHEMA["properties"], "_sdc_deleted_at": {"type": "string"}}}
    config = {"stream_maps": {"users": {"__else__": None, "id": "id"}}}
    record = {**RECORD, "_sdc_deleted_at": "2024-06-30T00:00:00Z"}
    found = of_tapdock(config, schema, [record], keys=["id"])
    assert found[0].records == [{"id": 1, "_sdc_deleted_at": "2024-06-30T00:00:00Z"}]
    assert "_sdc_deleted_at" in found[0].schema["properties"]
    assert of_sdk(config, schema, [record], keys=["id"])[0].records == [{"id": 1}]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both options": (
        {"people": {"__source__": "users", "__alias__": "'x'"}},
        "`maps.people` has both `__source__` and `__alias__`",
    ),
    "an option that does not exist": ({"users": {"__filtr__": "id > 1"}}, "is not an option of a stream"),
    "a stream that does not exist": ({"user": {"email": None}}, "`maps.user` maps the stream `user`, which"),
    "a copy of none": ({"x": {"__source__": "user"}}, "`maps.x.__source__` maps the stream `user`, which"),
    "a glob that matches nothing": ({"c*": {"email": None}}, "maps the stream `c*`, which"),
    "a field that does not exist": ({"users": {"e_mail": None}}, "`maps.users.e_mail` removes a field that"),
    "a field of an expression": ({"users": {"x": "e_mail"}}, "`maps.users.x` cannot be used"),
    "a field of a filter": ({"users": {"__filter__": "idd > 1"}}, "`maps.users.__filter__` cannot be used"),
    "a field in other case": ({"users": {"Email": "md5(email)"}}, "is a new field beside `email`"),
    "a key twice": ({"users": {"__key_properties__": ["id", "id"]}}, "names a field twice"),
    "text as a key": ({"users": {"__key_properties__": "id"}}, "is not a list of fields"),
    "an empty expression": ({"users": {"email": " "}}, "is empty text"),
    "an alias that is a number": ({"users": {"__alias__": "5"}}, "does not result in a name for `users`"),
    "an alias that fails": ({"users": {"__alias__": "__stream_name__ + 5"}}, "`maps.users.__alias__` cannot be used"),
    "a mask for a key": ({"users": {"id": "mask(id)"}}, "uses `mask` for a field of the stream's key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_that_the_sdk_does_not_find_are_errors_before_a_run(name: str) -> None:
    maps, message = REFUSED[name]
    with pytest.raises(UsageError) as failed:
        of_tapdock({"stream_maps": maps}, SCHEMA, [], keys=["id"])
    assert message in failed.value.message
    assert failed.value.hint


@pytest.mark.parametrize(
    ("maps", "hint"),
    [
        ({"user": {"email": None}}, "did you mean `users`?"),
        ({"users": {"e_mail": None}}, "did you mean `email`?"),
        ({"users": {"__filtr__": "id > 1"}}, "did you mean `__filter__`?"),
        ({"users": {"__key_properties__": ["idd"]}}, "did you mean `id`?"),
        ({"users.emial": "hash"}, "did you mean `users.email`?"),
        ({"*.email": "hsah"}, "did you mean `hash`?"),
    ],
)
def test_the_nearest_name_is_in_the_hint(maps: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as failed:
        of_tapdock({"stream_maps": maps, "hash_key": "0123456789abcdef"}, SCHEMA, [], keys=["id"])
    assert failed.value.hint == hint


def test_a_value_that_cannot_be_computed_is_a_bad_record_that_names_no_value() -> None:
    config = {"stream_maps": {"users": {"year": "int(email)"}}}
    with pytest.raises(Unwritable) as failed:
        of_tapdock(config, SCHEMA, [RECORD], keys=["id"])
    assert "`year`" in str(failed.value)
    assert "`int(email)`" in str(failed.value)
    assert "(its key is `id`)" in str(failed.value)
    assert "a@x" not in str(failed.value)


def test_a_field_can_be_renamed_to_its_name_in_other_case() -> None:
    config = {"stream_maps": {"users": {"Email": "email", "email": None}}}
    assert of_tapdock(config, SCHEMA, [RECORD], keys=["id"])[0].records == [{"id": 1, "n": 7, "Email": "a@x.org"}]


def test_a_number_that_is_not_finite_is_a_bad_record() -> None:
    config = {"stream_maps": {"users": {"x": "float('nan')"}}}
    assert of_sdk(config, SCHEMA, [RECORD], keys=["id"])[0].records[0]["x"] is None
    with pytest.raises(Unwritable, match="not a finite number"):
        of_tapdock(config, SCHEMA, [RECORD], keys=["id"])


def test_an_alias_that_is_not_an_expression_is_the_name() -> None:
    config = {"stream_maps": {"users": {"__alias__": "1st"}}}
    assert of_tapdock(config, SCHEMA, [], keys=["id"])[0].alias == "1st"
    with pytest.raises(MapExpressionError):
        of_sdk(config, SCHEMA, [], keys=["id"])


def test_a_field_that_a_record_lacks_is_a_bad_record() -> None:
    config = {"stream_maps": {"users": {"contact": "email"}}}
    with pytest.raises(Unwritable, match="`email`"):
        of_tapdock(config, SCHEMA, [{"id": 1}], keys=["id"])


def _flat(schema: dict[str, Any], record: dict[str, Any], *, depth: int = 1) -> Any:
    config = {"flattening_enabled": True, "flattening_max_depth": depth}
    whole = {"type": "object", "properties": {"id": {"type": "integer"}, **schema}, "required": ["id", *schema]}
    (found,) = of_tapdock(config, whole, [{"id": 1, **record}])
    return found


def test_text_in_flat_columns_is_that_of_the_source() -> None:
    found = _flat({"tags": {"type": "array"}}, {"tags": ["Köln", 1.50]})
    assert found.records == [{"id": 1, "tags": '["Köln",1.5]'}]


def test_a_flattened_object_that_is_null_has_no_column() -> None:
    found = _flat({"a": {"type": ["object", "null"], "properties": {"b": {"type": "string"}}}}, {"a": None})
    assert found.records == [{"id": 1}]


def test_a_flattened_object_is_not_required() -> None:
    found = _flat({"a": {"type": "object", "properties": {"b": {"type": "string"}}}}, {"a": {"b": "x"}})
    assert found.schema["required"] == ["id"]


@pytest.mark.parametrize(
    ("field", "value", "column", "flat"),
    [
        ({}, 5, {"type": ["null", "string"]}, "5"),
        ({"type": ["array", "integer"]}, 5, {"type": "string"}, "5"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 5, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 5),
        ({"anyOf": [{"type": "string"}, {"type": "object"}]}, {"b": 1}, {"type": ["null", "string"]}, '{"b":1}'),
        ({"description": "x", "anyOf": [{"type": "array"}]}, [1], {"type": ["null", "string"]}, "[1]"),
        ({"oneOf": [{"type": "boolean"}, {}]}, True, {"type": ["null", "string"]}, "true"),
    ],
)
def test_a_flat_value_has_the_type_of_its_column(field: Any, value: Any, column: Any, flat: Any) -> None:
    found = _flat({"a": field}, {"a": value})
    assert found.schema["properties"]["a"] == column
    assert found.records[0]["a"] == flat


def test_references_are_followed_when_they_are_flattened() -> None:
    config = {"flattening_enabled": True, "flattening_max_depth": 2}
    place = {"type": "object", "properties": {"city": {"type": "string"}, "in": {"$ref": "#/definitions/place"}}}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/definitions/place"}}, "definitions": {"place": place}}
    (found,) = of_tapdock(config, schema, [{"a": {"city": "Bonn", "in": {"city": "NRW", "in": None}}}])
    assert list(found.schema["properties"]) == ["a__city", "a__in__city", "a__in__in"]
    assert found.records == [{"a__city": "Bonn", "a__in__city": "NRW", "a__in__in": None}]


def test_two_fields_of_a_record_with_one_column_are_a_bad_record() -> None:
    with pytest.raises(Unwritable, match="two fields that become the column `a__b`"):
        _flat({}, {"a__b": 1, "a": {"b": 2}})
