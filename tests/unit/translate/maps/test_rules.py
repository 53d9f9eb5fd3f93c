"""Tests of rules for fields by pattern, of what a bad record may keep, and of the summary before a run."""

import hmac
import json
from typing import Any

import pytest

from tapdock.errors import UsageError
from tapdock.project.maps import MapKeys
from tapdock.project.secret import Secret
from tapdock.translate.maps.describe import describe
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import checked
from tapdock.translate.maps.stream_map import StreamMap
from unit.translate.maps.sides import configured

KEY = "0123456789abcdef"
PERSON = {"type": ["object", "null"], "properties": {"email": {"type": "string"}, "name": {"type": "string"}}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string", "maxLength": 20},
        "owner": PERSON,
        "people": {"type": "array", "items": PERSON},
    },
    "required": ["id", "email"],
}
BODY = b'{"id":1,"email":"a@x","owner":{"email":"b@x","name":"B"},"people":[{"email":"c@x"},{"name":"C"}]}'


def _map(maps: dict[str, Any], schema: dict[str, Any] = SCHEMA, **more: Any) -> StreamMap:
    one = configured("users", schema, keys=["id"])
    (found,) = maps_of([one], checked(MapKeys(maps=maps, hash_key=Secret(KEY), **more)))[one.stream.key]
    return found


def _token(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


def test_a_rule_protects_fields_also_inside_of_others() -> None:
    found = _map({"*.email": "hash"})
    assert json.loads(found.apply(BODY) or b"") == {
        "id": 1,
        "email": _token("a@x"),
        "owner": {"email": _token("b@x"), "name": "B"},
        "people": [{"email": _token("c@x")}, {"name": "C"}],
    }
    text = {"type": ["string", "null"]}
    fields = found.json_schema["properties"]
    assert fields["email"] == text
    assert fields["owner"]["properties"] == {"email": text, "name": {"type": "string"}}
    assert fields["people"]["items"]["properties"]["email"] == text
    assert SCHEMA["properties"]["email"] == {"type": "string", "maxLength": 20}


def test_a_rule_protects_a_field_that_no_schema_declares() -> None:
    found = _map({"*.email": "drop"})
    assert found.apply(b'{"id":1,"x":[[{"email":"d@x","n":1}]],"y":{"z":{"e\\u006dail":1}}}') == (
        b'{"id":1,"x":[[{"n":1}]],"y":{"z":{}}}'
    )


def test_a_record_that_a_rule_does_not_touch_keeps_its_bytes() -> None:
    body = b'{ "id": 1, "name": "x" }'
    assert _map({"*.email": "hash"}).apply(body) is body


def test_a_name_that_an_object_has_twice_is_protected_in_both() -> None:
    new = _map({"*.email": "hash"}).apply(b'{"owner":{"email":"first","email":null},"email":"second","email":null}')
    assert new == b'{"owner":{"email":null},"email":null}'


@pytest.mark.parametrize("rule", ["users.owner.email", "*.owner.email", "*.o*email", r"*.owner\.email"])
def test_a_name_with_a_dot_is_protected_by_a_path(rule: str) -> None:
    schema = {"type": "object", "properties": {"id": {}, "owner.email": {"type": "string"}}}
    assert _map({rule: "drop"}, schema).apply(b'{"id":1,"owner.email":"a"}') == b'{"id":1}'


def test_a_path_protects_only_that_path() -> None:
    found = _map({"users.owner.email": "drop"})
    new = json.loads(found.apply(BODY) or b"")
    assert new["owner"] == {"name": "B"}
    assert new["email"] == "a@x"
    assert new["people"] == [{"email": "c@x"}, {"name": "C"}]
    assert "email" not in found.json_schema["properties"]["owner"]["properties"]


def test_globs_and_arguments() -> None:
    new = json.loads(_map({"*.*mail": "mask(self, keep=1)", "users.name": "drop"}).apply(BODY) or b"")
    assert new["email"] == "**x"
    assert new["owner"] == {"email": "**x"}


def test_the_rule_that_is_written_last_wins() -> None:
    assert json.loads(
        _map({"*.*": "drop", "*.email": "hash", "*.id": "hash"}).apply(b'{"id":1,"email":"a"}') or b""
    ) == {
        "id": _token("1"),
        "email": _token("a"),
    }


def test_an_entry_of_the_stream_replaces_the_rule_for_its_field() -> None:
    found = _map({"*.email": "hash", "users": {"email": "email.split('@')[0]"}})
    new = json.loads(found.apply(BODY) or b"")
    assert new["email"] == "a"
    assert new["owner"]["email"] == _token("b@x")


def test_an_expression_cannot_read_what_a_rule_protects() -> None:
    for expression in ("email", "str(owner)", "record['email']"):
        with pytest.raises(UsageError, match=r"but the rule `\*\.email` protects") as failed:
            _map({"*.email": "hash", "users": {"contact": expression}})
        assert failed.value.hint
    new = json.loads(_map({"*.email": "hash", "users": {"raw": "record"}}).apply(b'{"id":1,"email":"a"}') or b"")
    assert new["raw"] == {"id": 1, "email": _token("a")}


def test_a_filter_may_read_what_a_rule_protects() -> None:
    found = _map({"*.email": "hash", "users": {"__filter__": "email != 'a'"}})
    assert found.apply(b'{"id":1,"email":"a"}') is None


def test_rules_come_before_flattening() -> None:
    found = _map({"*.email": "hash"}, flattening_enabled=True, flattening_max_depth=1)
    new = json.loads(found.apply(BODY) or b"")
    assert new["owner__email"] == _token("b@x")
    assert json.loads(new["people"]) == [{"email": _token("c@x")}, {"name": "C"}]


def test_a_glob_does_not_remove_the_mark_of_a_deleted_row() -> None:
    body = b'{"id":1,"_ab_cdc_deleted_at":"2024-06-30","_ab_cdc_lsn":5}'
    assert _map({"*._ab_*": "drop", "*.email": "hash"}, _open(SCHEMA)).apply(body) == (
        b'{"id":1,"_ab_cdc_deleted_at":"2024-06-30"}'
    )


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], "_ab_cdc_lsn": {"type": "integer"}}}


def test_a_shared_definition_is_protected_where_it_is_used() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "owner": {"$ref": "#/definitions/person"}},
        "definitions": {
            "person": {**PERSON, "properties": {**PERSON["properties"], "boss": {"$ref": "#/definitions/person"}}}
        },
    }
    found = _map({"*.email": "drop"}, schema)
    assert "email" not in found.json_schema["properties"]["owner"]["properties"]
    assert found.apply(b'{"id":1,"owner":{"email":"a","boss":{"email":"b"}}}') == b'{"id":1,"owner":{"boss":{}}}'


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"*.e_mail": "hash"}, "matches no field of any stream"),
        ({"orders.email": "hash"}, "matches no field of any stream"),
        ({"*.email": "md5"}, "is not one of `hash`, `mask`, `encrypt` and `drop`"),
        ({"*.email": "hash(name)"}, "is not one of"),
        ({"users": "hash"}, "is text, but its name has no field"),
    ],
)
def test_a_rule_that_protects_nothing_is_an_error(maps: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as failed:
        _map(maps)
    assert message in failed.value.message
    assert failed.value.hint


def test_a_hash_needs_a_key() -> None:
    one = configured("users", SCHEMA)
    with pytest.raises(UsageError, match="requires a key"):
        maps_of([one], checked(MapKeys(maps={"*.email": "hash"})))


def test_a_bad_record_is_kept_without_what_is_protected() -> None:
    maps = {"*.email": "hash", "users": {"n": "int(name)", "name": None, "phone": "hash(tel)", "ssn": "mask(self)"}}
    schema = {"type": "object", "properties": {**SCHEMA["properties"], "name": {}, "tel": {}, "ssn": {}}}
    kept = _map(maps, schema).kept(b'{"id":1,"name":"N","tel":"T","ssn":"S","z":2,"owner":{"email":"b@x","name":"B"}}')
    assert kept == b'{"id":1,"z":2,"owner":{"name":"B"}}'
    assert _map({"users": {"__else__": None, "id": "id"}}).kept(b'{"id":1,"email":"a"}') == b'{"id":1}'
    assert _map({"users": {"t": "sha256(json.dumps(record))"}}).kept(b'{"id":1}') == b"{}"
    assert _map({"*.email": "hash"}).kept(b"not JSON") == b"{}"


def test_the_summary_has_each_field_and_what_happens_to_it() -> None:
    maps = {
        "*.email": "hash",
        "users": {
            "id": "id",
            "people": None,
            "secret": "mask('x')",
            "__filter__": "id > 1",
        },
        "logs": None,
    }
    users = configured("users", {**SCHEMA, "properties": {**SCHEMA["properties"], "n": {"type": "array"}}}, keys=["id"])
    logs, other = configured("logs", {"properties": {"a": {}}}), configured("other", {"properties": {"b": {}}})
    flat: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1}
    settings = checked(MapKeys(maps=maps, hash_key=Secret(KEY), **flat))
    found = maps_of([users, logs, other], settings)
    (use,) = describe(users, found[users.stream.key])
    assert (use.stream, use.alias, use.filter) == ("users", "users", "id > 1")
    assert [tuple(each) for each in use.fields] == [
        ("id", "passed on"),
        ("email", "hashed by the rule `*.email`"),
        ("owner", "flattened into `owner__email`, `owner__name`"),
        ("owner.email", "hashed by the rule `*.email`"),
        ("people", "removed"),
        ("n", "written as JSON text"),
        ("secret", "new: masked: `mask('x')`"),
        ("(fields that the schema does not declare)", "passed on"),
    ]
    assert describe(logs, found[logs.stream.key])[0].alias is None
    assert [each.what for each in describe(other, None)[0].fields] == ["passed on", "passed on"]
