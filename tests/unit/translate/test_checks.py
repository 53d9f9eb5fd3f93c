import json

import pytest

from tapdock.translate.schemas.validate import checker

SCHEMA = {
    "properties": {
        "text": {"type": ["null", "string"]},
        "count": {"type": "integer"},
        "odd-name": {"type": ["string", "boolean"]},
        "inner": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "list": {"type": "array"},
        "any": {},
        "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    }
}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"text":"a","count":1,"odd-name":true,"inner":{"a":"x"},"list":[1,"a"],"any":1,"either":[],"more":1}',
        b'{"text":null,"count":null,"odd-name":null,"inner":null,"list":null}',
        b'{"count":1.0}',
        b'{"count":123456789012345678901234567890}',
        b'{"count":1e999}',
    ],
)
def test_what_matches_has_no_problem(body: bytes) -> None:
    check = checker(SCHEMA)
    assert check is not None
    assert check(body) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"text":1}', "text"),
        (b'{"count":"1"}', "count"),
        (b'{"count":true}', "count"),
        (b'{"odd-name":1}', "odd-name"),
        (b'{"inner":[]}', "inner"),
        (b'{"list":{}}', "list"),
    ],
)
def test_what_does_not_names_the_field(body: bytes, field: str) -> None:
    check = checker(SCHEMA)
    assert check is not None
    assert f"$.{field}" in (check(body) or "")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", '\u00e9"', "a`b"])
def test_a_name_that_json_escapes_is_shown_like_others(name: str) -> None:
    """A message is one line, and has the name as the record has it."""
    shown = json.dumps(name, ensure_ascii=False)[1:-1]
    for body in ({name: "x"}, {name: [1]}):
        check = checker({"properties": {name: {"type": "integer"}, "more": {"type": "string"}}})
        assert check is not None
        assert (check(json.dumps(body).encode()) or "").endswith(f" - at `$.{shown}`")


def test_a_schema_that_asks_for_nothing_is_not_looked_at() -> None:
    assert checker({"properties": {"a": {}}}) is None
    assert checker({}) is None
