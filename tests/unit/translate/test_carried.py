"""Tests the state that a Singer runner keeps for a wrapped tap: the source's own states."""

import json
from typing import Any

import pytest
from msgspec import Raw

from tapdock.protocol.singer import state_line
from tapdock.translate.states.airbyte import read_state
from tapdock.translate.states.wrapped_tap import EmbeddedStates

ONE = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"n":%s}}}'
OTHER = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"b","namespace":"n"},"stream_state":{}}}'
GLOBAL = '{"type":"GLOBAL","global":{"shared_state":{"n":%s},"stream_states":[]}}'


def issued(saved: str | None, *texts: str) -> Any:
    carried = EmbeddedStates(saved)
    for text in texts:
        carried.note(read_state(Raw(text.encode())))
    return json.loads(state_line(carried.issue()))["value"]["airbyte_state"]


def test_the_newest_of_each_stream_stands_beside_what_was_saved() -> None:
    kept = issued(f"[{ONE % 1},{OTHER}]", ONE % 2, ONE % 3)
    assert kept == [json.loads(ONE % 3), json.loads(OTHER)]


@pytest.mark.parametrize(
    "number",
    ["1.50", "1e3", "1e400", "9" * 5000, "[" * 600 + "]" * 600],
    ids=["point", "exponent", "far", "long", "deep"],
)
def test_a_state_with_a_point_goes_as_text(number: str) -> None:
    """Targets made with Meltano's SDK crash on a float, and other targets round it (protocol.md 2.4)."""
    assert issued(None, ONE % number) == f"[{ONE % number}]"
    assert issued(None, ONE % '"1.5"') == [json.loads(ONE % '"1.5"')]


def test_counts_are_left_out() -> None:
    text = (ONE % 1)[:-1] + ',"sourceStats":{"recordCount":2.0}}'
    assert issued(None, text) == [json.loads(ONE % 1)]


def test_a_global_state_replaces_all() -> None:
    assert issued(f"[{ONE % 1}]", GLOBAL % 2) == [json.loads(GLOBAL % 2)]


def test_a_legacy_state_is_the_bare_object() -> None:
    assert issued('{"n":1}') == {"n": 1}
    assert issued('{"n":1}', '{"data":{"n":2}}') == {"n": 2}


SAVED_AND_NEXT = [
    (f"[{ONE % 1}]", ONE % 2),
    (f"[{GLOBAL % 1}]", GLOBAL % 2),
    ('{"n":1}', '{"data":{"n":2}}'),
    ('[{"type":"LEGACY","data":{"n":1}}]', '{"data":{"n":2}}'),
]


@pytest.mark.parametrize(("saved", "_"), SAVED_AND_NEXT)
def test_the_first_state_is_the_saved_one(saved: str, _: str) -> None:
    """The runner saves it, even if the source fails before its first state."""
    value = json.loads(saved)
    assert issued(saved) == (value[0]["data"] if isinstance(value, list) and "data" in value[0] else value)


@pytest.mark.parametrize("saved", [saved for saved, _ in SAVED_AND_NEXT])
@pytest.mark.parametrize("text", [text for _, text in SAVED_AND_NEXT[:3]])
def test_a_state_of_another_kind_replaces_the_saved_one(saved: str, text: str) -> None:
    state = json.loads(text)
    assert issued(saved, text) == state.get("data", [state])


def test_a_state_that_must_not_be_begun_with_is_forgotten() -> None:
    sentinel = ONE.replace('{"n":%s}', '{"__ab_no_cursor_state_message":true}')
    assert issued(f"[{ONE % 1},{OTHER}]", sentinel) == [json.loads(OTHER)]


def test_nobody_answers() -> None:
    carried = EmbeddedStates(None)
    carried.note(read_state(Raw((ONE % 1).encode())))
    assert carried.waiting
    carried.issue()
    assert (carried.waiting, carried.settled, carried.committed()) == (False, True, None)
    assert not carried.acked(Raw(b'{"airbyte_state":[]}'))
    assert not carried.acked_all()
