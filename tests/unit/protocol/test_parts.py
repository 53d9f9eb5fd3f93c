"""Tests the parts of a line, of which `tests/cases/odd-lines.yaml` shows the effects."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol import airbyte, singer

DIALECTS = [airbyte.DIALECT, singer.DIALECT]
RECORDS = [
    b'{"type":"RECORD","record":{"stream":"s","data":{"a":1},"emitted_at":1}}',
    b'{"type":"RECORD","stream":"s","record":{"a":1}}',
]
PIECES = [
    *RECORDS,
    b'{"type":"STATE"',
    b'"type":"RECORD"',
    b"{",
    b"}",
    b'"',
    b"NaN",
    b"\xff",
    b"\0",
    b" ",
    b"'",
    b'{"a":',
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(DIALECTS), st.binary() | st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
def test_every_byte_of_a_line_is_in_a_part(dialect, line):
    """No line raises, and nothing but white space disappears."""
    parts = dialect.parts(line)
    assert sum(len(part.as_it_came.split()) for part in parts) >= (1 if line.strip() else 0)
    for part in parts:
        assert part.message is None or part.refused is None
        assert part.as_it_came in line or part.notes


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("line", "is_record"),
    [
        (b'{"type":"RECORD","record":', True),
        (b'{"type":"RECORD",{"type":"STATE"', False),
        (b'{"type":"RECORD",{"type":"RECORD"', False),
        (b'{"type":"STATE","value":', False),
        (b'{"type":"REC', False),
        (b'x {"type":"RECORD","record":{"stream":"s","data":{"a":tru}},"stream":"s"}', True),
    ],
)
def test_only_a_single_broken_record_may_be_set_aside(dialect, line, is_record):
    """The text of several messages, or of a state, cannot be set aside as one record."""
    (part,) = dialect.parts(line)
    assert part.refused
    assert part.is_record is is_record
    assert part.text == line


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"RECORD","record":{"stream":7,"data":{}}}', "Expected `str | null`"),
        (b'{"record":{"data":{"a":tru}},"type":"RECORD"}', "it is not valid JSON: invalid character (byte 24)"),
        (b'{"type":"RECORD","record":{"data":' + b"[" * 10_000 + b"]" * 10_000 + b"}}", "JSON is nested too deeply"),
        (b'{"type":"RECORD","record":{"data":' + b"[" * 1_500 + b"]" * 1_500 + b"}}", "JSON is nested too deeply"),
        (b'{"type":"RECORD", "x": 01}', "it is not valid JSON: invalid number (byte 24)"),
        (b'{"type":"RECORD","x":"a" "y":1}', "it is not valid JSON: expected ',' or '}' (byte 25)"),
        (b'{"type":"RECORD","x":NaN,"y":01}', "it is not valid JSON: invalid number (byte 31)"),
        (b'Got {1} {"type":"RECORD","x":01}', "it is not valid JSON: invalid number (byte 22)"),
        (b'{"type":"RECORD","x":NaN,"y":', "cannot be read: it is not complete JSON"),
        (b'{"type":"RECORD","x":1{"type":"RECORD"', "it is not complete JSON: another object begins inside of it"),
        (b'1},"type":"RECORD"}', "it is not complete JSON, because its beginning is missing"),
        (b'{"type":"TRACE","trace":{"type":"ERROR"', "it is not complete JSON"),
    ],
)
def test_a_message_of_airbyte_that_cannot_be_read_is_refused(line, reason):
    (part,) = airbyte.DIALECT.parts(line)
    assert part.message is None
    assert reason in part.refused


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"SCHEMA","stream":7}', "Expected `str | null`"),
        (b'{"type":"SCHEMA","stream":"s"', "of stream `s` cannot be read: it is not complete JSON"),
        (b'{"type":"BATCH","stream":"s","manifest":7}', "Expected `array`"),
    ],
)
def test_a_message_of_singer_that_cannot_be_read_is_refused(line, reason):
    (part,) = singer.DIALECT.parts(line)
    assert part.message is None
    assert reason in part.refused


@pytest.mark.parametrize("dialect", DIALECTS)
def test_many_messages_on_a_line_are_all_read(dialect):
    line = RECORDS[DIALECTS.index(dialect)] * 3000
    assert sum(part.message is not None for part in dialect.parts(line)) == 3000
