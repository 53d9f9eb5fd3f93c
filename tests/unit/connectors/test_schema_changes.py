"""Tests the comparison of two catalogs, and of two schemas of one field."""

import pytest

from tapdock.connectors import schema_changes
from tapdock.connectors.schema_changes import changes, named
from tapdock.connectors.schema_types import differences, resolved, shown
from tapdock.connectors.selection import select_streams
from tapdock.protocol.catalog import Stream
from tapdock.runs.schema_policy import _frozen
from tapdock.state.catalogs import SeenStream

TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
OBJECT = {"type": "object", "properties": {"a": TEXT}}


def objects(**fields):
    return {"type": "object", "properties": fields}


SAME = [
    (TEXT, {"type": "string", "description": "new words", "title": "A"}),
    ({"type": ["null", "string"]}, {"type": ["string", "null"]}),
    (INTEGER, {"type": "number", "airbyte_type": "integer"}),
    ({"anyOf": [TEXT, {"type": "null"}]}, {"type": ["null", "string"]}),
    (objects(a=TEXT, b=TEXT), objects(b=TEXT, a=TEXT)),
    ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["b", "a"]}),
]


@pytest.mark.parametrize(("before", "now"), SAME)
def test_the_same_type_in_other_words_is_no_change(before, now):
    assert list(differences(before, now)) == []
    assert list(differences(now, before)) == []


ROWS = [
    # before, now, what is different, whether old values no longer fit
    (TEXT, INTEGER, "string -> integer", True),
    (INTEGER, {"type": "number"}, "integer -> number", False),
    ({"type": "number"}, INTEGER, "number -> integer", True),
    (TEXT, {"type": ["null", "string"]}, "string -> string or null", False),
    ({"type": ["null", "string"]}, TEXT, "string or null -> string", True),
    (TEXT, {"type": ["string", "integer"]}, "string -> integer or string", False),
    (TEXT, {}, "string -> any type", False),
    ({}, TEXT, "any type -> string", True),
    ({**TEXT, "format": "date"}, {**TEXT, "format": "date-time"}, "string (date) -> string (date-time)", True),
    ({**TEXT, "format": "date"}, {}, "string (date) -> any type", False),
    (TEXT, {**TEXT, "airbyte_type": "timestamp_with_timezone"}, "string -> string (timestamp_with_timezone)", True),
    (TEXT, {"oneOf": [TEXT, INTEGER]}, "string -> integer or string", False),
    (OBJECT, TEXT, "object -> string", True),
    ({**TEXT, "maxLength": 10}, {**TEXT, "maxLength": 20}, "maxLength 10 -> 20", False),
    ({**TEXT, "maxLength": 20}, {**TEXT, "maxLength": 10}, "maxLength 20 -> 10", True),
    (TEXT, {**TEXT, "maxLength": 10}, "maxLength none -> 10", True),
    ({**INTEGER, "minimum": 0}, {**INTEGER, "minimum": 1}, "minimum 0 -> 1", True),
    ({**NUMBER, "multipleOf": 0.01}, {**NUMBER, "multipleOf": 0.0001}, "multipleOf 0.01 -> 0.0001", False),
    ({**NUMBER, "multipleOf": 0.01}, {**NUMBER, "multipleOf": 1}, "multipleOf 0.01 -> 1", True),
    ({**TEXT, "enum": ["a"]}, {**TEXT, "enum": ["a", "b"]}, "enum a -> a, b", False),
    ({**TEXT, "enum": ["a", "b"]}, {**TEXT, "enum": ["a"]}, "enum a, b -> a", True),
]


@pytest.mark.parametrize(("before", "now", "detail", "narrows"), ROWS)
def test_another_type(before, now, detail, narrows):
    (found,) = differences(before, now)
    assert (found.kind, found.detail, found.narrows) == ("changed", detail, narrows)


NESTED = [
    (objects(a=TEXT), objects(a=TEXT, b=TEXT), ("b",), "added", False),
    (objects(a=TEXT, b=TEXT), objects(a=TEXT), ("b",), "removed", True),
    (objects(a=objects(b=TEXT)), objects(a=objects(b=INTEGER)), ("a", "b"), "changed", True),
    ({"type": "array", "items": TEXT}, {"type": "array", "items": INTEGER}, ("[]",), "changed", True),
    (
        {"type": "array", "items": OBJECT},
        {"type": "array", "items": objects(a=TEXT, b=TEXT)},
        ("[]", "b"),
        "added",
        False,
    ),
    ({"anyOf": [OBJECT]}, {"anyOf": [objects(a=TEXT, b=TEXT)]}, ("b",), "added", False),
]


@pytest.mark.parametrize(("before", "now", "path", "kind", "narrows"), NESTED)
def test_nested_fields(before, now, path, kind, narrows):
    (found,) = differences(before, now)
    assert (found.path, found.kind, found.narrows) == (path, kind, narrows)


def test_a_schema_without_an_end_is_compared_to_a_certain_depth():
    before, now = TEXT, INTEGER
    for _ in range(200):
        before, now = objects(a=before), objects(a=now)
    assert [(one.detail, one.narrows) for one in differences(before, now)] == [("its nested fields", True)]


@pytest.mark.parametrize("schema", [True, None, [], {"type": 3}, {"type": "array", "items": [TEXT]}, {"enum": 3}])
def test_an_odd_schema_is_compared_too(schema):
    assert shown(schema)
    assert list(differences(schema, schema)) == []
    assert list(differences(schema, {"type": "boolean"}))


def seen(name="users", *, read=("id", "name"), namespace=None, **keys):
    schema = keys.pop("schema", objects(id=INTEGER, name=TEXT))
    return SeenStream(name=name, namespace=namespace, json_schema=schema, read=read, **keys)


def found(before, now):
    return [(str(each), each.is_read, each.breaking) for each in changes(before, now)]


def test_no_change():
    assert found([seen()], [seen()]) == []
    assert found([seen()], [seen(read=None)]) == [], "another selection is not a change of the source"


def test_streams():
    both = [seen(), seen("users", namespace="eu"), seen("orders", read=None)]
    assert found([seen()], both) == [("eu.users added", True, False), ("orders added", False, False)]
    assert found(both, [seen()]) == [("eu.users removed", True, True), ("orders removed", False, False)]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (
            {"primary_key": (("id",),)},
            {"primary_key": (("id",), ("a", "b"))},
            ("users changed (key id -> id, a.b)", True),
        ),
        ({"cursor_field": ("at",)}, {"cursor_field": ()}, ("users changed (cursor at -> none)", True)),
        ({"sync_modes": ("a", "b")}, {"sync_modes": ("a",)}, ("users changed (sync modes a, b -> a)", True)),
        ({"sync_modes": ("a",)}, {"sync_modes": ("b", "a")}, ("users changed (sync modes a -> a, b)", False)),
    ],
)
def test_keys_cursors_and_modes(before, now, expected):
    name, breaking = expected
    assert found([seen(**before)], [seen(**now)]) == [(name, True, breaking)]
    assert found([seen(**before, read=None)], [seen(**now, read=None)]) == [(name, False, False)]
    assert found([seen(**before, read=None)], [seen(**now)]) == [(name, True, False)], "it was not read before"


def test_fields_that_were_read_and_others():
    before = seen(schema=objects(id=INTEGER, name=TEXT, note=TEXT, old=TEXT), read=("id", "name"))
    now = seen(schema=objects(id=TEXT, note=INTEGER, new=TEXT, more=TEXT), read=("id", "new"))
    assert found([before], [now]) == [
        ("users.id changed (integer -> string)", True, True),
        ("users.name removed", True, True),
        ("users.note changed (string -> integer)", False, False),
        ("users.old removed", False, False),
        ("users.new added (string)", True, False),
        ("users.more added (string)", False, False),
    ]


def test_a_nested_change_is_one_of_its_field():
    before, now = seen(schema=objects(id=objects(a=TEXT))), seen(schema=objects(id=objects(b=TEXT)))
    (removed, added) = changes([before], [now])
    assert (str(removed), removed.breaking, removed.is_nested) == ("users.id.a removed (string)", True, True)
    assert (str(added), added.breaking, added.is_nested) == ("users.id.b added (string)", False, True)


def referring(**fields):
    return {"properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": objects(**fields)}}


def composed(**fields):
    return {"type": "object", "allOf": [{"properties": {"id": INTEGER}}, {"$ref": "#/b"}], "b": {"properties": fields}}


REFERRED = [
    (referring(x=TEXT), referring(x=INTEGER, ssn=TEXT), {("u.a.x", True), ("u.a.ssn", False)}, [("a", "ssn")]),
    (composed(x=TEXT), composed(x=INTEGER, ssn=TEXT), {("u.x", True), ("u.ssn", False)}, [("ssn",)]),
    (composed(x=TEXT), composed(), {("u.x", True)}, []),
]


@pytest.mark.parametrize(("before", "now", "expected", "new"), REFERRED)
def test_changes_behind_references_and_in_alternatives(before, now, expected, new):
    offered = [(Stream(name="u", json_schema=schema),) for schema in (before, now)]
    chosen = [select_streams(each, (), {}) for each in offered]
    old, later = (schema_changes.seen(*each) for each in zip(offered, chosen, strict=True))
    assert {(f"{each.stream}.{each.field}", each.breaking) for each in changes(old, later)} == expected
    (left,), _ = _frozen(chosen[1], later, old)
    assert [path for path in ((("a", "ssn")), ("ssn",)) if left.exclusion.verdict(path) == "remove"] == new


def test_a_schema_that_refers_to_itself_is_resolved_once():
    schema = {"properties": {"a": {"$ref": "#"}}}
    assert resolved(schema)["properties"]["a"]["properties"]["a"] == {"$ref": "#"}


@pytest.mark.long
def test_a_schema_that_doubles_at_each_reference_has_an_end():
    doubled = {f"d{n}": objects(a={"$ref": f"#/d{n + 1}"}, b={"$ref": f"#/d{n + 1}"}) for n in range(40)}
    assert resolved({"properties": {"a": {"$ref": "#/d0"}}, **doubled})


@pytest.mark.parametrize("patterns", [["!*.addr.stre*"], ["!u.addr.street"], ["u.addr.city"]])
def test_nested_fields_that_are_not_read_break_nothing(patterns):
    whole, part = objects(addr=objects(city=TEXT, street=TEXT)), objects(addr=objects(city=TEXT))
    offered = [(Stream(name="u", json_schema=whole),), (Stream(name="u", json_schema=part),)]
    kept = [(select_streams(offered[0], patterns, {})), select_streams(offered[1], ["u.addr"], {})]
    old, later = (schema_changes.seen(*each) for each in zip(offered, kept, strict=True))
    assert found(old, later) == [("u.addr.street removed (string)", False, False)]
    ((_, is_read, _),) = found(schema_changes.seen(offered[0], select_streams(offered[0], (), {})), later)
    assert is_read


def test_many_changes_are_named_shortly():
    many = changes([], [seen(f"s{number}") for number in range(1012)])
    assert named(many).endswith("s8 added, s9 added and 1,002 more")
