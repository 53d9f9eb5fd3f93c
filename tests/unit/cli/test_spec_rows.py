import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.cli.spec_rows import spec_rows

pytestmark = pytest.mark.long

SPEC = {
    "required": ["host", "mode"],
    "properties": {
        "host": {"type": "string", "title": "Host", "examples": ["db"]},
        "password": {"type": ["string", "null"], "airbyte_secret": True},
        "mode": {"type": "string", "enum": ["a", "b"], "default": "a", "description": "How to read.\nMore."},
        "tunnel": {
            "type": "object",
            "oneOf": [
                {"title": "No tunnel", "properties": {"method": {"type": "string", "const": "none"}}},
                {
                    "title": "SSH",
                    "required": ["key"],
                    "properties": {
                        "key": {"type": "string", "airbyte_secret": True},
                        "port": {"type": "integer", "default": 22},
                    },
                },
            ],
        },
        "tables": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}


def test_settings_are_shown_with_defaults_choices_secrets_and_nested_options():
    assert spec_rows(SPEC) == [
        ["host", "string", "yes", "", "Host"],
        ["password", "string or null, secret", "", "", ""],
        ["mode", "string", "yes", '"a"', 'How to read. More. One of: "a", "b"'],
        ["tunnel", "object", "", "", ""],
        ["tunnel", "choice", "", "", "No tunnel"],
        ["tunnel.method", "string", "", "", 'Always "none"'],
        ["tunnel", "choice", "", "", "SSH"],
        ["tunnel.key", "string, secret", "yes", "", ""],
        ["tunnel.port", "integer", "", "22", ""],
        ["tables", "array", "", "", ""],
        ["tables[].name", "string", "", "", ""],
    ]


@pytest.mark.parametrize("spec", [None, [], {"properties": None}, {"required": True, "properties": {"a": 7}}])
def test_a_malformed_spec_is_shown_as_far_as_it_goes(spec: Any):
    assert len(spec_rows(spec)) == (1 if isinstance(spec, dict) and spec["properties"] else 0)


def test_a_spec_that_contains_itself_is_shown_to_a_limited_depth():
    spec: dict[str, Any] = {"properties": {}}
    spec["properties"]["again"] = spec
    assert len(spec_rows(spec)) < 20


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "required", "oneOf", "type", "items", "enum", "const", "default", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=100)
@given(NONSENSE)
def test_no_spec_raises(spec: Any):
    json.dumps(spec_rows(spec))
