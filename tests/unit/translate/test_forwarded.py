import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.states.airbyte import read_state
from tapdock.translate.states.canonical import canonical
from tapdock.translate.states.forwarded import ForwardedLedger, fingerprint
from unit.translate.generated import RAW

A, B = StreamKey(None, "a"), StreamKey("n", "b")


def stream(key: StreamKey, state: str) -> str:
    descriptor = json.dumps({"name": key.name, **({"namespace": key.namespace} if key.namespace else {})})
    return f'{{"type":"STREAM","stream":{{"stream_descriptor":{descriptor},"stream_state":{state}}}}}'


def note(book: ForwardedLedger, text: str, records: int = 1) -> None:
    raw = Raw(text.encode())
    book.note(read_state(raw), fingerprint(raw), records=records)


def ack(book: ForwardedLedger, text: str) -> set[int]:
    raw = Raw(text.encode())
    return book.acked(read_state(raw).key, fingerprint(raw))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([A, B]), RAW), min_size=1, max_size=6), st.data())
def test_what_is_saved_is_the_sources_own_text(states: list[tuple[StreamKey, str]], data: st.DataObject) -> None:
    """This is each stream's newest acknowledged state. A stream without an acknowledgement has none."""
    texts = [(key, stream(key, f'{{"v":{raw}}}')) for key, raw in states]
    book = ForwardedLedger(None)
    for _, text in texts:
        note(book, text)
    _, chosen = data.draw(st.sampled_from(texts))
    assert ack(book, chosen)
    assert book.committed() in [f"[{text}]" for _, text in texts], "as it was written"
    assert canonical(book.committed() or "") == canonical(f"[{chosen}]")
    last = dict(texts)
    for text in last.values():
        ack(book, text)
    saved = [canonical(bytes(raw)) for raw in msgspec.json.decode(book.committed() or "", type=list[msgspec.Raw])]
    assert sorted(saved) == sorted(map(canonical, last.values()))
    assert book.settled


def test_counts_are_of_all_that_one_acknowledgement_covers() -> None:
    book = ForwardedLedger(None)
    for number in (1, 2, 3):
        note(book, stream(A, f'{{"n":{number}}}'), records=number)
    assert ack(book, stream(A, '{"n":2.0}')) == {3}
    assert ack(book, stream(A, '{"n":2}')) == set(), "known already"
    assert ack(book, stream(B, '{"n":3}')) == set(), "another stream's"
    assert ack(book, stream(A, '{"n":3}')) == {3}
    assert book.settled


def test_equal_states_are_acknowledged_by_one_of_them() -> None:
    book = ForwardedLedger(None)
    for records in (1, 2):
        note(book, stream(A, '{"day":1}'), records=records)
    assert ack(book, stream(A, '{"day":1}')) == {1, 3}, "nobody can tell which of them it was"
    assert book.settled


@pytest.mark.parametrize("extra", ["", ',"id":4', ',"destinationStats":{"recordCount":1.0}', ',"sourceStats":{}'])
def test_only_what_the_source_is_given_again_makes_a_state(extra: str) -> None:
    text = stream(A, '{"n":1.50}')
    assert fingerprint(Raw((text[:-1] + extra + "}").encode())) == fingerprint(Raw(text.encode()))


def test_kinds_are_distinguished() -> None:
    texts = ['{"type":"GLOBAL","global":{"n":1}}', '{"data":{"n":2}}', stream(A, '{"n":3}')]
    assert len({fingerprint(Raw(text.encode())) for text in texts}) == 3
    assert fingerprint(Raw(b'{"data":{"n":2}}')) == fingerprint(Raw(b'{"type":"LEGACY","data":{"n":2.0}}'))


def test_kinds_are_not_mixed() -> None:
    book = ForwardedLedger(None)
    note(book, stream(A, "{}"))
    with pytest.raises(ValueError, match="STREAM and LEGACY"):
        note(book, '{"data":{"n":2}}')


def test_a_state_that_must_not_be_begun_with_is_forgotten_once_it_came_back() -> None:
    saved = f"[{stream(A, '1')},{stream(B, '2')}]"
    book = ForwardedLedger(saved)
    note(book, stream(A, '{"__ab_full_refresh_sync_complete":true}'))
    assert book.committed() is None
    ack(book, stream(A, '{"__ab_full_refresh_sync_complete":true}'))
    assert book.committed() == f"[{stream(B, '2')}]"


@pytest.mark.parametrize(("text", "saved"), [('{"data":{"n":1.50}}', '{"n":1.50}'), (None, None)])
def test_an_exit_that_acknowledges_all(text: Any, saved: Any) -> None:
    book = ForwardedLedger(None)
    if text:
        note(book, text)
    book.acked_all()
    assert (book.committed(), book.settled) == (saved, True)


def test_null_for_the_parts_of_a_state_is_the_same_as_none() -> None:
    texts = [
        f'{{"type":"GLOBAL","global":{{"shared_state":{{"n":1}}{more}}}}}'
        for more in ("", ',"stream_states":null', ',"stream_states":[]')
    ]
    assert len({fingerprint(Raw(text.encode())) for text in texts}) == 1
    book = ForwardedLedger(None)
    note(book, texts[1])
    assert ack(book, texts[2])
    assert book.committed() == f"[{texts[1]}]"


@pytest.mark.parametrize(
    "text", ['{"type":"GLOBAL","global":{"stream_states":5}}', '{"data":' + "[" * 700 + "]" * 700 + "}"]
)
def test_a_state_that_cannot_be_compared_has_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fingerprint(Raw(text.encode()))
