import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.errors import TargetError
from tapdock.protocol.airbyte import State
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.read.airbyte_destination import Ack
from tapdock.translate.states.sequence import SequenceLedger

KEYS = (StreamKey(None, "a"), StreamKey("n", "b"))
QUICK = settings(deadline=None, max_examples=60)


def begun(state_type: Any = "global") -> SequenceLedger:
    sequence = SequenceLedger(state_type=state_type)
    sequence.begin({key: key for key in KEYS})
    return sequence


def sent(sequence: SequenceLedger, text: str, **records: int) -> list[Any]:
    sequence.note(text)
    counts = {key: records.get(key.name, 0) for key in KEYS}
    return [json.loads(line)["state"] for line in sequence.issue(counts).splitlines()]


def ack(sequence: SequenceLedger, state: Any) -> tuple[bool, Any]:
    raw = json.dumps(state).encode()
    read = msgspec.json.decode(raw, type=State)
    key = None
    if read.stream:
        key = StreamKey.of(read.stream.stream_descriptor.namespace, read.stream.stream_descriptor.name)
    return sequence.acked(Ack(key, read, Raw(raw), None, 0))


def numbered(seq: Any, **members: Any) -> Any:
    return {"type": "GLOBAL", "global": {"shared_state": {"singer_seq": seq}, "stream_states": []}, **members}


@QUICK
@given(st.lists(st.integers(1, 6)))
def test_the_newest_of_all_that_came_back_is_saved(order: list[int]) -> None:
    sequence = begun()
    for number in range(1, 7):
        sent(sequence, f'{{"n":{number}}}')
    newest = 0
    for number in order:
        assert ack(sequence, numbered(number))[0] == (number > newest)
        newest = max(newest, number)
        assert sequence.committed() == f'{{"n":{newest}}}'
    assert sequence.settled == (newest == 6)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5))))
def test_the_barrier_is_what_all_streams_reached(order: list[tuple[int, int]]) -> None:
    sequence = begun("stream")
    states = {number: sent(sequence, f'{{"n":{number}}}') for number in range(1, 6)}
    reached = [0, 0]
    for stream, number in order:
        ack(sequence, states[number][stream])
        reached[stream] = max(reached[stream], number)
        least = min(reached)
        assert sequence.committed() == (f'{{"n":{least}}}' if least else None)
    assert sequence.settled == (reached == [5, 5])


def test_counts_are_of_what_came_since() -> None:
    sequence = begun()
    assert sent(sequence, "{}", a=2, b=1)[0]["sourceStats"] == {"recordCount": 3.0}
    assert sent(sequence, '{"n":2}', a=2, b=5)[0]["sourceStats"] == {"recordCount": 4.0}
    moved, counted = ack(sequence, numbered(2))
    assert moved
    assert counted == (None, 7)
    assert ack(sequence, numbered(1)) == (False, None)


def test_the_same_state_again_is_nothing_new() -> None:
    sequence = begun()
    sent(sequence, '{"n":1}')
    sequence.note('{"n":1}')
    assert not sequence.waiting
    sequence.note('{"n":2}')
    assert sequence.waiting


@pytest.mark.parametrize("seq", [0, -1, 2, 10**30])
def test_a_number_that_was_never_sent_is_the_targets_failure(seq: int) -> None:
    sequence = begun()
    sent(sequence, "{}")
    with pytest.raises(TargetError, match="which it was never sent"):
        ack(sequence, numbered(seq))
    assert sequence.committed() is None


@pytest.mark.parametrize(
    "state",
    [
        {"type": "GLOBAL", "global": {"shared_state": {"n": 1}, "stream_states": []}},
        {"type": "GLOBAL", "global": None},
        {"type": "LEGACY", "data": {"singer_seq": 1}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": None}},
        numbered("1"),
        numbered(1.5),
    ],
)
def test_what_is_no_number_of_ours_is_ignored(state: Any) -> None:
    sequence = begun()
    sent(sequence, "{}")
    assert ack(sequence, state) == (False, None)
    assert not sequence.settled


def test_a_state_without_the_shared_part_is_recognized_by_its_streams() -> None:
    """The lowest number of the streams counts, because all streams have reached it."""
    sequence = begun()
    sent(sequence, '{"n":1}')
    sent(sequence, '{"n":2}')
    inner = [
        {"stream_descriptor": {"name": key.name, "namespace": key.namespace}, "stream_state": {"singer_seq": seq}}
        for key, seq in zip(KEYS, (2, 1), strict=True)
    ]
    assert ack(sequence, {"type": "GLOBAL", "global": {"stream_states": inner}})[0]
    assert sequence.committed() == '{"n":1}'


@pytest.mark.parametrize(
    "inner",
    [
        {"shared_state": {"singer_seq": 1}, "stream_states": None},
        {
            "shared_state": None,
            "stream_states": [
                {"stream_descriptor": {"name": "a"}, "stream_state": {"singer_seq": 1}},
                {"stream_descriptor": {"name": "b"}, "stream_state": None},
            ],
        },
    ],
)
def test_null_for_a_part_is_the_same_as_nothing(inner: dict[str, Any]) -> None:
    sequence = begun()
    sent(sequence, '{"n":1}')
    assert ack(sequence, {"type": "GLOBAL", "global": inner})[0]
    assert sequence.committed() == '{"n":1}'
