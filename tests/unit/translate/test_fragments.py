"""Tests schemas and metadata of single fields, which the project writes under `streams:`."""

import json
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured_catalog, parse_catalog
from tapdock.protocol.schema_edits import merged
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import selected_catalog, singer_streams
from tapdock.translate.write.airbyte_stream import destination_streams

SCHEMA = {
    "properties": {
        "id": {"type": "integer"},
        "amount": {"type": ["null", "string"], "format": "date-time", "description": "money"},
        "address": {"type": "object", "properties": {"zip": {"type": "integer"}, "city": {"type": "string"}}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"total": {"type": "string"}}}},
    }
}
WRITTEN: dict[str, dict[str, Any]] = {
    "amount": {"type": ["null", "number"]},
    "address.zip": {"type": "string"},
    "lines.total": {"type": "number"},
}


def offered(route: str) -> tuple[Stream, ...]:
    if route.startswith("singer"):
        return singer_streams(json.dumps({"streams": [{"tap_stream_id": "s", "schema": SCHEMA}]}).encode())
    return parse_catalog(json.dumps({"streams": [{"name": "s", "json_schema": SCHEMA, "odd": 1}]}).encode())


def chosen(route: str, *patterns: str, **options: Any) -> tuple[ConfiguredStream, ...]:
    return select_streams(offered(route), patterns, {"s": StreamOptions(schema=WRITTEN, **options)})


def told(route: str, streams: tuple[ConfiguredStream, ...], *, spool: bool = False) -> dict[str, Any]:
    """Return the properties that the target is told."""
    if route == "singer-airbyte" and not spool:
        catalog: bytes | None = configured_catalog(destination_streams(streams))
    elif route == "airbyte-airbyte":
        catalog = configured_catalog([one.landed() for one in streams])
    else:
        translation = TranslateOptions(spool=spool)
        run = ROUTES[route](
            streams=streams, saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=translation
        )
        schema = {"type": "SCHEMA", "stream": "s", "schema": SCHEMA, "key_properties": []}
        line = json.dumps(schema).encode() + b"\n"
        if not spool:
            sent = run.opening() + (run.feed(line) if route == "singer-singer" else b"")
            (found,) = [each for each in map(json.loads, sent.splitlines()) if each["type"] == "SCHEMA"]
            return dict(found["schema"]["properties"])
        run.scan(line)
        catalog = run.catalog()
    assert catalog
    return dict(json.loads(catalog)["streams"][0]["stream"]["json_schema"]["properties"])


def types(schema: dict[str, Any]) -> set[str]:
    kind = schema["type"]
    return set(kind if isinstance(kind, list) else [kind]) - {"null"}


@pytest.mark.parametrize(("route", "spool"), [*((route, False) for route in ROUTES), ("singer-airbyte", True)])
def test_the_target_is_told_the_schema_of_the_project(route: str, *, spool: bool) -> None:
    properties = told(route, chosen(route), spool=spool)
    assert types(properties["amount"]) == {"number"}
    assert "format" not in properties["amount"], "a format belongs to the type that was replaced"
    assert types(properties["address"]["properties"]["zip"]) == {"string"}
    assert types(properties["address"]["properties"]["city"]) == {"string"}
    assert types(properties["lines"]["items"]["properties"]["total"]) == {"number"}
    assert types(properties["id"]) == {"integer"}


@pytest.mark.parametrize("route", ROUTES)
def test_a_schema_does_not_bring_an_excluded_field_back(route: str) -> None:
    properties = told(route, chosen(route, "!s.amount", "!s.address.zip"))
    assert "amount" not in properties
    assert list(properties["address"]["properties"]) == ["city"]


def test_the_catalog_of_a_tap_has_the_schema() -> None:
    (entry,) = json.loads(selected_catalog(offered("singer"), chosen("singer"), legacy=False))["streams"]
    assert entry["schema"]["properties"]["amount"] == {"description": "money", "type": ["null", "number"]}


def test_the_catalog_of_an_airbyte_source_has_its_own_schema() -> None:
    streams = chosen("airbyte")
    (entry,) = json.loads(configured_catalog(streams))["streams"]
    assert entry["stream"]["json_schema"] == SCHEMA
    assert "fragments" not in entry
    (landed,) = json.loads(configured_catalog([one.landed() for one in streams]))["streams"]
    assert landed["stream"]["odd"] == 1, "other members of the source are kept"


@pytest.mark.parametrize(
    ("schema", "path", "fragment", "expected"),
    [
        ('{"type":"string","maxLength":5}', (), {"maxLength": None}, {"type": "string"}),
        ('{"anyOf":[{"type":"string"},{"type":"null"}]}', (), {"type": "number"}, {"type": "number"}),
        ('{"$ref":"#/d"}', (), {"type": "number"}, {"type": "number"}),
        ('{"type":"string"}', (), {"title": "x"}, {"type": "string", "title": "x"}),
        (
            '{"anyOf":[{"type":"null"},{"properties":{"a":{}}}]}',
            ("a",),
            {"type": "number"},
            {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "number"}}}]},
        ),
        ("{}", ("a", "b"), {"type": "null"}, {"properties": {"a": {"properties": {"b": {"type": "null"}}}}}),
    ],
)
def test_a_fragment_replaces_keywords(
    schema: str, path: tuple[str, ...], fragment: dict[str, Any], expected: Any
) -> None:
    assert json.loads(merged(schema.encode(), [(path, fragment)])) == expected


def test_other_numbers_of_a_schema_keep_their_digits() -> None:
    schema = b'{"properties":{"a":{"type":"string"},"b":{"maximum":1.00000000000000000000000001}}}'
    assert b"1.00000000000000000000000001" in merged(schema, [(("a",), {"type": "number"})])


def test_a_shared_definition_is_changed_only_for_the_named_field() -> None:
    schema = (
        b'{"properties":{"a":{"$ref":"#/d/p"},"b":{"$ref":"#/d/p"}},"d":{"p":{"properties":{"x":{"type":"string"}}}}}'
    )
    result = json.loads(merged(schema, [(("a", "x"), {"type": "number"})]))
    assert result["properties"]["a"]["properties"]["x"] == {"type": "number"}
    assert result["properties"]["b"] == {"$ref": "#/d/p"}
    assert result["d"]["p"]["properties"]["x"] == {"type": "string"}


def test_metadata_is_in_the_catalog_of_a_tap() -> None:
    own = {"view-filter": "paid", "id": {"custom": 1}, "address.zip": {"custom": 2}, "other": {"nested": True}}
    streams = chosen("singer", metadata=own)
    (entry,) = json.loads(selected_catalog(offered("singer"), streams, legacy=False))["streams"]
    said = {tuple(each["breadcrumb"]): each["metadata"] for each in entry["metadata"]}
    assert said[()]["view-filter"] == "paid"
    assert said[()]["other"] == {"nested": True}
    assert said["properties", "id"] == {"selected": True, "custom": 1}
    assert said["properties", "address", "properties", "zip"] == {"custom": 2}


def test_metadata_of_a_stream_that_is_not_read_is_not_passed_on() -> None:
    two = singer_streams(
        json.dumps({"streams": [{"tap_stream_id": name, "schema": SCHEMA} for name in ("s", "t")]}).encode()
    )
    streams = select_streams(two, ["t"], {"s": StreamOptions(metadata={"x": 1})})
    found = json.loads(selected_catalog(two, streams, legacy=False))["streams"]
    assert [each["metadata"][0]["metadata"]["selected"] for each in found] == [False, True]
    assert "x" not in json.dumps(found[0]["metadata"])


def test_a_schema_of_a_field_is_merged_into_the_alternative_that_has_it() -> None:
    both = [{"type": "object", "properties": {name: {"type": "string"}}} for name in ("x", "y")]
    text = json.dumps({"properties": {"a": {"anyOf": [{"type": "null"}, *both, {"items": both[0], "type": "array"}]}}})
    for name, place in (("x", 1), ("y", 2), ("new", 1)):
        new = json.loads(merged(text.encode(), [(("a", name), {"type": "number"})]))["properties"]["a"]["anyOf"]
        assert new[place]["properties"][name] == {"type": "number"}
        others = [at for at in range(4) if at != place]
        assert [new[at] for at in others] == [json.loads(text)["properties"]["a"]["anyOf"][at] for at in others]


@pytest.mark.parametrize("around", [{"$ref": "#/definitions/x"}, {"anyOf": [{"$ref": "#/definitions/x"}]}])
@pytest.mark.parametrize("within", ["items", "allOf"])
def test_a_schema_that_refers_to_itself_gets_a_fragment(around: dict[str, Any], within: str) -> None:
    inner: Any = {"$ref": "#/definitions/x"}
    definition = {"type": "array", within: inner if within == "items" else [inner]}
    schema = {"properties": {"x": around}, "definitions": {"x": definition}}
    changed = json.loads(merged(json.dumps(schema).encode(), [(("x", "y"), {"type": "string"})]))
    assert '"y": {"type": "string"}' in json.dumps(changed["properties"]["x"])
    assert changed["definitions"] == schema["definitions"]
