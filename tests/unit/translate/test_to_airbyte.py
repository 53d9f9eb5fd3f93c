"""Tests Singer to Airbyte where the protocols are open: unusual states, times and sequences that never decrease."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.project.model import Namespacing
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.singer_to_airbyte import SingerToAirbyte

SCHEMA = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]}\n'


class Run:
    def __init__(self, lines: bytes) -> None:
        self.now = 0.0
        given: dict[str, Any] = {
            "translation": TranslateOptions(spool=True),
            "emit": [].append,
            "clock": lambda: self.now,
        }
        self.translator = SingerToAirbyte(streams=(), saved=None, wall=lambda: self.now, **given)
        self.lines = lines
        self.translator.scan(lines)
        self.translator.catalog()

    def whole(self) -> list[Any]:
        out = self.translator.opening() + self.translator.feed(self.lines) + self.translator.closing(complete=True)
        return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("state", ["", ',"value":7', ',"value":[1]', ',"value":"x"'])
def test_a_state_that_is_no_object_is_refused(state: str) -> None:
    with pytest.raises(TranslationError, match="line 2: a state of the tap"):
        Run(SCHEMA + f'{{"type":"STATE"{state}}}\n'.encode()).whole()


def test_a_state_of_null_is_nothing() -> None:
    run = Run(SCHEMA + b'{"type":"STATE","value":null}\n')
    for message in run.whole():
        run.translator.acked(json.dumps(message).encode())
    assert run.translator.states.committed() is None
    assert run.translator.states.settled


TIMES = st.one_of(
    st.none(),
    st.datetimes(timezones=st.just(None)).map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.text(max_size=5),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(TIMES, max_size=8))
def test_times_and_sequences_only_go_forward(times: list[str | None]) -> None:
    lines = [
        {"type": "RECORD", "stream": "s", "record": {"id": 1}, **({} if time is None else {"time_extracted": time})}
        for time in times
    ]
    out = Run(SCHEMA + b"".join(json.dumps(line).encode() + b"\n" for line in lines)).whole()
    records = [message["record"] for message in out if message["type"] == "RECORD"]
    assert len(records) == len(times)
    emitted = [record["emitted_at"] for record in records]
    assert emitted == sorted(emitted)
    assert all(type(at) is int for at in emitted)
    sequence = [record["data"]["_sdc_sequence"] for record in records]
    assert sequence == sorted(set(sequence))


def test_a_state_is_sent_when_it_is_due_though_nothing_comes() -> None:
    run = Run(SCHEMA + b'{"type":"STATE","value":{"n":1}}\n')
    assert run.translator.feed(run.lines) == b""
    assert run.translator.due() == 1.0
    run.now = 1.5
    assert json.loads(run.translator.tick())["state"]["global"]["shared_state"] == {"singer_seq": 1}
    assert run.translator.due() is None


def declared(*fields: str, keys: str = '["id"]') -> bytes:
    properties = json.dumps({name: {"type": ["null", "string"]} for name in fields})
    said = f'{{"type":"SCHEMA","stream":"s","schema":{{"properties":{properties}}},"key_properties":{keys}}}\n'
    return said.encode()


def test_no_member_comes_twice_where_a_tap_has_columns_of_our_names() -> None:
    lines = declared("id", "_sdc_sequence", "_sdc_deleted_at", "_ab_cdc_deleted_at")
    record = b'{"type":"RECORD","stream":"s","record":{"id":"1","_sdc_sequence":"5","_sdc_deleted_at":"2020-01-01",'
    lines += record + b'"_ab_cdc_deleted_at":null}}\n'
    run = Run(lines)
    out = run.translator.feed(lines)
    assert out.count(b'"_sdc_sequence":') == 1
    assert out.count(b'"_ab_cdc_deleted_at":') == 1


def test_a_key_that_no_schema_declares_is_refused() -> None:
    """A destination would refuse the whole catalog, after all records were read (protocol.md 1.6)."""
    with pytest.raises(TranslationError, match="stream `s` has the key `zz`, which is not in its schema"):
        Run(declared("id", keys='["zz"]'))


def test_a_cursor_that_no_schema_declares_is_none() -> None:
    entry = {"tap_stream_id": "s", "replication_key": "at", "key_properties": ["id"]}
    offered = {"streams": [{**entry, "schema": {"properties": {"id": {"type": "integer"}, "at": {"type": "string"}}}}]}
    streams = select_streams(singer_streams(json.dumps(offered).encode()), [], {})
    run = SingerToAirbyte(
        streams=streams, saved=None, emit=[].append, clock=lambda: 0.0, translation=TranslateOptions(spool=True)
    )
    run.scan(SCHEMA)
    (stream,) = json.loads(run.catalog() or b"")["streams"]
    assert stream["cursor_field"] == ["_sdc_sequence"]
    assert "_sdc_sequence" in stream["stream"]["json_schema"]["properties"]


def test_two_streams_of_one_name_in_different_schemas() -> None:
    """The name without its schema means neither of them, so nothing may look it up."""
    entries = [
        {
            "tap_stream_id": f"{schema}-orders",
            "stream": f"{schema}-orders",
            "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            "metadata": [{"breadcrumb": [], "metadata": {"schema-name": schema}}],
        }
        for schema in ("shop", "archive")
    ]
    streams = singer_streams(json.dumps({"streams": entries}).encode(), namespaced=True)
    chosen = select_streams(streams, (), {})
    names = Namespacing(kind="source")
    translation = TranslateOptions(spool=True, namespacing=names)
    run = SingerToAirbyte(streams=chosen, saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=translation)
    lines = SCHEMA.replace(b'"s"', b'"shop-orders"') + SCHEMA.replace(b'"s"', b'"archive-orders"')
    run.scan(lines)
    catalog = json.loads(run.catalog() or b"")
    assert {str(each["stream"].get("namespace")) for each in catalog["streams"]} == {"shop", "archive"}
