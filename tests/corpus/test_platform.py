"""Tests the Airbyte platform's own test data: a catalog in both protocols, recursive schemas, junk lines."""

import json
from typing import Any

import pytest

from corpus.material import PLATFORM, Run, exact, needs_corpus, selected
from tapdock.protocol.answer import read_answer
from tapdock.protocol.catalog import ConfiguredStream, Stream, parse_catalog
from tapdock.translate.catalogs.singer import selected_catalog, singer_streams
from tapdock.translate.schemas.to_airbyte import airbyte_schema

pytestmark = needs_corpus

JUNK = b"\n\nException in thread main\n\tat io.airbyte.X(X.java:1)\n[]\n{not json}\n"


def catalog(name: str) -> bytes:
    return (PLATFORM / f"{name}.json").read_bytes()


def without_selection(value: Any) -> Any:
    """Remove the metadata that is only for taps."""
    if isinstance(value, dict):
        return {name: without_selection(item) for name, item in value.items() if name not in ("selected", "inclusion")}
    return value


def test_a_taps_catalog_becomes_the_platforms_own() -> None:
    (theirs,) = parse_catalog(catalog("airbyte_postgres_catalog"))
    (ours,) = singer_streams(catalog("singer_postgres_catalog"))
    assert (ours.name, ours.json_schema) == (theirs.name, theirs.json_schema)
    assert ours.namespace is None
    assert ours.source_defined_primary_key == ()


def test_the_same_by_namespace() -> None:
    (ours,) = singer_streams(catalog("singer_postgres_catalog"), namespaced=True)
    assert str(ours.key) == "public.id_and_name"


def test_a_full_table_catalog_has_no_cursor() -> None:
    (stream,) = singer_streams(catalog("simple_postgres_full_table_sync_catalog"))
    assert stream.supported_sync_modes == ("full_refresh",)
    assert stream.default_cursor_field == ()
    assert "sdc_recursive" not in json.dumps(stream.json_schema)


@pytest.mark.parametrize("name", ["singer_postgres_catalog", "simple_postgres_full_table_sync_catalog"])
def test_a_selection_changes_nothing_but_the_selection(name: str) -> None:
    streams = singer_streams(catalog(name))
    back = json.loads(selected_catalog(streams, selected(streams), legacy=False))
    (before,), (after,) = json.loads(catalog(name))["streams"], back["streams"]
    assert after["schema"] == before["schema"]
    assert {key: after[key] for key in before if key != "metadata"} == {
        key: before[key] for key in before if key != "metadata"
    }
    said = {tuple(one["breadcrumb"]): one["metadata"] for one in after["metadata"]}
    assert said[()]["selected"]
    assert said[()]["replication-method"] == "FULL_TABLE"
    assert "forced-replication-method" not in said[()]
    assert all(said["properties", field]["selected"] for field in before["schema"]["properties"])
    for one in before["metadata"]:
        kept = {key: value for key, value in one["metadata"].items() if key not in ("selected", "replication-method")}
        assert kept.items() <= said[tuple(one["breadcrumb"])].items()


def test_stripes_schema_is_the_same_but_for_times_and_unions() -> None:
    schema = json.loads(catalog("stripe_schema_message"))["schema"]
    ours = airbyte_schema(schema)
    assert set(ours["properties"]) == set(schema["properties"])
    plain = [name for name, one in schema["properties"].items() if '"format"' not in json.dumps(one)]
    plain = [name for name in plain if "type" in schema["properties"][name]]
    assert plain
    for name in plain:
        assert ours["properties"][name] == without_selection(schema["properties"][name]), name


@pytest.mark.parametrize("depth", [1, 3])
def test_a_schema_that_refers_to_itself_is_resolved_on_both_routes_from_a_tap(depth: int) -> None:
    (entry,) = json.loads(catalog("singer_postgres_catalog"))["streams"]
    recursive = {"$ref": "#/definitions/sdc_recursive_integer_array"}
    schema = entry["schema"] | {"properties": {**entry["schema"]["properties"], "many": recursive}}
    value: Any = 7
    for _ in range(depth):
        value = [value]
    said = {"type": "SCHEMA", "stream": "id_and_name", "schema": schema, "key_properties": []}
    record = {"type": "RECORD", "stream": "id_and_name", "record": {"id": 1, "many": value}}
    data = b"".join(json.dumps(one).encode() + b"\n" for one in (said, record))
    same = Run("singer-singer", (), data)
    assert b"\n".join(same.out[1:]) + b"\n" == data
    run = Run("singer-airbyte", (), data)
    (stream,) = json.loads(run.catalog or b"")["streams"]
    assert "$ref" not in json.dumps(stream)
    assert stream["stream"]["json_schema"]["properties"]["many"]["type"] == ["null", "integer", "array"]
    assert exact(run.out[0])["record"]["data"]["many"] == exact(json.dumps(value))


@pytest.mark.parametrize("route", ["airbyte-airbyte", "airbyte-singer"])
@pytest.mark.parametrize("name", ["with-version", "without-version", "without-spec-message"])
def test_junk_among_real_logs_is_never_fatal(name: str, route: str) -> None:
    data = (PLATFORM / f"logs-{name}.jsonl").read_bytes()
    stream = Stream(name="s", json_schema={"properties": {"documentationUrl": {"type": "string"}}})
    run = Run(route, (ConfiguredStream(stream=stream, sync_mode="full_refresh"),), JUNK + data + JUNK)
    assert len(run.logged()) == 8 + sum(b'"LOG"' in line[:14] for line in data.splitlines())
    assert run.translator.counts.reports()[0].records == sum(b'"RECORD"' in line[:17] for line in data.splitlines())
    assert read_answer(JUNK + data).spec is not None or name == "without-spec-message"


@pytest.mark.parametrize("route", ["singer-airbyte", "singer-singer"])
def test_junk_of_a_tap_goes_to_the_log(route: str) -> None:
    said = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"id": {"type": "integer"}}}}
    lines = [
        json.dumps({**said, "key_properties": []}).encode(),
        b'{"type":"RECORD","stream":"s","record":{"id":1}}',
        b'{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}',
    ]
    plain = Run(route, (), b"\n".join(lines))
    run = Run(route, (), JUNK + (JUNK + b"\n").join(lines) + b"\n" + JUNK)
    assert run.out == plain.out
    assert len(run.logged("info")) == 4 * 4
    assert run.acknowledge() == plain.acknowledge()
