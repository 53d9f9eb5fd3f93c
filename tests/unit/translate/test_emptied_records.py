"""Tests that a record never arrives as `{}` because its only fields are excluded."""

import json
from pathlib import Path

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import UsageError
from tapdock.events import Event, Logged
from tapdock.launch import SCRATCH
from tapdock.protocol.catalog import Stream, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog

SCHEMA = {"properties": {"a": {"type": ["null", "string"]}, "b": {"type": ["null", "string"]}}}
DECLARED = {"type": "SCHEMA", "stream": "s", "schema": SCHEMA, "key_properties": []}


def offered(route: str, *names: str) -> tuple[Stream, ...]:
    schema = {"properties": {name: SCHEMA["properties"][name] for name in names}}
    if route.startswith("singer"):
        entry = {"tap_stream_id": "s", "stream": "s", "schema": schema}
        return singer_streams(json.dumps({"streams": [entry]}).encode())
    return parse_catalog(json.dumps({"streams": [{"name": "s", "json_schema": schema}]}).encode())


def begun(route: str, events: list[Event], scratch: Path | None = None) -> Translator:
    translation = TranslateOptions(scratch=str(scratch) if scratch else None)
    streams = select_streams(offered(route, "a", "b"), ["!s.b"], {})
    run = ROUTES[route](streams=streams, saved=None, emit=events.append, clock=lambda: 0.0, translation=translation)
    run.opening()
    if route.startswith("singer"):
        run.feed(json.dumps(DECLARED).encode() + b"\n")
    return run


@pytest.mark.parametrize("route", ROUTES)
def test_a_stream_without_selected_fields_is_refused(route: str) -> None:
    with pytest.raises(UsageError, match="no field of stream `s` is selected"):
        select_streams(offered(route, "b"), ["!s.b"], {})


def test_so_is_one_of_a_wrapped_tap() -> None:
    catalog = singer_catalog(offered("airbyte", "b"))
    catalog["streams"][0]["metadata"][-1]["metadata"]["selected"] = False
    catalog["streams"][0]["metadata"][0]["metadata"]["airbyte-stream"] = json.loads(offered("airbyte", "b")[0].raw)
    with pytest.raises(UsageError, match="no field of stream `s` is selected"):
        selected_streams(json.dumps(catalog).encode())


def expect(run: Translator, events: list[Event], sent: bytes) -> None:
    lines = [json.loads(line) for line in sent.splitlines()]
    records = [line["record"] for line in lines if line["type"] == "RECORD"]
    assert [record.get("data", record) for record in records] == [{"a": "1"}]
    (report,) = run.counts.reports()
    assert (report.records, report.empty) == (1, 1)
    run.closing(complete=True)
    assert "1 empty records were skipped: `s` 1" in [event.message for event in events if isinstance(event, Logged)]


@pytest.mark.parametrize("route", ROUTES)
def test_a_record_of_excluded_fields_is_skipped_and_counted(route: str) -> None:
    events: list[Event] = []
    run = begun(route, events)
    bodies = ['{"b":"2"}', '{"a":"1","b":"2"}']
    if route.startswith("singer"):
        lines = [f'{{"type":"RECORD","stream":"s","record":{body}}}\n' for body in bodies]
    else:
        lines = [f'{{"type":"RECORD","record":{{"stream":"s","data":{body},"emitted_at":1}}}}\n' for body in bodies]
    expect(run, events, run.feed("".join(lines).encode()))


@pytest.mark.parametrize("route", ["singer-singer", "singer-airbyte"])
def test_also_from_a_file(tmp_path: Path, route: str) -> None:
    events: list[Event] = []
    run = begun(route, events, tmp_path)
    (tmp_path / "f").write_text('{"b":"2"}\n{"a":"1","b":"2"}\n')
    message = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"file://{SCRATCH}/f"]}
    expect(run, events, run.feed(json.dumps(message).encode() + b"\n"))
