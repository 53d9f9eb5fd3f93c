"""Messages that nobody of this project wrote: what real sources print, and Airbyte's own fixtures."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tapdock.catalog import ConfiguredStream, Stream, StreamKey, configured_catalog, parse_catalog
from tapdock.events import Event, Logged
from tapdock.protocol.answer import read_answer
from tapdock.selection import select_streams
from tapdock.translate.to_singer import AirbyteToSinger

CORPUS = Path(os.environ.get("TAPDOCK_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
FIXTURES = CORPUS / "airbyte-destination-fixtures"
CAPTURED = CORPUS / "captured-airbyte-sources"
PLATFORM = CORPUS / "airbyte-platform"

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the message corpus is not at {CORPUS}; TAPDOCK_CORPUS names another place"
)

NAMESAKES = {
    "v1/nan_type_test": "data_type_number_type_test",
    "v1/infinity_type_test": "data_type_integer_type_test",
}
"""Message files whose catalog has another name; `infinity_type_test` is of a stream that no catalog names."""


KINDS = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array", type(None): "string"}
"""For the one message file that has no catalog."""


class Number(str):
    """A number as it was written."""


def exact(text: bytes) -> Any:
    return json.loads(text, parse_float=Number, parse_int=Number)


def fixtures() -> list[tuple[str, Path]]:
    files = sorted(FIXTURES.glob("v*/*_messages.txt")) + sorted(FIXTURES.glob("v*/*_message.txt"))
    return [(f"{file.parent.name}/{file.stem.rpartition('_')[0]}", file) for file in files]


def streams_of(name: str) -> tuple[Stream, ...]:
    folder, _, stem = name.partition("/")
    if stem == "stripe":
        body = json.loads((FIXTURES / folder / "stripe_messages.txt").read_bytes().splitlines()[0])["record"]["data"]
        properties = {field: {"type": KINDS[type(value)]} for field, value in body.items()}
        return (Stream(name="customers", json_schema={"properties": properties}),)
    streams = parse_catalog((FIXTURES / folder / f"{NAMESAKES.get(name, stem)}_catalog.json").read_bytes())
    if name == "v1/infinity_type_test":
        return (Stream(name="infinity", json_schema=streams[0].json_schema),)
    return streams


def translated(streams: tuple[ConfiguredStream, ...], data: bytes, saved: str | None = None) -> Any:
    """The lines for the target, the events, and the translator after everything was acknowledged."""
    events: list[Event] = []
    run = AirbyteToSinger(streams=streams, saved=saved, emit=events.append, clock=lambda: 0.0)
    out = (run.opening() + run.feed(data) + run.closing(complete=True)).splitlines()
    run.acked(json.dumps(json.loads(out[-1])["value"]).encode())
    assert run.settled
    return out, events, run


def bodies(lines: list[bytes], *, key: str) -> list[Any]:
    messages = [exact(line) for line in lines if line.startswith(b"{")]
    records = [message for message in messages if message["type"] == "RECORD"]
    return [record["record"][key] if key == "data" else record[key] for record in records]


def as_declared(value: Any, schema: dict[str, Any]) -> Any:
    """What a body must be in the target: numbers that the withdrawn types carry in strings are numbers."""
    if schema.get("$ref", "").endswith(("/Number", "/Integer")) and type(value) is str:
        return None if value in ("NaN", "Infinity", "-Infinity") else Number(value)
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        return {name: as_declared(item, declared.get(name, {})) for name, item in value.items()}
    if isinstance(value, list):
        items = schema.get("items", {})
        return [as_declared(item, items[0] if isinstance(items, list) else items) for item in value]
    return value


@pytest.mark.parametrize(("name", "file"), fixtures(), ids=[name for name, _ in fixtures()])
def test_every_record_of_the_fixtures_arrives_with_its_values(name: str, file: Path) -> None:
    data = file.read_bytes()
    streams = select_streams(streams_of(name), [], {})
    schemas = {stream.stream.name: stream.stream.json_schema for stream in streams}
    out, events, run = translated(streams, data)
    sent = [
        as_declared(record["data"], schemas[record["stream"]])
        for line in data.splitlines()
        if (record := exact(line).get("record"))
    ]
    assert sent
    received = bodies(out, key="record")
    assert received == sent
    assert [type(value) for value in flat(received)] == [type(value) for value in flat(sent)]
    assert not [event for event in events if isinstance(event, Logged)]
    states = [exact(line)["state"]["data"] for line in data.splitlines() if b'"STATE"' in line]
    assert exact(run.committed() or "null") == (states[-1] if states else None)


def flat(value: Any) -> list[Any]:
    match value:
        case dict():
            return [leaf for item in value.values() for leaf in flat(item)]
        case list():
            return [leaf for item in value for leaf in flat(item)]
    return [value]


def configured(file: Path) -> tuple[ConfiguredStream, ...]:
    entries = json.loads(file.read_bytes())["streams"]
    streams = parse_catalog(json.dumps({"streams": [entry["stream"] for entry in entries]}).encode())
    keys = [tuple(tuple(path) for path in entry.get("primary_key") or ()) for entry in entries]
    return tuple(
        ConfiguredStream(
            stream=stream,
            sync_mode=entry["sync_mode"],
            cursor_field=tuple(entry.get("cursor_field") or ()),
            primary_key=key,
        )
        for stream, entry, key in zip(streams, entries, keys, strict=True)
    )


READS = [
    ("faker_cat_full.json", "faker_read_full_refresh.jsonl"),
    ("faker_cat_inc.json", "faker_read_incremental_1.jsonl"),
    ("faker_cat_inc.json", "faker_read_incremental_2.jsonl"),
    ("hc_cat.json", "hc_read.jsonl"),
]


@pytest.mark.parametrize(("catalog", "read"), READS, ids=[read for _, read in READS])
def test_every_record_of_a_real_source_arrives(catalog: str, read: str) -> None:
    data = (CAPTURED / read).read_bytes()
    streams = configured(CAPTURED / catalog)
    out, events, run = translated(streams, data)
    assert bodies(out, key="record") == bodies(data.splitlines(), key="data")
    assert bodies(out, key="stream") == [record["record"]["stream"] for record in records(data)]
    assert not [event for event in events if isinstance(event, Logged) and event.level == "warning"]
    assert {report.status for report in run.reports()} == {"complete"}
    assert run.failures() == ()


def records(data: bytes) -> list[Any]:
    return [message for line in data.splitlines() if (message := json.loads(line))["type"] == "RECORD"]


def test_the_saved_state_is_the_one_that_the_source_was_captured_with() -> None:
    streams = configured(CAPTURED / "faker_cat_inc.json")
    _, _, run = translated(streams, (CAPTURED / "faker_read_incremental_1.jsonl").read_bytes())
    assert json.loads(run.committed()) == json.loads((CAPTURED / "faker_state_1.json").read_bytes())
    _, _, second = translated(streams, (CAPTURED / "faker_read_incremental_2.jsonl").read_bytes(), run.committed())
    assert len(json.loads(second.committed())) == 3


@pytest.mark.parametrize("source", ["faker", "hc"])
def test_answers_of_real_sources(source: str) -> None:
    spec = read_answer((CAPTURED / f"{source}_spec.jsonl").read_bytes()).spec
    assert spec is not None
    assert "count" in json.loads(bytes(spec.connection_specification))["properties"]
    status = read_answer((CAPTURED / f"{source}_check.jsonl").read_bytes()).status
    assert status is not None
    assert status.status == "SUCCEEDED"


def test_a_refused_config_has_its_reason() -> None:
    status = read_answer((CAPTURED / "faker_check_bad.jsonl").read_bytes()).status
    assert status is not None
    assert (status.status, status.message) == (
        "FAILED",
        "Config validation error: 'x' is not of type 'integer'",
    )


@pytest.mark.parametrize("source", ["faker", "hc"])
def test_a_discovered_catalog_goes_back_as_it_came(source: str) -> None:
    catalog = read_answer((CAPTURED / f"{source}_discover.jsonl").read_bytes()).catalog
    assert catalog is not None
    streams = select_streams(parse_catalog(catalog), [], {})
    back = json.loads(configured_catalog(streams))["streams"]
    assert [entry["stream"] for entry in back] == json.loads(bytes(catalog))["streams"]
    if source == "faker":
        assert {entry["destination_sync_mode"] for entry in back} == {"append_dedup"}


@pytest.mark.parametrize("name", ["with-version", "without-version", "without-spec-message"])
def test_junk_among_real_logs_is_never_fatal(name: str) -> None:
    data = (PLATFORM / f"logs-{name}.jsonl").read_bytes()
    stream = Stream(name="s", json_schema={"properties": {"documentationUrl": {"type": "string"}}})
    junk = b"\n\nException in thread main\n\tat io.airbyte.X(X.java:1)\n[]\n{not json}\n"
    _, events, run = translated((ConfiguredStream(stream=stream, sync_mode="full_refresh"),), junk + data + junk)
    logged = [event.message for event in events if isinstance(event, Logged)]
    assert len(logged) == 8 + sum(b'"LOG"' in line[:14] for line in data.splitlines())
    assert run.reports()[0].records == sum(b'"RECORD"' in line[:17] for line in data.splitlines())
    assert read_answer(junk + data).spec is not None or name == "without-spec-message"


@pytest.mark.parametrize(
    "case",
    json.loads((FIXTURES / "namespace_test_cases.json").read_bytes()) if FIXTURES.is_dir() else [],
    ids=lambda case: case["id"],
)
def test_a_record_of_any_namespace_finds_its_stream(case: dict[str, Any]) -> None:
    stream = Stream(name="data_stream", namespace=case["namespace"], json_schema={"properties": {"field1": {}}})
    record = {"stream": "data_stream", "namespace": case["namespace"], "data": {"field1": "x"}}
    line = json.dumps({"type": "RECORD", "record": record}).encode()
    out, _, run = translated((ConfiguredStream(stream=stream, sync_mode="full_refresh"),), line)
    assert run.reports()[0].records == 1
    name = json.loads(out[0])["stream"]
    assert bodies(out, key="stream") == [name]
    assert stream.key == StreamKey.of(case["namespace"], "data_stream")
