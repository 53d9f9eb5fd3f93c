import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.translate.schemas.nullable_items import with_nullable_items


@pytest.mark.parametrize(
    "text",
    [
        '{"properties": {"a": {"type": "integer"}}}',
        '{"items": {"type": ["integer", "null"]}}',
        '{"items": {"enum": [1], "type": "integer"}}',
        '{"items": {"anyOf": [{"type": "integer"}]}}',
        '{"items": [{"type": "integer"}]}',
        '{"items": true}',
        '{"items": {"type": 5}}',
        '{"properties": 5}',
        "[]",
        "null",
    ],
)
def test_the_rest_is_the_same_object(text: str) -> None:
    raw = Raw(text.encode())
    assert with_nullable_items(raw) is raw


def test_it_is_found_at_every_depth() -> None:
    schema = {
        "items": {"type": "array", "items": {"type": "object", "properties": {"a": {"items": {"type": "string"}}}}}
    }
    inner = {"type": ["null", "object"], "properties": {"a": {"items": {"type": ["null", "string"]}}}}
    assert json.loads(bytes(with_nullable_items(Raw(json.dumps(schema).encode())))) == {
        "items": {"type": ["null", "array"], "items": inner}
    }


@given(
    st.recursive(
        st.sampled_from([{"type": "string"}, {"type": ["null", "integer"]}, {}, True]),
        lambda inner: (
            st.builds(lambda one: {"items": one}, inner)
            | st.builds(lambda one: {"type": "array", "items": one}, inner)
            | st.builds(lambda one: {"properties": {"a": one}}, inner)
        ),
    )
)
def test_a_second_time_changes_nothing(schema: object) -> None:
    once = with_nullable_items(Raw(json.dumps(schema).encode()))
    assert with_nullable_items(once) is once
