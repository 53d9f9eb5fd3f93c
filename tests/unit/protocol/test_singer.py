import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol.singer import (
    DIALECT,
    ActivateMessage,
    RecordMessage,
    activate_line,
    milliseconds,
    nulled_fields,
    parse_state,
    record_end,
    record_start,
    rfc3339,
    schema_line,
    state_line,
)


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


WORDS = st.sampled_from(["SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=80)
@given(JSON, st.booleans(), st.sampled_from([str.upper, str.lower, str.title]))
def test_a_record_is_read_whatever_the_case_of_its_type_and_its_body_stays(
    body: object, ascii_only: bool, cased: Callable[[str], str]
) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only)
    line = f' {{"type":"{cased("RECORD")}","stream":"s","record":{raw},"more":1}}\r'.encode()
    (part,) = DIALECT.parts(line)
    assert isinstance(part.message, RecordMessage)
    assert bytes(part.message.record).decode() == raw
    assert (part.notes, nulled_fields(part)) == ((), ())


@settings(deadline=None, max_examples=60)
@given(WORDS, st.data())
def test_a_message_that_was_cut_is_refused_and_never_read(kind: str, data: st.DataObject) -> None:
    whole = b'{"type":"%s","stream":"s","record":{"a":{"b":[1]}},"value":{}}' % kind.encode()
    cut = data.draw(st.integers(len(b'{"type":"'), len(whole) - 1))
    (part,) = DIALECT.parts(whole[:cut])
    assert part.message is None
    assert part.refused
    assert part.refused.endswith("it is not complete JSON")


def test_numbers_that_are_none_become_null_and_are_named() -> None:
    (part,) = DIALECT.parts(
        b'{"type":"RECORD","stream":"s","record":{"a":NaN,"b":[{"c":-Infinity}],"d":"NaN","e":1.50}}'
    )
    assert isinstance(part.message, RecordMessage)
    assert bytes(part.message.record) == b'{"a":null,"b":[{"c":null}],"d":"NaN","e":1.50}'
    assert set(nulled_fields(part)) == {"a", "b"}


@settings(deadline=None, max_examples=60)
@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_go_there_and_back(at: int) -> None:
    text = rfc3339(at)
    assert text is not None
    assert milliseconds(text) == at
    assert milliseconds(text.replace("+00:00", "Z")) == at


@pytest.mark.parametrize("text", ["", "yesterday", "2020-13-01T00:00:00Z", "0044-03-15 BC"])
def test_what_is_no_time(text: str) -> None:
    assert milliseconds(text) is None


def test_a_time_without_an_offset_is_utc() -> None:
    assert milliseconds("1970-01-01T00:00:01") == 1000
    assert milliseconds("1970-01-01T02:00:01+02:00") == 1000


def test_an_activation_is_a_message_of_its_own() -> None:
    (part,) = DIALECT.parts(activate_line('a"b', 7))
    assert part.message == ActivateMessage(stream='a"b', version=7)
