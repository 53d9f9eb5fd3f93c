"""Tests of maps over several streams, of bytes that stay, of keys and cursors, and of schemas that arrive again."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tapdock.errors import TranslationError, UsageError
from tapdock.project.maps import MapKeys
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import checked
from tapdock.translate.maps.tap_maps import TapMaps
from tapdock.translate.tally import Tally
from tapdock.translate.write.rules import Unwritable
from unit.translate.maps.sides import configured, mapped

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "at": {"type": "object", "properties": {"day": {"type": "string"}, "zone": {"type": "string"}}},
        "amount": {"type": "number"},
    },
}
KEY = "0123456789abcdef"


def _of(maps: dict[str, Any], *streams: ConfiguredStream, **more: Any) -> dict[str, list[str]]:
    """Return the names in the target by stream."""
    found = maps_of(streams, checked(MapKeys(maps=maps)), **more)
    return {str(key): [each.alias for each in each_of] for key, each_of in found.items()}


def test_a_stream_without_a_map_is_absent_and_a_removed_one_is_empty() -> None:
    users, orders, logs = configured("users", SCHEMA), configured("orders", SCHEMA), configured("logs", SCHEMA)
    assert _of({"users": {"email": None}, "logs": None}, users, orders, logs) == {"users": ["users"], "logs": []}


def test_a_map_may_name_a_stream_that_is_not_read() -> None:
    users = configured("users", SCHEMA)
    assert _of({"orders": {"x": None}, "orders.email": "drop"}, users, left_out=["orders"]) == {}
    with pytest.raises(UsageError, match="maps the stream `orders`, which the source does not have"):
        _of({"orders": {"x": None}}, users)
    assert _of({"orders": {"x": None}}, users, all_known=False) == {}


def test_a_glob_may_remove_a_field_that_only_some_streams_have() -> None:
    users = configured("users", SCHEMA)
    orders = configured("orders", {"type": "object", "properties": {"id": {"type": "integer"}}})
    assert _of({"*": {"email": None}}, users, orders) == {"users": ["users"], "orders": ["orders"]}
    with pytest.raises(UsageError, match=r"`maps\.o\*\.email` removes a field"):
        _of({"o*": {"email": None}}, users, orders)


def test_streams_are_named_with_or_without_their_namespace() -> None:
    here, there = configured("users", SCHEMA, namespace="a"), configured("users", SCHEMA, namespace="b")
    assert _of({"users": None}, here, there) == {"a.users": [], "b.users": []}
    assert _of({"a.users": None}, here, there) == {"a.users": []}
    assert _of({"b.*": {"__alias__": "people"}}, here, there) == {"b.users": ["people"]}


@pytest.mark.parametrize(
    "maps",
    [
        {"users": {"__alias__": "orders"}},
        {"orders": {"__source__": "users"}},
        {"all": {"__source__": "*"}},
        {"*": {"__alias__": "all"}},
    ],
)
def test_two_streams_with_one_name_are_refused(maps: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="`maps` writes both") as failed:
        _of(maps, configured("users", SCHEMA), configured("orders", SCHEMA))
    assert failed.value.hint


def test_a_copy_may_have_the_name_of_a_removed_stream() -> None:
    found = _of({"orders": {"__source__": "users"}}, configured("users", SCHEMA))
    assert found == {"users": ["users", "orders"]}
    maps = {"orders": {"__source__": "users"}, "o*": None}
    assert _of(maps, configured("users", SCHEMA), configured("orders", SCHEMA)) == {
        "users": ["users", "orders"],
        "orders": [],
    }


def test_a_deselected_field_is_not_in_the_map_of_its_stream() -> None:
    one = ConfiguredStream(
        stream=Stream(name="users", json_schema=SCHEMA), sync_mode="full_refresh", excluded=("email",)
    )
    (only,) = maps_of([one], checked(MapKeys(maps={"users": {"email": None, "n": "str(id)"}})))[one.stream.key]
    assert list(only.json_schema["properties"]) == ["id", "at", "amount", "n"]
    with pytest.raises(UsageError, match=r"`maps\.users\.n` uses the field `email` of `users`, which is not selected"):
        maps_of([one], checked(MapKeys(maps={"users": {"n": "email"}})))


def _apply(maps: dict[str, Any], body: bytes, **more: Any) -> bytes | None:
    found = mapped({"stream_maps": maps, "hash_key": Secret(KEY), **more}, SCHEMA, keys=["id"])
    assert found
    return found[0].apply(body)


@pytest.mark.parametrize(
    ("maps", "body", "new"),
    [
        ({"x": "id + 1"}, b'{"id": 1, "amount": 1.50e3}', b'{"id":1,"amount":1.50e3,"x":"2"}'),
        ({"email": None}, rb'{"email":"a","n":"\u00e9\/","id":1}', rb'{"n":"\u00e9\/","id":1}'),
        ({"email": None}, rb'{"e\u006dail":"a","id":1}', b'{"id":1}'),
        ({"email": None}, b'{"email":"a","email":"b","id":1}', b'{"id":1}'),
        ({"contact": "email"}, rb'{"id":1,"email":"\u00e9"}', rb'{"id":1,"email":"\u00e9","contact":"\u00e9"}'),
        ({"price": "amount * 2"}, b'{"id":1,"amount":0.10}', b'{"id":1,"amount":0.10,"price":"0.20"}'),
        ({"raw": "record"}, b'{"id":1,"amount":1.10}', b'{"id":1,"amount":1.10,"raw":{"id":1,"amount":1.10}}'),
        ({"id": "id * 10"}, b'{"id":12345678901234567890,"z":0}', b'{"id":123456789012345678900,"z":0}'),
    ],
)
def test_values_keep_their_digits_and_others_their_bytes(maps: dict[str, Any], body: bytes, new: bytes) -> None:
    assert _apply({"users": maps}, body) == new


def test_a_stream_that_only_has_another_name_keeps_its_bytes() -> None:
    body = b'{ "id" : 1 }'
    assert _apply({"users": {"__alias__": "people"}}, body) is body


def test_flat_columns_keep_the_bytes_of_their_values() -> None:
    flat = {"flattening_enabled": True, "flattening_max_depth": 1}
    assert (
        _apply({}, rb'{"id":1,"at":{"day":"\u00e9","n":1.50}}', **flat) == rb'{"id":1,"at__day":"\u00e9","at__n":1.50}'
    )


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"id":', b'{"id":1}{', b'{"amount":1e}'])
def test_a_body_that_is_not_an_object_is_a_bad_record(body: bytes) -> None:
    with pytest.raises(Unwritable, match="cannot be read"):
        _apply({"users": {"x": "amount"}, "u*": {"y": "str(amount)"}}, body)


def test_a_record_of_which_nothing_is_left_is_dropped() -> None:
    assert _apply({"users": {"email": None, "__key_properties__": None}}, b'{"email":"a"}') is None


def _keys(maps: dict[str, Any], keys: tuple[tuple[str, ...], ...], **more: Any) -> Any:
    stream = Stream(name="users", json_schema=SCHEMA)
    one = ConfiguredStream(stream=stream, sync_mode="incremental", primary_key=keys)
    settings = checked(MapKeys(maps=maps, hash_key=Secret(KEY), **more))
    return maps_of([one], settings)[one.stream.key][0]


FLAT: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1}


def test_keys_follow_the_map() -> None:
    assert _keys({"users": {}}, (("id",), ("at", "day"))).primary_key == (("id",), ("at", "day"))
    assert _keys({}, (("id",), ("at", "day")), **FLAT).primary_key == (("id",), ("at__day",))
    assert _keys({"users": {"__key_properties__": ["email"]}}, (("id",),)).primary_key == (("email",),)
    assert _keys({"users": {"id": "hash(id)"}}, (("id",),)).primary_key == (("id",),)
    assert _keys({"users": {"__else__": None}}, (("at", "day"),)).apply(b'{"id":1,"at":{"day":"a"}}') == (
        b'{"at":{"day":"a"}}'
    )


@pytest.mark.parametrize(
    ("maps", "more", "message"),
    [
        ({"users": {"id": None}}, {}, "removes a field of the stream's key"),
        ({"*.id": "drop"}, {}, "removes a field of the stream's key"),
        ({"*.id": "mask"}, {}, "uses `mask` for a field of the stream's key"),
        ({"users": {"id": "encrypt(id)"}}, {}, "uses `encrypt` for a field of the stream's key"),
        ({"users": {"__key_properties__": ["at"]}}, FLAT, "is not one column when flattened"),
    ],
)
def test_a_key_that_cannot_identify_rows_is_refused(maps: dict[str, Any], more: dict[str, Any], message: str) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(UsageError) as failed:
        _keys(maps, (("id",),), **more, encrypt_key=pem)
    assert message in failed.value.message
    assert failed.value.hint


def test_the_cursor_is_the_source_s_own_value_or_none() -> None:
    assert _keys({"users": {"email": None}}, ()).cursor(("id",)) == ("id",)
    assert _keys({"users": {"id": "id + 1"}}, ()).cursor(("id",)) == ()
    assert _keys({"*.day": "hash"}, ()).cursor(("at", "day")) == ()
    assert _keys({}, (), **FLAT).cursor(("at", "day")) == ("at__day",)
    assert _keys({"users": {"__else__": None, "email": "email"}}, ()).cursor(("id",)) == ()
    assert _keys({"users": {"email": None}}, ()).cursor(()) == ()


def test_a_schema_that_arrives_again_has_a_map_of_its_own() -> None:
    settings = checked(MapKeys(maps={"users": {"copy": "email"}}))
    key, tap = StreamKey(None, "users"), TapMaps(settings)
    assert tap.learn(key, SCHEMA, (("id",),), Tally(key))
    more = {"type": "object", "properties": {**SCHEMA["properties"], "new": {"type": "string"}}}
    (again,) = tap.learn(key, more, (("new",),), Tally(key)) or ()
    assert (again.alias, again.primary_key) == ("users", (("new",),))
    assert list(again.json_schema["properties"]) == ["id", "email", "at", "amount", "new", "copy"]
    with pytest.raises(TranslationError, match="`email`"):
        tap.learn(key, {"type": "object", "properties": {"id": {"type": "integer"}}}, (), Tally(key))


def test_the_source_s_schema_is_not_changed() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "email": {"type": "string"}}}
    found = mapped({"stream_maps": {"users": {"email": None, "id": "str(id)"}}}, schema)
    assert found
    assert schema["properties"] == {"id": {"type": "integer"}, "email": {"type": "string"}}


def test_secrets_are_in_the_config_and_not_in_expressions() -> None:
    with pytest.raises(UsageError, match="has a secret in it") as failed:
        checked(MapKeys(maps={"users": {"email": Secret("md5('pepper')")}}))
    assert "pepper" not in str(failed.value)
    settings = checked(MapKeys(maps={}, stream_map_config={"a": [Secret("pepper")]}, hash_key=Secret(KEY)))
    assert settings.config == {"a": ["pepper"]}
    assert "pepper" not in repr(settings)
    assert KEY not in repr(settings)


def test_flattening_needs_a_depth_and_a_depth_of_zero_is_off() -> None:
    with pytest.raises(UsageError, match="`flattening_enabled` without `flattening_max_depth`"):
        checked(MapKeys(flattening_enabled=True))
    assert checked(MapKeys(flattening_enabled=True, flattening_max_depth=0)).flattening is None
    assert checked(MapKeys(flattening_max_depth=3)).flattening is None


def test_streams_that_declare_no_fields_can_be_mapped() -> None:
    found = mapped({"stream_maps": {"users": {"email": None, "n": "id"}}}, {"type": "object"}, keys=["id"])
    assert found
    assert found[0].apply(b'{"id":1,"email":"a"}') == b'{"id":1,"n":1}'
    assert found[0].source == StreamKey(None, "users")
