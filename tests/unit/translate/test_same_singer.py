"""Tests Singer to Singer: lines that must be parsed (excluded fields, unusual lines), and lines that are not parsed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.events import Event, Logged
from tapdock.launch import SCRATCH
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.singer_to_singer import SingerToSinger

CATALOG = b'{"streams":[{"tap_stream_id":"s","schema":{"properties":{"a":{"type":"number"},"b":{"type":"string"}}}}]}'
SCHEMA = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{"a":{},"b":{}}},"key_properties":[]}\n'
RECORD = b'{"type":"RECORD","stream":"s","record":{"a":%s,"b":"x"}}\n'


class Run:
    def __init__(self, *select: str, **translation: Any) -> None:
        self.events: list[Event] = []
        streams = select_streams(singer_streams(CATALOG), select, {})
        given: dict[str, Any] = {
            "emit": self.events.append,
            "clock": lambda: 0.0,
            "translation": TranslateOptions(**translation),
        }
        self.translator = SingerToSinger(streams=streams, saved=None, **given)

    def feed(self, *parts: bytes) -> list[bytes]:
        return self.translator.feed(b"".join(parts)).splitlines()

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Logged) and event.level == "warning"]


@pytest.mark.parametrize(("odd", "instead"), [(b"NaN", None), (b"-Infinity", None), (b'"\\ud800"', "\ufffd")])
def test_an_odd_value_is_mended_where_a_field_is_left_out(odd: bytes, instead: str | None) -> None:
    run = Run("s.a")
    *_, record = run.feed(SCHEMA, RECORD % odd)
    assert json.loads(record)["record"] == {"a": instead}
    assert len(run.warnings()) == 1
    assert run.warnings()[0].startswith("line 2:")


@pytest.mark.parametrize("schema", [b"null", b"[1]", b'{"properties":[1]}'])
def test_a_schema_that_is_none_is_refused_by_its_line(schema: bytes) -> None:
    line = b'{"type":"SCHEMA","stream":"s","schema":%s,"key_properties":[]}\n' % schema
    with pytest.raises(TranslationError, match=r"line 1: .*`s`"):
        Run("s.a").feed(line)


@pytest.mark.parametrize("value", [b"7", b"[1]", b'"x"'])
def test_a_state_that_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(TranslationError, match="line 2: a state of the tap"):
        Run("s").feed(SCHEMA, b'{"type":"STATE","value":%s}\n' % value)


def test_a_last_line_that_was_cut_is_read_whole() -> None:
    run = Run("s")
    run.feed(SCHEMA, RECORD % b"1", RECORD % b"2")
    with pytest.raises(TranslationError, match=r"line 4: .*not complete JSON"):
        run.feed(b'{"type":"RECORD","stream":"s","record":{"a":{"x":1}')


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.sampled_from(
            [
                RECORD % b"1",
                RECORD % b'{"type":"RECORD"}',
                b'{"type":"RECORD","stream":"t","record":{"a":1}}\n',
                b'{"type":"RECORD","stream":"s","record":{"a":1},"version":3}\n',
                b'{"record":{"a":1},"stream":"s","type":"RECORD"}\n',
                b'{"type":"STATE","value":{"n":1}}\n',
                b'{"type":"ACTIVATE_VERSION","stream":"s","version":3}\n',
                b"junk }\n",
                b"\n",
                SCHEMA,
            ]
        ),
        max_size=12,
    ),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
)
def test_however_lines_come_in_batches_the_same_goes_out(lines: list[bytes], sizes: list[int]) -> None:
    """The fast recognition of lines has the same result as parsing."""
    single, batched = Run("s"), Run("s")
    one = [out for line in lines for out in single.feed(line)] + single.translator.closing(complete=True).splitlines()
    many, at = [], 0
    while at < len(lines):
        size = sizes[at % len(sizes)]
        many += batched.feed(*lines[at : at + size])
        at += size
    many += batched.translator.closing(complete=True).splitlines()
    assert many == one
    assert [line for line in lines if b'"RECORD","stream"' in line] == [
        line + b"\n" for line in one if b'"RECORD","stream"' in line
    ]
    counts = [(report.stream, report.records) for report in single.translator.counts.reports()]
    assert counts == [(report.stream, report.records) for report in batched.translator.counts.reports()]
    assert sum(count for _, count in counts) == sum(b'"record"' in line for line in lines)
    assert single.events == batched.events


def test_rows_of_files_that_became_records_have_no_version(tmp_path: Path) -> None:
    """A target deletes rows without a version, so no activation may follow such rows."""
    (tmp_path / "a").write_bytes(b'{"id":1}\n')
    batch = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"file://{SCRATCH}/a"]}
    activate = {"type": "ACTIVATE_VERSION", "stream": "s", "version": 7}
    translation = TranslateOptions(scratch=str(tmp_path))
    run = SingerToSinger(streams=(), saved=None, emit=[].append, clock=lambda: 0.0, translation=translation)
    out = run.feed(SCHEMA + json.dumps(batch).encode() + b"\n" + json.dumps(activate).encode() + b"\n")
    assert b'"record":{"id":1}' in out
    assert b"ACTIVATE" not in out + run.closing(complete=True)


def test_a_stream_with_a_schema_and_no_rows_was_reached() -> None:
    route = SingerToSinger(streams=(), saved=None, emit=lambda _: None, clock=lambda: 0.0)
    route.feed(b'{"type":"SCHEMA","stream":"users","schema":{"properties":{}},"key_properties":[]}\n')
    assert [report.status for report in route.counts.reports()] == ["running"]


def test_the_excluded_fields_of_the_stream_that_a_line_names_last_are_removed() -> None:
    catalog = [{"tap_stream_id": name, "schema": {"properties": {"a": {}, "b": {}}}} for name in ("s", "p")]
    streams = select_streams(singer_streams(json.dumps({"streams": catalog}).encode()), ("!p.b",), {})
    translator = SingerToSinger(streams=streams, saved=None, emit=lambda _: None, clock=lambda: 0.0)
    odd = (RECORD % b"2")[:-2] + b',"stream":"p"}\n'
    assert translator.feed(SCHEMA + RECORD % b"1" + RECORD % b"1").count(b'"b":"x"') == 2
    (record,) = [json.loads(line) for line in translator.feed(odd).splitlines()]
    assert (record["stream"], record["record"]) == ("p", {"a": 2})
