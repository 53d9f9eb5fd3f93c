"""Tests the fixtures of Airbyte's acceptance tests for destinations: the output equals the input."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpus.material import (
    FIXTURES,
    Number,
    Run,
    airbyte_records,
    exact,
    fixtures,
    flat,
    needs_corpus,
    read,
    selected,
    singer_records,
    streams_of,
)
from tapdock.errors import UsageError
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.translate.tables import TableNames

pytestmark = needs_corpus

CASES = json.loads((FIXTURES / "namespace_test_cases.json").read_bytes()) if FIXTURES.is_dir() else []
KINDS = [
    Namespacing(kind="source", prefix="p_"),
    Namespacing(kind="destination"),
    Namespacing(kind="customformat", format="raw_${SOURCE_NAMESPACE}"),
    Namespacing(),
]
ROUTES = ["airbyte-airbyte", "airbyte-singer"]


def as_declared(value: Any, schema: dict[str, Any]) -> Any:
    """Return the expected body in a Singer target: numbers that the withdrawn types have in strings are numbers."""
    if schema.get("$ref", "").endswith(("/Number", "/Integer")) and type(value) is str:
        return None if value in ("NaN", "Infinity", "-Infinity") else Number(value)
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        return {name: as_declared(item, declared.get(name, {})) for name, item in value.items()}
    if isinstance(value, list):
        items = schema.get("items", {})
        return [as_declared(item, items[0] if isinstance(items, list) else items) for item in value]
    return value


def states(data: bytes) -> list[Any]:
    return [message["state"] for message in read(data.splitlines(), "STATE")]


@pytest.mark.parametrize(("name", "file"), fixtures())
def test_every_record_arrives_in_a_singer_target_with_its_values(name: str, file: Path) -> None:
    data = file.read_bytes()
    streams = selected(streams_of(name))
    schemas = {stream.stream.name: stream.stream.json_schema for stream in streams}
    run = Run("airbyte-singer", streams, data, tables=TableNames(rules=("kept",)))  # else hyphens are replaced
    sent = [(stream, as_declared(body, schemas[stream])) for _, stream, body in airbyte_records(data.splitlines())]
    received = singer_records(run.out)
    assert sent
    assert received == sent
    assert [type(leaf) for _, body in received for leaf in flat(body)] == [
        type(leaf) for _, body in sent for leaf in flat(body)
    ]
    assert not run.logged()
    last = states(data)[-1]["data"] if states(data) else None
    assert exact(run.acknowledge() or "null") == last
    assert run.translator.states.settled


@pytest.mark.parametrize(("name", "file"), fixtures())
def test_an_airbyte_destination_gets_every_line_as_it_is(name: str, file: Path) -> None:
    data = file.read_bytes()
    run = Run("airbyte-airbyte", selected(streams_of(name)), data)
    own = data.splitlines()
    assert run.out[: len(own)] == own
    rest = [message["type"] for message in read(run.out[len(own) :])]
    assert rest == ([] if states(data) else ["STATE"] * len(run.streams)) + ["TRACE"] * len(run.streams)
    assert sum(report.records for report in run.translator.counts.reports()) == len(airbyte_records(own))
    assert not run.logged()
    assert not run.translator.states.settled
    committed = run.acknowledge()
    assert run.translator.states.settled
    if states(data):
        assert committed is not None
        assert exact(committed) == states(data)[-1]["data"]
        assert committed.encode() in own[-1]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("namespacing", KINDS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_record_and_a_state_of_any_namespace_find_their_stream(
    case: dict[str, Any], namespacing: Namespacing, route: str
) -> None:
    stream = Stream(
        name="data_stream", namespace=case["namespace"], json_schema={"properties": {"field1": {"type": "string"}}}
    )
    descriptor = {"name": "data_stream", "namespace": case["namespace"]}
    record = {"stream": "data_stream", "namespace": case["namespace"], "data": {"field1": "x"}, "emitted_at": 1}
    state = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": {"cursor": 1.50}}}
    data = b"\n".join(
        json.dumps(one).encode() for one in ({"type": "RECORD", "record": record}, {"type": "STATE", "state": state})
    )
    run = Run(route, (ConfiguredStream(stream=stream, sync_mode="incremental"),), data, namespacing=namespacing)
    assert run.translator.counts.reports()[0].records == 1
    assert json.loads(run.acknowledge() or "null") == [state]
    assert run.translator.states.settled
    assert {target_name(message) for message in read(run.out, "RECORD", "SCHEMA")} == {
        expected_name(namespacing, case["namespace"], route)
    }
    if route == "airbyte-airbyte":
        assert {target_name(message) for message in read(run.out)} == {
            expected_name(namespacing, case["namespace"], route)
        }


def target_name(message: dict[str, Any]) -> StreamKey:
    """Return the target's name for a message's stream."""
    match message:
        case {"type": "RECORD", "record": {"stream": str(name), **record}} if "data" in record:
            return StreamKey.of(record.get("namespace"), name)
        case {"state": {"stream": {"stream_descriptor": descriptor}}}:
            return StreamKey.of(descriptor.get("namespace"), descriptor["name"])
        case {"trace": {"stream_status": {"stream_descriptor": descriptor}}}:
            return StreamKey.of(descriptor.get("namespace"), descriptor["name"])
    return StreamKey(None, message["stream"])


def expected_name(namespacing: Namespacing, namespace: str, route: str) -> StreamKey:
    name = f"{namespacing.prefix}data_stream"
    mapped = {"destination": None, "customformat": f"raw_{namespace}"}.get(namespacing.kind or "", namespace)
    if route == "airbyte-singer":
        return StreamKey(None, f"{mapped}-{name}" if mapped else name)
    return StreamKey(mapped, name)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("namespacing", KINDS, ids=str)
def test_streams_of_many_namespaces_stay_distinct_or_are_refused(namespacing: Namespacing, route: str) -> None:
    schema = {"properties": {"field1": {"type": "string"}}}
    streams = tuple(
        ConfiguredStream(
            stream=Stream(name="data_stream", namespace=case["namespace"], json_schema=schema), sync_mode="incremental"
        )
        for case in CASES
    )
    records = [
        {"stream": "data_stream", "namespace": case["namespace"], "data": {"field1": case["id"]}} for case in CASES
    ]
    data = b"\n".join(json.dumps({"type": "RECORD", "record": record}).encode() for record in records)
    if namespacing.kind == "destination":
        with pytest.raises(UsageError, match="would both have the name `data_stream`"):
            Run(route, streams, data, namespacing=namespacing)
        return
    run = Run(route, streams, data, namespacing=namespacing)
    names = [target_name(message) for message in read(run.out, "RECORD")]
    assert names == [expected_name(namespacing, case["namespace"], route) for case in CASES]
    assert len(set(names)) == len(CASES)
