"""Tests that values are fitted to their schema where that is exact, and refused otherwise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import Stream, configured
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.schemas.to_singer import singer_schema
from tapdock.translate.states.wrapped_tap import EmbeddedStates
from tapdock.translate.write.fit import Fit
from tapdock.translate.write.rules import Unwritable

LONG = "123456789012345678901234567890"


def fit(schema: dict[str, Any]) -> Fit:
    return Fit(singer_schema(Stream(name="s", json_schema={"properties": {"f": schema}})).schema)


def fitted(schema: dict[str, Any], value: str) -> str:
    body = f'{{"f":{value}}}'.encode()
    found = fit(schema)
    if not found.is_odd(body):
        return value
    return found.fitted(body)[0].decode().removeprefix('{"f":').removesuffix("}")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "true", '"true"'),
        ("string", "1.50", '"1.50"'),
        ("string", '{"a" : 1}', '"{\\"a\\" : 1}"'),
        ("string", "[1]", '"[1]"'),
        ("integer", '"12"', "12"),
        ("integer", f'"{LONG}"', LONG),
        ("number", '"1.50"', "1.50"),
        ("number", '"-1e5"', "-1e5"),
        ("boolean", '"true"', "true"),
        ("boolean", '"false"', "false"),
        ("boolean", "1", "true"),
        ("boolean", "0", "false"),
        ("object", '"{\\"a\\":\\n1.50}"', '{"a":1.50}'),
        ("array", '" [1.50]"', "[1.50]"),
    ],
)
def test_an_exact_form_is_sent(kind: str, value: str, expected: str) -> None:
    assert fitted({"type": kind}, value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "1.0"),
        ("integer", "1e3"),
        ("integer", LONG),
        ("integer", "1e400"),
        ("integer", "1e99999999999999999999"),
        ("number", "1e400"),
        ("number", "5"),
        *[(kind, "null") for kind in ("string", "integer", "number", "boolean", "object", "array")],
        ("array", "[1,null]"),
    ],
)
def test_what_fits_keeps_its_bytes(kind: str, value: str) -> None:
    assert fitted({"type": kind}, value) == value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "1.5"),
        ({"type": "integer"}, '"1.5"'),
        ({"type": "integer"}, '"007"'),
        ({"type": "integer"}, "true"),
        ({"type": "number"}, '""'),
        ({"type": "number"}, '"NaN"'),
        ({"type": "number"}, '"1,5"'),
        ({"type": "boolean"}, "2"),
        ({"type": "boolean"}, "1.0"),
        ({"type": "boolean"}, '"yes"'),
        ({"type": "object"}, "[]"),
        ({"type": "object"}, '"{"'),
        ({"type": "object"}, '"[]"'),
        ({"type": "array"}, "{}"),
        ({"type": "array"}, "1"),
        ({"type": "array", "items": {"type": "integer"}}, '["a"]'),
        ({"type": "string", "format": "date-time"}, "0"),
        ({"type": "string", "contentEncoding": "base64"}, "true"),
    ],
)
def test_what_has_no_exact_form_is_refused(schema: dict[str, Any], value: str) -> None:
    with pytest.raises(Unwritable, match="in `f"):
        fitted(schema, value)


def test_a_field_with_an_odd_name_is_not_an_error() -> None:
    names = ['a"b', "a\\b", "tab\t", "é", ""]
    schema = {"properties": {name: {"type": "string"} for name in [*names, "g"]}}
    found = Fit(singer_schema(Stream(name="s", json_schema=schema)).schema)
    assert not found.is_odd(json.dumps(dict.fromkeys([*names, "g"], "x")).encode())
    assert found.is_odd(b'{"g":1}')


KINDS = st.sampled_from(["string", "integer", "number", "boolean"])
SCHEMAS = st.recursive(
    st.builds(lambda kind: {"type": kind}, KINDS),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.just({"type": "array"}),
        st.builds(lambda one: {"type": "object", "properties": {"a": one, "b": {"type": "string"}}}, inner),
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
    | st.sampled_from(["1", "1.5", "true", "{}", "[1]", "-0", "1e2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(SCHEMAS, VALUES)
def test_what_is_sent_is_valid_for_the_schema_that_is_sent(schema: dict[str, Any], value: Any) -> None:
    """So a target that validates never fails for a value. What was valid before is unchanged."""
    sent = singer_schema(Stream(name="s", json_schema={"properties": {"f": schema}})).schema
    body = json.dumps({"f": value}).encode()
    valid = Draft7Validator(sent).is_valid(json.loads(body))
    found = Fit(sent)
    try:
        new = found.fitted(body)[0] if found.is_odd(body) else body
    except Unwritable:
        assert not valid
        return
    assert (new == body) == valid
    assert Draft7Validator(sent).is_valid(json.loads(new))


def test_a_wrapped_tap_does_the_same() -> None:
    schema = {"properties": {"id": {"type": "integer"}, "active": {"type": "string"}}}
    stream = configured(Stream(name="s", json_schema=schema), "full_refresh", cursor=(), key=(("id",),), excluded=())
    run = AirbyteToSinger(
        streams=(stream,), saved=None, emit=lambda _: None, clock=lambda: 0.0, ledger=EmbeddedStates(None)
    )
    record = '{"type":"RECORD","record":{"stream":"s","data":%s,"emitted_at":1}}\n'
    assert b'"record":{"id":1,"active":"true"}' in run.feed((record % '{"id":1,"active":true}').encode())
    with pytest.raises(TranslationError, match="line 2: a record of stream `s` has a boolean in `id`"):
        run.feed((record % '{"id":true}').encode())
