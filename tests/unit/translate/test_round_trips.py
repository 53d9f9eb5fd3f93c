"""Tests round trips through two routes: the output of the second route equals the input of the first."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey, configured, parse_catalog
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import TranslateOptions
from tapdock.translate.names import singer_names
from tapdock.translate.singer_to_airbyte import SingerToAirbyte
from tapdock.translate.tables import TableNames
from tapdock.translate.write.airbyte_stream import SEQUENCE
from unit.translate.generated import RAW, Rows, catalogs, exact, orders

pytestmark = pytest.mark.long

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


KEPT = TableNames(rules=("kept",))
"""The target keeps names, so that names of any characters are unchanged."""


def to_singer(streams: tuple[ConfiguredStream, ...]) -> AirbyteToSinger:
    translation = TranslateOptions(tables=KEPT)
    return AirbyteToSinger(streams=streams, saved=None, emit=unexpected, clock=lambda: 0.0, translation=translation)


def to_airbyte() -> SingerToAirbyte:
    translation = TranslateOptions(spool=True)
    return SingerToAirbyte(
        streams=(), saved=None, emit=unexpected, clock=lambda: 0.0, translation=translation, wall=lambda: 9.0
    )


def unexpected(event: Any) -> None:
    raise AssertionError(event)


def spooled(run: SingerToAirbyte, lines: bytes) -> tuple[tuple[ConfiguredStream, ...], bytes]:
    """Return the destination's streams, and all lines that it gets."""
    run.scan(lines)
    catalog = json.loads(run.catalog() or b"")["streams"]
    streams = parse_catalog(json.dumps({"streams": [entry["stream"] for entry in catalog]}).encode())
    chosen = tuple(
        configured(stream, entry["sync_mode"], cursor=(), key=stream.source_defined_primary_key, excluded=())
        for stream, entry in zip(streams, catalog, strict=True)
    )
    return chosen, run.opening() + run.feed(lines) + run.closing(complete=True)


def bodies(lines: bytes, *, within: str | None) -> dict[str, list[Any]]:
    """Return bodies by stream, without the number that keeps their order: of a RECORD or of an inner object."""
    found: dict[str, list[Any]] = {}
    for line in lines.splitlines():
        message = exact(line)
        if message["type"] == "RECORD":
            record = message[within] if within else message
            body = dict(record["data" if within else "record"])
            body.pop(SEQUENCE, None)
            found.setdefault(record["stream"], []).append(body)
    return found


def airbyte_lines(catalog: list[Rows], order: list[tuple[int, int]]) -> bytes:
    lines = []
    for at, number in order:
        key = catalog[at].stream.stream.key
        namespace = f'"namespace":{json.dumps(key.namespace)},' if key.namespace else ""
        body = catalog[at].bodies[number]
        lines.append(
            f'{{"type":"RECORD","record":{{"stream":{json.dumps(key.name)},{namespace}"data":{body},"emitted_at":7}}}}\n'
        )
    return "".join(lines).encode()


def singer_lines(catalog: list[Rows], order: list[tuple[int, int]]) -> bytes:
    lines = []
    for one in catalog:
        key = [path[0] for path in one.stream.primary_key]
        said = {"stream": one.stream.stream.name, "schema": one.stream.stream.json_schema, "key_properties": key}
        lines.append(json.dumps({"type": "SCHEMA", **said}) + "\n")
    for at, number in order:
        name = json.dumps(catalog[at].stream.stream.name)
        lines.append(f'{{"type": "RECORD", "stream": {name}, "record": {catalog[at].bodies[number]}}}\n')
    return "".join(lines).encode()


@QUICK
@given(st.data(), catalogs(namespaces=True))
def test_records_come_back_from_singer_as_they_were(data: st.DataObject, catalog: list[Rows]) -> None:
    order = data.draw(orders(catalog))
    streams = tuple(one.stream for one in catalog)
    try:
        names = singer_names((stream.stream.key for stream in streams), tables=KEPT)
    except UsageError:
        return
    first, second = to_singer(streams), to_airbyte()
    between = first.opening() + first.feed(airbyte_lines(catalog, order)) + first.closing(complete=True)
    landed, out = spooled(second, between)
    assert [stream.stream.key for stream in landed] == [
        StreamKey(None, names[one.stream.stream.key]) for one in catalog
    ]
    assert [stream.primary_key for stream in landed] == [one.stream.primary_key for one in catalog]
    assert bodies(out, within="record") == {
        names[one.stream.stream.key]: [exact(body) for body in one.expected] for one in catalog if one.bodies
    }
    for one, report in zip(catalog, second.counts.reports(), strict=True):
        assert (report.records, report.status) == (len(one.bodies), "complete")


@QUICK
@given(st.data(), catalogs(namespaces=False))
def test_records_come_back_from_airbyte_as_they_were(data: st.DataObject, catalog: list[Rows]) -> None:
    order = data.draw(orders(catalog))
    first = to_airbyte()
    landed, between = spooled(first, singer_lines(catalog, order))
    second = to_singer(landed)
    out = second.opening() + second.feed(between) + second.closing(complete=True)
    assert bodies(out, within=None) == {
        one.stream.stream.name: [exact(body) for body in one.expected] for one in catalog if one.bodies
    }
    schemas = [json.loads(line) for line in out.splitlines() if b'"SCHEMA"' in line]
    for one, schema in zip(catalog, schemas, strict=True):
        assert schema["key_properties"] == [path[0] for path in one.stream.primary_key]
        assert set(one.stream.stream.json_schema["properties"]) <= set(schema["schema"]["properties"])


def state_lines(texts: list[str]) -> bytes:
    return "".join(f'{{"type":"STATE","value":{text}}}\n' for text in texts).encode()


@QUICK
@given(st.lists(st.dictionaries(st.text(max_size=3), RAW, max_size=3), max_size=5))
def test_a_singer_state_comes_back_through_both_routes(states: list[dict[str, str]]) -> None:
    """The state becomes a GLOBAL state, then a token, and finally its original text. Empty states are left out."""
    given = ["{" + ",".join(f"{json.dumps(name)}:{raw}" for name, raw in one.items()) + "}" for one in states]
    texts = [text for text in given if text != "{}"]
    schema = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":[]}\n'
    first = to_airbyte()
    landed, between = spooled(first, schema + state_lines(given))
    second = to_singer(landed)
    out = second.opening() + second.feed(between) + second.closing(complete=True)
    tokens = [json.dumps(json.loads(line)["value"]).encode() for line in out.splitlines() if b'"STATE"' in line]
    assert not second.acked(tokens[0])
    assert second.acked(tokens[-1])
    (saved,) = json.loads(second.states.committed() or "")
    assert first.acked(json.dumps({"type": "STATE", "state": saved}).encode()) == bool(texts)
    assert first.states.committed() == (texts[-1] if texts else None)
    assert first.states.settled
    assert second.states.settled


@QUICK
@given(st.lists(st.tuples(st.sampled_from(["a", "n.b"]), RAW), max_size=6))
def test_an_airbyte_state_comes_back_through_both_routes(states: list[tuple[str, str]]) -> None:
    """The state becomes a token, then a GLOBAL state, and finally its original text."""
    keys = {"a": StreamKey(None, "a"), "n.b": StreamKey("n", "b")}
    descriptors = {"a": '{"name":"a"}', "n.b": '{"name":"b","namespace":"n"}'}
    said = [
        f'{{"type":"STREAM","stream":{{"stream_descriptor":{descriptors[name]},"stream_state":{{"v":{raw}}}}}}}'
        for name, raw in states
    ]
    schema = {"properties": {"id": {"type": "integer"}}}
    streams = tuple(
        ConfiguredStream(
            stream=Stream(name=key.name, namespace=key.namespace, json_schema=schema), sync_mode="incremental"
        )
        for key in keys.values()
    )
    first = to_singer(streams)
    lines = "".join(f'{{"type":"STATE","state":{text}}}\n' for text in said).encode()
    between = first.opening() + first.feed(lines) + first.closing(complete=True)
    second = to_airbyte()
    _, out = spooled(second, between)
    assert second.acked(next(line for line in out.splitlines() if b'"STATE"' in line))
    assert second.states.committed() is not None
    assert first.acked((second.states.committed() or "").encode()) == bool(said)
    last = {name: text for (name, _), text in zip(states, said, strict=True)}
    assert sorted(json.loads(first.states.committed() or "[]"), key=json.dumps) == sorted(
        map(json.loads, last.values()), key=json.dumps
    )
    assert all(text in (first.states.committed() or "") for text in last.values())
