"""Tests a tap's catalog: its streams, the selection of a run in it, and the state that the tap gets."""

import json
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import SourceError, StateError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.catalogs.singer import emitted_names, selected_catalog, singer_streams
from tapdock.translate.states.singer import bookmarked_versions, lacks_bookmark, singer_state_to_pass

FIELDS = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}


def entry(name: str = "users", *, root: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    metadata = [{"breadcrumb": [], "metadata": root or {}}]
    return {"tap_stream_id": f"public-{name}", "stream": name, "schema": FIELDS, "metadata": metadata, **members}


def streams(*entries: dict[str, Any], namespaced: bool = False) -> tuple[Stream, ...]:
    return singer_streams(json.dumps({"streams": entries}).encode(), namespaced=namespaced)


def said(catalog: bytes, *path: str) -> dict[str, Any]:
    """Return the metadata of the first stream, or of a field in that stream."""
    metadata = json.loads(catalog)["streams"][0]["metadata"]
    found: dict[str, Any] = next(one["metadata"] for one in metadata if one["breadcrumb"] == list(path))
    return found


@pytest.mark.parametrize(
    ("given", "modes", "cursor"),
    [
        (entry(), ("full_refresh", "incremental"), ()),
        (entry(root={"replication-key": "id"}), ("full_refresh", "incremental"), ("id",)),
        (entry(replication_key="id"), ("full_refresh", "incremental"), ("id",)),
        (entry(root={"valid-replication-keys": ["id"]}), ("full_refresh", "incremental"), ("id",)),
        (entry(root={"valid-replication-keys": ["id", "name"]}), ("full_refresh", "incremental"), ()),
        (entry(root={"forced-replication-method": "FULL_TABLE", "replication-key": "id"}), ("full_refresh",), ()),
        (entry(root={"forced-replication-method": {"replication-method": "FULL_TABLE"}}), ("full_refresh",), ()),
        (entry(replication_method="FULL_TABLE"), ("full_refresh",), ()),
        (entry(root={"replication-method": "LOG_BASED"}), ("full_refresh", "incremental"), ()),
    ],
)
def test_modes_and_cursors(given: dict[str, Any], modes: tuple[str, ...], cursor: tuple[str, ...]) -> None:
    (stream,) = streams(given)
    assert (stream.supported_sync_modes, stream.default_cursor_field) == (modes, cursor)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (entry(key_properties=["id"]), (("id",),)),
        (entry(key_properties=[], root={"table-key-properties": ["id", "name"]}), (("id",), ("name",))),
        (entry(root={"view-key-properties": ["id"]}), (("id",),)),
        (entry(), ()),
    ],
)
def test_keys(given: dict[str, Any], keys: Any) -> None:
    assert streams(given)[0].source_defined_primary_key == keys


def test_streams_of_one_name_are_called_by_their_ids() -> None:
    ours, others = streams(entry(tap_stream_id="a-users"), entry(tap_stream_id="b-users"))
    assert (ours.name, others.name) == ("a-users", "b-users")


def test_a_databases_schema_is_a_namespace_where_it_is_asked_for() -> None:
    given = entry("public-users", root={"schema-name": "public"})
    assert str(streams(given)[0].key) == "public-users"
    assert str(streams(given, namespaced=True)[0].key) == "public.users"


def test_messages_may_call_a_stream_by_any_of_its_names() -> None:
    (stream,) = streams(entry(root={"schema-name": "public"}))
    assert set(emitted_names(stream)) == {"users", "public-users"}


@pytest.mark.parametrize(
    ("catalog", "reason"),
    [
        (b"[]", "cannot be read"),
        (b"junk", "cannot be read"),
        (b'{"streams":[{"schema":{}}]}', "has no name"),
        (b'{"streams":[{"stream":"a","tap_stream_id":"x"},{"stream":"a","tap_stream_id":"x"}]}', "2 streams `x`"),
    ],
)
def test_a_catalog_that_is_none(catalog: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        singer_streams(catalog)


def test_everything_is_said_explicitly_of_what_is_read_and_what_is_not() -> None:
    offered = streams(entry("users", key_properties=["id"]), entry("orders"))
    catalog = selected_catalog(offered, select_streams(offered, ["users.id"], {}), legacy=False)
    assert said(catalog)["selected"] is True
    assert said(catalog, "properties", "id")["selected"] is True
    assert said(catalog, "properties", "name")["selected"] is False
    others = json.loads(catalog)["streams"][1]["metadata"]
    assert {one["metadata"]["selected"] for one in others} == {False}


def test_automatic_fields_stay_and_unsupported_ones_go() -> None:
    metadata = [
        {"breadcrumb": ["properties", name], "metadata": {"inclusion": inclusion}}
        for name, inclusion in (("id", "automatic"), ("name", "unsupported"))
    ]
    offered = streams({**entry(), "metadata": metadata})
    catalog = selected_catalog(offered, select_streams(offered, [], {}), legacy=False)
    assert said(catalog, "properties", "id")["selected"] is True
    assert said(catalog, "properties", "name")["selected"] is False
    assert said(catalog)["selected"] is True


@pytest.mark.parametrize(
    ("options", "method", "key"),
    [
        (StreamOptions(sync_mode="full_refresh"), "FULL_TABLE", None),
        (StreamOptions(sync_mode="incremental", cursor_field=("name",)), "INCREMENTAL", "name"),
        (StreamOptions(sync_mode="incremental", log_based=True), "LOG_BASED", "_lsn"),
    ],
)
def test_the_replication_is_what_the_user_wants(options: StreamOptions, method: str, key: str | None) -> None:
    offered = streams(entry(root={"replication-method": "INCREMENTAL", "valid-replication-keys": ["id"]}))
    chosen = select_streams(offered, [], {"users": options})
    root = said(selected_catalog(offered, chosen, legacy=False, log_key="_lsn"))
    assert root["replication-method"] == method
    assert root.get("replication-key") == key
    assert "forced-replication-method" not in root


def test_a_forced_replication_is_left_alone() -> None:
    offered = streams(entry(root={"forced-replication-method": "INCREMENTAL", "valid-replication-keys": ["id"]}))
    root = said(selected_catalog(offered, select_streams(offered, [], {}), legacy=False))
    assert "replication-method" not in root


def test_old_taps_get_it_inside_their_schemas() -> None:
    offered = streams(entry())
    catalog = json.loads(selected_catalog(offered, select_streams(offered, ["users.id"], {}), legacy=True))
    schema = catalog["streams"][0]["schema"]
    assert schema["selected"] is True
    assert {name: one["selected"] for name, one in schema["properties"].items()} == {"id": True, "name": False}


STATE = '{"bookmarks": {"public-users": {"max_pk_values": 7}, "orders": {"id": 1.50}}, "currently_syncing": "users"}'


def test_a_stream_that_is_read_anew_has_no_bookmark_and_the_others_keep_theirs() -> None:
    (users,) = streams(entry())
    assert singer_state_to_pass(STATE, []) == STATE
    passed = singer_state_to_pass(STATE, [users])
    assert passed == '{"bookmarks":{"orders":{"id": 1.50}}}'


@pytest.mark.parametrize(("saved", "passed"), [(None, None), ('{"users": {"id": 7}}', None)])
def test_without_bookmarks_nothing_shows_whose_it_is(saved: str | None, passed: str | None) -> None:
    assert singer_state_to_pass(saved, streams(entry())) == passed


@pytest.mark.parametrize("saved", ["[]", "7", "junk", '{"bookmarks": 7}'])
def test_a_saved_state_that_is_none(saved: str) -> None:
    with pytest.raises(StateError, match="is not a Singer state"):
        singer_state_to_pass(saved, streams(entry()))


@pytest.mark.parametrize(
    ("saved", "lacks"),
    [
        (None, True),
        ('{"bookmarks":{"public-users":{"replication_key_value":1}}}', False),
        ('{"bookmarks":{"public-users":{"version":1}}}', True),
        ('{"bookmarks":{"orders":{"replication_key_value":1}}}', True),
    ],
)
def test_whether_an_incremental_stream_begins_without_a_value(saved: str | None, *, lacks: bool) -> None:
    (users,) = streams(entry())
    assert lacks_bookmark(saved, [ConfiguredStream(stream=users, sync_mode="incremental")]) == lacks
    assert not lacks_bookmark(saved, [ConfiguredStream(stream=users, sync_mode="full_refresh")])
    assert not lacks_bookmark(saved, [ConfiguredStream(stream=users, sync_mode="incremental", log_based=True)])


def test_a_bookmark_that_is_no_object_hides_no_other() -> None:
    (users,) = streams(entry())
    saved = '{"bookmarks":{"public-users":{"replication_key_value":1,"version":7},"other":null,"more":[1]}}'
    configured = ConfiguredStream(stream=users, sync_mode="incremental")
    assert not lacks_bookmark(saved, [configured])
    assert bookmarked_versions(saved, [configured]) == {users.key: 7}
    assert lacks_bookmark('{"bookmarks":null}', [configured])
