import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol.singer import parse_state, record_end, record_start, rfc3339, schema_line, state_line


def test_a_schema_has_key_properties_even_when_there_are_none() -> None:
    line = schema_line("s", {"type": "object", "properties": {}}, key_properties=())
    assert json.loads(line) == {
        "type": "SCHEMA",
        "stream": "s",
        "schema": {"type": "object", "properties": {}},
        "key_properties": [],
    }
    assert line.endswith(b"\n")


@settings(deadline=None)
@given(st.text(), st.integers(0, 4_000_000_000_000))
def test_start_and_end_make_a_record_of_any_body(stream: str, emitted_at: int) -> None:
    record = json.loads(record_start(stream) + b'{"a":1}' + record_end(emitted_at))
    assert (record["stream"], record["record"]) == (stream, {"a": 1})
    assert record["time_extracted"] == rfc3339(emitted_at)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (1795340047228.081, "2026-11-22T09:34:07.228+00:00"),
        (-1, "1969-12-31T23:59:59.999+00:00"),
        (10**18, None),
        (10**400, None),
    ],
)
def test_rfc3339(milliseconds: float, text: str | None) -> None:
    assert rfc3339(milliseconds) == text


@pytest.mark.parametrize("line", [b"", b"\n", b"{}", b"null", b"7", b"[]", b"INFO", b'{"a":', b"\xff", b"[" * 5000])
def test_what_is_no_state(line: bytes) -> None:
    assert parse_state(line) is None


def test_a_printed_state_comes_back_raw() -> None:
    line = state_line({"seq": 1})
    assert line == b'{"type":"STATE","value":{"seq":1}}\n'
    state = parse_state(b' {"seq": 1} \r\n')
    assert state is not None
    assert bytes(state) == b'{"seq": 1}'
