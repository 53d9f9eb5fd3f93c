"""Tests that an error in a TRACE stays an error, whatever the types of its parts are."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.protocol.airbyte import StreamDescriptor
from tapdock.protocol.traces import StreamStatus, TraceError, read_trace

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PARTS = ("message", "internal_message", "stack_trace", "failure_type", "stream_descriptor")
USERS = {"name": "users"}


def error(**parts: Any) -> TraceError | None:
    return read_trace(Raw(json.dumps({"type": "ERROR", "emitted_at": 1.5, "error": parts}).encode())).error


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"message": "no access"}, "no access"),
        ({"message": None}, ""),
        ({}, ""),
        ({"message": None, "internal_message": "disk full"}, "disk full"),
        ({"message": " ", "internal_message": {"code": 7}}, '{"code": 7}'),
        ({"message": None, "stack_trace": ["Traceback", " at x", "OSError: disk full"]}, "OSError: disk full"),
        ({"message": 5}, "5"),
        ({"message": ["a", "b"]}, "a\nb"),
        ({"message": {"text": "no access"}}, '{"text": "no access"}'),
        ({"message": "no access", "stack_trace": [1], "internal_message": False, "failure_type": 3}, "no access"),
    ],
)
def test_the_words_of_an_error(parts: dict[str, Any], words: str) -> None:
    found = error(**parts)
    assert found is not None
    assert found.words == words


@pytest.mark.parametrize(
    ("descriptor", "stream", "about"),
    [
        (None, None, None),
        ({}, None, None),
        (USERS, StreamDescriptor("users"), None),
        ("users", StreamDescriptor("users"), None),
        ({**USERS, "namespace": ""}, StreamDescriptor("users", ""), None),
        ({**USERS, "namespace": None, "more": 1}, StreamDescriptor("users"), None),
        ({"name": None}, None, '{"name": null}'),
        ({"name": ""}, None, '{"name": ""}'),
        ({**USERS, "namespace": 5}, None, '{"name": "users", "namespace": 5}'),
        ([USERS], None, '[{"name": "users"}]'),
        (7, None, "7"),
    ],
)
def test_the_stream_of_an_error(descriptor: Any, stream: StreamDescriptor | None, about: str | None) -> None:
    found = error(message="m", stream_descriptor=descriptor)
    assert found is not None
    assert (found.stream, found.about) == (stream, about)


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"ERROR"}',
        '{"type":"ERROR","error":null}',
        '{"type":"ERROR","error":"disk full"}',
        '{"type":"ERROR","error":["disk full"]}',
        '{"type":"error","error":{}}',
        '{"type":null,"error":{"message":"disk full"}}',
        '{"error":{"message":"disk full"}}',
        '{"type":7,"error":{"message":"disk full"}}',
        '{"type":"ERROR","error":{"message":"half \\ud800"}}',
        '{"type":"ERROR","error":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}",
        '[{"type":"ERROR"}]',
    ],
)
def test_it_is_an_error(body: str) -> None:
    assert read_trace(Raw(body.encode())).error is not None


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"ESTIMATE","estimate":null}',
        '{"type":"ESTIMATE","estimate":[1],"error":null}',
        '{"type":"ANALYTICS","analytics":"ERROR"}',
        '{"type":"STREAM_STATUS"}',
        '{"type":"NEW","error":{}}',
        "{}",
        "null",
        "7",
        '"ERROR"',
        "",
    ],
)
def test_it_is_not_an_error(body: str) -> None:
    assert read_trace(Raw(body.encode()))[:2] == (None, None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"stream_descriptor": USERS, "status": "INCOMPLETE"}, ("INCOMPLETE", StreamDescriptor("users"), None)),
        ({"stream_descriptor": USERS, "status": " in_complete"}, ("INCOMPLETE", StreamDescriptor("users"), None)),
        ({"stream_descriptor": {"name": 5}, "status": "Incomplete"}, ("INCOMPLETE", None, '{"name": 5}')),
        ({"status": "INCOMPLETE"}, ("INCOMPLETE", None, None)),
        ("INCOMPLETE", ("INCOMPLETE", None, None)),
        ({"stream_descriptor": USERS, "status": None}, ("", StreamDescriptor("users"), None)),
        ({"stream_descriptor": USERS, "status": 5}, ("", StreamDescriptor("users"), None)),
    ],
)
def test_a_status(status: Any, expected: tuple[Any, ...]) -> None:
    body = json.dumps({"type": "STREAM_STATUS", "emitted_at": None, "stream_status": status})
    assert read_trace(Raw(body.encode())).status == StreamStatus(*expected)


@pytest.mark.long
@given(st.dictionaries(st.sampled_from(PARTS), VALUES))
@settings(max_examples=300, deadline=None)
def test_an_error_of_any_parts_is_an_error(parts: dict[str, Any]) -> None:
    found = error(**parts)
    assert found is not None
    assert isinstance(found.words, str)
    if isinstance(parts.get("message"), str) and parts["message"].strip():
        assert found.words == parts["message"]


@pytest.mark.long
@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_it_never_raises(body: bytes) -> None:
    read_trace(Raw(body))
