"""Tests the use of a connector's spec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.connectors.settings import coerce, unknown, violations
from tapdock.project.connector_values import Config
from tapdock.project.secret import Secret

SPEC = {
    "type": "object",
    "required": ["count", "credentials"],
    "additionalProperties": False,
    "properties": {
        "count": {"type": "integer", "minimum": 1},
        "ratio": {"type": ["null", "number"]},
        "fast": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "zip": {"type": "string"},
        "region": {"type": "string", "enum": ["eu-west-1", "us-east-1"]},
        "since": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "credentials": {
            "oneOf": [
                {
                    "type": "object",
                    "required": ["auth", "client_secret"],
                    "properties": {
                        "auth": {"const": "oauth"},
                        "client_secret": {"type": "string", "airbyte_secret": True, "minLength": 20},
                        "expires": {"type": "integer"},
                    },
                },
                {
                    "type": "object",
                    "properties": {
                        "auth": {"const": "key"},
                        "key_id": {"type": "integer", "airbyte_secret": True},
                        "expires": {"type": "string"},
                    },
                },
            ]
        },
    },
}


def test_text_of_the_environment_becomes_what_the_spec_wants():
    config = Config(
        {
            "count": Secret("5"),
            "ratio": Secret("0.25"),
            "fast": Secret("True"),
            "names": Secret('["a", "b"]'),
            "zip": Secret("00501"),
            "credentials": {"auth": "key", "key_id": Secret("7"), "expires": Secret("30")},
        }
    )
    assert coerce(config, SPEC) == {
        "count": 5,
        "ratio": 0.25,
        "fast": True,
        "names": ["a", "b"],
        "zip": "00501",
        "credentials": {"auth": "key", "key_id": 7, "expires": "30"},
    }


def test_a_constant_that_came_from_the_environment_chooses_the_form():
    config = Config({"credentials": {"auth": Secret("oauth"), "expires": Secret("30")}})
    assert coerce(config, SPEC)["credentials"] == {"auth": "oauth", "expires": 30}


@pytest.mark.parametrize(
    "wanted", [{"type": ["string", "integer"]}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, {}]
)
def test_text_stays_text_where_text_will_do(wanted):
    assert coerce(Config({"a": Secret("5")}), {"properties": {"a": wanted}}) == {"a": "5"}


def test_text_of_the_user_is_left_alone():
    assert coerce(Config({"count": "5", "fast": "true"}), SPEC) == {"count": "5", "fast": "true"}


@given(st.text(max_size=12))
def test_text_that_is_no_number_stays_for_the_validator(text):
    result = coerce(Config({"count": Secret(text)}), SPEC)["count"]
    assert result == text or str(result) == text


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        ({"count": 1, "credentials": {"auth": "key"}}, []),
        ({"credentials": {"auth": "key"}}, ["`count` is missing"]),
        (
            {"cuont": 1, "credentials": {"auth": "key"}},
            [
                "`cuont` is not a setting of the connector; did you mean `count`?",
                "`count` is missing; did you mean `cuont`, which is not a known setting?",
            ],
        ),
        ({"count": "1", "credentials": {"auth": "key"}}, ["`count` is text, not integer"]),
        ({"count": 0, "credentials": {"auth": "key"}}, ["`count` is too small: minimum is 1"]),
        (
            {"count": 1, "credentials": {"auth": "key"}, "region": "us-east1"},
            ["`region` must be one of `eu-west-1`, `us-east-1`; did you mean `us-east-1`?"],
        ),
        (
            {"count": 1, "credentials": {"auth": "key"}, "since": "yesterday"},
            [r"`since` does not match `^\d{4}-\d{2}-\d{2}$`"],
        ),
        ({"count": 1, "credentials": {"auth": "oauth"}}, ["`credentials.client_secret` is missing"]),
        ({"count": 1, "credentials": {"auth": "bot"}}, ["`credentials.auth` must be one of `oauth`, `key`"]),
        ({"count": 1, "credentials": 3}, ["`credentials.auth` must be one of `oauth`, `key`"]),
    ],
)
def test_violations_in_words(config, lines):
    assert sorted(violations(config, SPEC)) == sorted(lines)


def test_no_value_is_in_a_violation():
    config = {
        "count": "hunter2",
        "since": "hunter2",
        "credentials": {"auth": "oauth", "client_secret": "hunter2"},
    }
    found = violations(config, SPEC)
    assert len(found) == 3
    assert "hunter2" not in "".join(found)


def test_an_expression_for_java_is_no_violation():
    schema = {"properties": {"a": {"type": "string", "pattern": r"^\p{Alpha}+$"}}}
    assert violations({"a": "x"}, schema) == []


def test_a_reference_to_elsewhere_is_not_fetched():
    assert violations({"a": 1}, {"properties": {"a": {"$ref": "https://localhost:1/schema.json"}}}) == []


def test_references_inside_the_spec_are_followed():
    schema = {"definitions": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/definitions/n"}}}
    assert coerce(Config({"a": Secret("1")}), schema) == {"a": 1}
    assert violations({"a": "x"}, schema) == ["`a` is text, not integer"]


OPEN = {"properties": {"rows": {}}, "allOf": [{"properties": {"more": {}}}], "oneOf": [{"properties": {"auth": {}}}]}


@pytest.mark.parametrize(
    ("config", "schema", "names"),
    [
        ({"rows": 1, "more": 2, "auth": 3}, OPEN, []),
        ({"rowz": 1}, OPEN, ["`rowz` {no}; did you mean `rows`?"]),
        ({"x" * 9: 1}, OPEN, ["`xxxxxxxxx` {no}"]),
        ({"apikey": 1}, {"properties": {"apiKey": {}}}, ["`apikey` {no}; did you mean `apiKey`?"]),
        ({"rowz": 1}, {}, []),
        ({"rowz": 1}, {**OPEN, "additionalProperties": {"type": "integer"}}, []),
        ({"rowz": 1}, {**OPEN, "patternProperties": {"^r": {}}}, []),
        ({"rowz": 1}, {"properties": {"a": {}}, "allOf": [{"$ref": "#"}]}, ["`rowz` {no}"]),
    ],
)  # fmt: skip
def test_a_setting_that_the_spec_permits_but_does_not_name_is_reported(config, schema, names):
    no = "is not a setting that the connector names"
    assert unknown(config, schema) == [name.format(no=no) for name in names]


@pytest.mark.parametrize(
    ("value", "factor", "wrong"),
    [
        (19.99, 0.01, False),
        (19.999, 0.01, True),
        (0.3, 0.1, False),
        (1e20, 0.1, False),
        (7, 2, True),
        (8, 2, False),
        (8.0, 2, False),
        (1.5, 0.5, False),
        (True, 2, False),
        ("19.99", 0.01, False),
        (7, -2, False),
    ],
)
def test_multiples_are_decimal(value, factor, *, wrong):
    """As a binary fraction, 19.99 is not a multiple of 0.01."""
    assert bool(violations({"a": value}, {"properties": {"a": {"multipleOf": factor}}})) is wrong
