import json
from typing import Any

import pytest

from tapdock.errors import SourceError
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey, configured_catalog, parse_catalog


def parse(*streams: dict[str, Any]) -> tuple[Stream, ...]:
    return parse_catalog(json.dumps({"streams": streams}).encode())


@pytest.mark.parametrize("namespace", [None, ""])
def test_null_absent_and_empty_namespaces_are_the_same(namespace: str | None) -> None:
    assert parse({"name": "a", "namespace": namespace})[0].key == parse({"name": "a"})[0].key == StreamKey(None, "a")


def test_null_means_absent_and_unknown_keys_are_no_error() -> None:
    (stream,) = parse(
        {
            "name": "a",
            "json_schema": None,
            "default_cursor_field": None,
            "source_defined_cursor": None,
            "source_defined_primary_key": [["a"], ["b", "c"]],
            "supported_sync_modes": ["incremental"],
            "raw": 7,
        }
    )
    assert stream.source_defined_primary_key == (("a",), ("b", "c"))
    assert (stream.json_schema, stream.default_cursor_field, stream.source_defined_cursor) == ({}, (), False)


@pytest.mark.parametrize(
    "catalog", [b"", b"[]", b"{}", b'{"streams":[{}]}', b'{"streams":[{"name":7}]}', b'{"streams":7}']
)
def test_an_unreadable_catalog_is_the_sources_failure(catalog: bytes) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        parse_catalog(catalog)


def test_two_streams_of_one_name_are_the_sources_failure() -> None:
    with pytest.raises(SourceError, match=r"two streams `n\.a`"):
        parse({"name": "a", "namespace": "n"}, {"name": "a"}, {"name": "a", "namespace": "n"})


def test_the_configured_stream_is_the_sources_own_text() -> None:
    text = b'{"name":"a","x":1.50,"json_schema":{"properties":{"k":{"multipleOf":1e-3}},"$id":"i"},"y":null}'
    (stream,) = parse_catalog(b'{"streams":[' + text + b"]}")
    configured = ConfiguredStream(
        stream=stream,
        sync_mode="incremental",
        destination_sync_mode="append_dedup",
        cursor_field=("k",),
        primary_key=(("k",),),
        generation_id=3,
        minimum_generation_id=2,
        sync_id=9,
    )
    (entry,) = json.loads(configured_catalog([configured]))["streams"]
    assert text in configured_catalog([configured])
    assert {name: value for name, value in entry.items() if name != "stream"} == {
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
        "cursor_field": ["k"],
        "primary_key": [["k"]],
        "generation_id": 3,
        "minimum_generation_id": 2,
        "sync_id": 9,
    }


def test_dropped_fields_leave_the_schema_and_nothing_else() -> None:
    text = b'{"name":"a","x":1.50,"json_schema":{"properties":{"k":{"multipleOf":1e-3},"gone":{}},"$id":"i"}}'
    (stream,) = parse_catalog(b'{"streams":[' + text + b"]}")
    configured = ConfiguredStream(stream=stream, sync_mode="full_refresh", excluded=("gone",))
    assert text.replace(b',"gone":{}', b"") in configured_catalog([configured])


def test_a_stream_without_raw_text_is_written_from_its_fields() -> None:
    stream = Stream(name="a", json_schema={"properties": {}})
    entry = json.loads(configured_catalog([ConfiguredStream(stream=stream, sync_mode="full_refresh")]))["streams"][0]
    assert entry["stream"]["name"] == "a"
    assert "raw" not in entry["stream"]
    assert "namespace" not in entry["stream"]


@pytest.mark.parametrize("modes", [b"[]", b"null", None])
def test_a_stream_that_names_no_sync_mode_is_read_in_full(modes: bytes | None) -> None:
    """The list must have an entry (protocol.md 1.1). Without one, nothing allows incremental."""
    member = b',"supported_sync_modes":' + modes if modes else b""
    text = b'{"name":"a","json_schema":{"properties":{"k":{}}},"default_cursor_field":["k"]%s}' % member
    (stream,) = parse_catalog(b'{"streams":[%s]}' % text)
    assert stream.supported_sync_modes == ("full_refresh",)
    chosen = ConfiguredStream(stream=stream, sync_mode="full_refresh")
    sent = json.loads(configured_catalog([chosen], names={stream.key: StreamKey(None, "b")}))
    assert sent["streams"][0]["stream"]["supported_sync_modes"] == ["full_refresh"]
