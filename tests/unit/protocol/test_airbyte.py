import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol.airbyte import DIALECT, RecordMessage, control_config, level_of
from tapdock.protocol.answer import read_answer

RECORD = b'{"type":"RECORD","record":{"stream":"s","data":%s,"emitted_at":1}}'


def body(line: bytes) -> bytes:
    message = DIALECT.parts(line)[0].message
    assert isinstance(message, RecordMessage)
    assert message.record is not None
    return bytes(message.record.data)


def test_a_record_may_come_with_its_type_last() -> None:
    assert body(b'{"record":{"stream":"s","data":{ "a":1}},"type":"RECORD"}') == b'{ "a":1}'


PIECES = [
    b'{"type":"RECORD","record":',
    b'{"stream":"s","data":',
    b"{",
    b"}",
    b'"',
    b"NaN",
    b"\\ud83d",
    b"\xff",
    b" ",
    b"1",
]


@settings(deadline=None)
@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_bytes_are_parsed_without_an_error(line: bytes) -> None:
    DIALECT.parts(line)


@settings(deadline=None)
@given(st.binary(), st.integers(0, 80))
def test_a_damaged_record_never_raises(damage: bytes, place: int) -> None:
    line = RECORD % b'{"a":"b"}'
    DIALECT.parts(line[:place] + damage + line[place:])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@pytest.mark.long
@settings(deadline=None)
@given(
    st.dictionaries(st.text(), VALUES, max_size=4),
    st.sampled_from([None, 1]),
    st.sampled_from([b"", b" junk", b" {"]),
)
def test_a_body_survives_byte_for_byte(value: dict[str, object], indent: int | None, garbage: bytes) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", "\t").encode()
    assert body(RECORD % data + garbage) == data


@pytest.mark.parametrize(
    ("level", "ours"),
    [("FATAL", "error"), ("WARN", "warning"), ("trace", "debug"), ("INFO", "info"), ("?", "info")],
)
def test_levels(level: str, ours: str) -> None:
    assert level_of(level) == ours


def test_the_last_answer_of_each_kind_counts() -> None:
    answer = read_answer(
        b"""Picked up options
{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":1.5,"connectorConfig":{"config":{"t":1.50}}}}
{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}
{"type":"LOG","log":{"level":"WARN","message":"slow"}}
{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1.5,"error":{"message":"m","failure_type":"config_error"}}}
{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":1,"connectorConfig":{"config":{"t": 2}}}}
{"type":"CONNECTION_STATUS","connectionStatus":{"status":"FAILED","message":"no"}}
{"type":"TRACE","trace":7}
{"type":"SPEC","spec":{"connectionSpecification":{"a": 1},"supported_destination_sync_modes":["append"]}}"""
    )
    assert answer.status is not None
    assert (answer.status.status, answer.status.message) == ("FAILED", "no")
    assert answer.config == '{"t": 2}'
    assert answer.error is not None
    assert answer.error.failure_type == "config_error"
    assert answer.spec is not None
    assert bytes(answer.spec.connection_specification) == b'{"a": 1}'
    assert answer.spec.supported_destination_sync_modes == ("append",)
    assert answer.logs[:2] == (("info", "Picked up options"), ("warning", "slow"))
    assert len(answer.logs) == 3


def test_a_control_without_a_config_is_none() -> None:
    assert control_config(msgspec.Raw(b'{"type":"X"}')) is None
    assert control_config(msgspec.Raw(b"[]")) is None
