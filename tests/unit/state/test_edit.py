"""Tests the commands with which a user edits states."""

import json

import pytest

from tapdock.errors import StateError, UsageError
from tapdock.state.edit import dialect_of, renamed, streams, without_stream

STREAM = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"%s"},"stream_state":{"n":1.10,"big":%d}}}'
BIG = 12345678901234567890123
PER_STREAM = f"[{STREAM % ('users', BIG)},{STREAM % ('orders', BIG)}]"
GLOBAL = (
    '[{"type":"GLOBAL","global":{"shared_state":{"lsn":1.0e3},"stream_states":['
    '{"stream_descriptor":{"name":"users","namespace":"public"},"stream_state":{}},'
    '{"stream_descriptor":{"name":"orders","namespace":null},"stream_state":{"x":0.10}}]}}]'
)
SINGER = '{"bookmarks":{"users":{"id":1.50},"orders":{}},"currently_syncing":null}'


@pytest.mark.parametrize(
    ("text", "wanted", "dialect"),
    [
        (PER_STREAM, None, "airbyte"),
        (GLOBAL, "airbyte", "airbyte"),
        ("[]", None, "airbyte"),
        (SINGER, None, "singer"),
        ('{"any": 1}', "singer", "singer"),
        ('{"legacy": 1}', "airbyte", "airbyte"),
        ('[{"type":"LEGACY","data":null}]', None, "airbyte"),
    ],
)
def test_the_shape_shows_the_dialect(text, wanted, dialect):
    assert dialect_of(text, wanted=wanted) == dialect


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        ("{", None, "not JSON"),
        ("3", None, "neither a list"),
        (PER_STREAM, "singer", "a Singer state is an object"),
        (STREAM % ("users", 1), None, "a single Airbyte message"),
        ('[{"type": "RECORD"}]', None, "message 0 of the state is not"),
        ('[{"type": "STREAM"}]', None, "message 0 of the state is not"),
        ("[3]", None, "not a list of Airbyte state messages"),
        ("[{}]", None, "message 0 of the state is not"),
        ('[{"type":"LEGACY"}]', None, "message 0 of the state is not"),
        ('[{"type":"LEGACY","data":"text"}]', None, "message 0 of the state is not"),
        ('{"type":"LEGACY","data":{"n":1}}', None, "a single Airbyte message"),
        (f'[{{"data":{{}}}},{STREAM % ("users", 1)}]', None, "the state has the messages LEGACY, STREAM"),
        (f"[{GLOBAL[1:-1]},{GLOBAL[1:-1]}]", None, "the state has the messages GLOBAL, GLOBAL"),
        ('{"bookmarks": []}', None, "`bookmarks`"),
    ],
)
def test_what_is_no_state_is_refused(text, wanted, message):
    with pytest.raises(UsageError, match=message):
        dialect_of(text, wanted=wanted)


def test_streams_of_a_state():
    assert streams(PER_STREAM, "airbyte") == ["users", "orders"]
    assert streams(GLOBAL, "airbyte") == ["public.users", "orders"]
    assert streams(SINGER, "singer") == ["users", "orders"]


@pytest.mark.parametrize(
    ("text", "dialect", "stream", "gone"),
    [
        (PER_STREAM, "airbyte", "users", f"{STREAM % ('users', BIG)},"),
        (
            GLOBAL,
            "airbyte",
            "public.users",
            '{"stream_descriptor":{"name":"users","namespace":"public"},"stream_state":{}},',
        ),
        (SINGER, "singer", "orders", ',"orders":{}'),
    ],
)
def test_a_stream_is_cut_out_and_the_rest_stays_as_written(text, dialect, stream, gone):
    assert gone in text
    left = without_stream(text, dialect, stream)
    assert left == text.replace(gone, "")
    json.loads(left)


def test_a_stream_that_does_not_exist_is_reported():
    with pytest.raises(UsageError, match="no stream `user`") as told:
        without_stream(SINGER, "singer", "user")
    assert told.value.hint == "streams of this state: users, orders"


EMPTY_PARTS = '{"type":"GLOBAL","stream":null,"global":{"shared_state":{"n":1.0},"stream_states":null}}'


def test_null_is_the_same_as_nothing():
    """Some writers include every field of a message."""
    text = f"[{EMPTY_PARTS},{GLOBAL[1:-1]}]"
    assert dialect_of(f"[{EMPTY_PARTS}]", wanted=None) == "airbyte"
    assert streams(text, "airbyte") == ["public.users", "orders"]
    assert json.loads(without_stream(text, "airbyte", "orders"))[0] == json.loads(EMPTY_PARTS)
    renamed_text = renamed(text, "airbyte", {"orders": "sales"})
    assert streams(renamed_text, "airbyte") == ["public.users", "sales"]
    assert EMPTY_PARTS in renamed_text
    for bookmarks in ('{"bookmarks":null}', '{"bookmarks":{}}', "{}"):
        assert dialect_of(bookmarks, wanted=None) == "singer"
        assert streams(bookmarks, "singer") == []


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("[", "airbyte"),
        ("[3]", "airbyte"),
        ('{"bookmarks":[1]}', "singer"),
        ('{"bookmarks":{"\\ud800":1}}', "singer"),
        ("[" * 100_000, "airbyte"),
    ],
)
def test_a_saved_state_that_cannot_be_read_is_reported_with_what_to_do(text, dialect):
    for call in (streams, lambda *words: without_stream(*words, "users"), lambda *words: renamed(*words, {"a": "b"})):
        with pytest.raises(StateError, match="cannot be read") as told:
            call(text, dialect)
        assert "`tapdock state set`" in told.value.hint


@pytest.mark.parametrize(
    ("text", "dialect", "renames"),
    [
        (SINGER, "singer", {"users": "orders"}),
        (SINGER, "singer", {"users": "all", "orders": "all"}),
        (PER_STREAM, "airbyte", {"users": "orders"}),
        (GLOBAL, "airbyte", {"orders": "public.users"}),
    ],
)
def test_two_streams_do_not_become_one(text, dialect, renames):
    with pytest.raises(UsageError, match="would both be") as told:
        renamed(text, dialect, renames)
    assert "users`" in told.value.message
    assert "`orders`" in told.value.message


def test_streams_can_swap_their_names():
    assert json.loads(renamed(SINGER, "singer", {"users": "orders", "orders": "users"}))["bookmarks"] == {
        "orders": {"id": 1.5},
        "users": {},
    }
