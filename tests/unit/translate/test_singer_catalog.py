"""Tests an Airbyte source as a tap: the catalog that it reports, and the selection of a runner in that catalog."""

import json
from typing import Any

import pytest

from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream, parse_catalog
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog

USERS = {
    "name": "users",
    "namespace": "shop",
    "json_schema": {"properties": {"id": {"type": "integer"}, "at": {"type": "string"}, "name": {}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["at"],
    "source_defined_primary_key": [["id"]],
    "more": 1.50,
}


def discovered() -> Any:
    return json.loads(
        json.dumps(singer_catalog(parse_catalog(json.dumps({"streams": [USERS]}).encode())), default=json_of)
    )


def json_of(raw: Any) -> Any:
    return json.loads(bytes(raw))


def selected(catalog: Any) -> ConfiguredStream:
    (stream,) = selected_streams(json.dumps(catalog).encode())
    return stream


def test_what_was_discovered_is_read_as_it_was_offered() -> None:
    stream = selected(discovered())
    assert json.loads(stream.stream.raw) == USERS
    assert (stream.sync_mode, stream.cursor_field, stream.primary_key) == ("incremental", ("at",), (("id",),))
    assert (stream.destination_sync_mode, stream.excluded) == ("append_dedup", ())


def test_the_entry_says_all_that_a_singer_runner_looks_for() -> None:
    (entry,) = discovered()["streams"]
    assert (entry["tap_stream_id"], entry["stream"]) == ("shop-users", "shop-users")
    assert (entry["key_properties"], entry["replication_key"], entry["replication_method"]) == (
        ["id"],
        "at",
        "INCREMENTAL",
    )
    said = {tuple(one["breadcrumb"]): one["metadata"] for one in entry["metadata"]}
    assert {field: said["properties", field]["inclusion"] for field in entry["schema"]["properties"]} == {
        "id": "automatic",
        "at": "automatic",
        "name": "available",
    }


@pytest.mark.parametrize(
    ("root", "mode", "cursor"),
    [
        ({"replication-method": "FULL_TABLE"}, "full_refresh", ("at",)),
        ({"forced-replication-method": "FULL_TABLE"}, "full_refresh", ("at",)),
        ({"replication-method": "INCREMENTAL", "replication-key": "name"}, "incremental", ("name",)),
        ({"replication-method": "LOG_BASED"}, "incremental", ("at",)),
    ],
)
def test_a_runner_chooses_how_it_is_read(root: dict[str, Any], mode: str, cursor: tuple[str, ...]) -> None:
    catalog = discovered()
    catalog["streams"][0]["metadata"][0]["metadata"] |= root
    stream = selected(catalog)
    assert (stream.sync_mode, stream.cursor_field) == (mode, cursor)


def test_fields_that_are_not_selected_are_left_out_but_for_keys() -> None:
    catalog = discovered()
    for one in catalog["streams"][0]["metadata"][1:]:
        one["metadata"]["selected"] = False
    assert selected(catalog).excluded == ("name",)


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        (b"[]", "the catalog cannot be read"),
        (b'{"streams":[]}', "selects no stream"),
        (
            b'{"streams":[{"tap_stream_id":"x","metadata":[{"breadcrumb":[],"metadata":{"selected":false}}]}]}',
            "no stream",
        ),
        (b'{"streams":[{"tap_stream_id":"x"}]}', "`x` is not from this tap"),
    ],
)
def test_a_catalog_of_nothing(catalog: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        selected_streams(catalog)


def test_a_catalog_offers_streams_that_some_targets_would_write_to_one_table() -> None:
    """Targets cut names at hyphens, and some replace dots. Only a sync knows which streams are selected."""
    streams = [{"name": name, "json_schema": USERS["json_schema"]} for name in ("google-ads", "a.b", "a_b")]
    catalog = singer_catalog(parse_catalog(json.dumps({"streams": streams}).encode()))
    assert [entry["stream"] for entry in catalog["streams"]] == ["google_ads", "a.b", "a_b"]
