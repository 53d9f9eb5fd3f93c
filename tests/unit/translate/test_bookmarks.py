import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.translate.states.bookmarks import BookmarkLedger
from unit.translate.generated import RAW

STATES = st.dictionaries(st.text(max_size=3), RAW, min_size=1, max_size=3)


def text_of(members: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {raw}" for name, raw in members.items()) + "}"


def note(book: BookmarkLedger, text: str) -> None:
    book.note(Raw(text.encode()))


def ack(book: BookmarkLedger, value: Any) -> bool:
    text = value if isinstance(value, str) else json.dumps(value)
    return book.acked(Raw(text.encode()))


def marks(**bookmarks: Any) -> str:
    return json.dumps({"bookmarks": bookmarks})


@settings(deadline=None, max_examples=40)
@given(st.lists(STATES, min_size=1, max_size=4), st.data())
def test_what_is_saved_is_the_taps_own_text(states: list[dict[str, str]], data: st.DataObject) -> None:
    texts = [text_of(one) for one in states]
    book = BookmarkLedger(None)
    for text in texts:
        note(book, text)
    assert book.committed() is None
    assert not book.settled
    chosen = data.draw(st.sampled_from(texts))
    ack(book, f" {chosen} ")
    assert book.committed() == chosen
    ack(book, texts[-1])
    assert book.committed() == texts[-1]
    assert book.settled


def test_a_state_written_anew_is_recognized_and_saved_as_it_was() -> None:
    book = BookmarkLedger(None)
    note(book, '{"b": 1.50, "a": "\\u00e9"}')
    assert ack(book, '{"a":"é","b":1.5}')
    assert book.committed() == '{"b": 1.50, "a": "\\u00e9"}'


def test_the_baseline_is_what_was_saved() -> None:
    assert BookmarkLedger(None).baseline == '{"bookmarks":{}}'
    book = BookmarkLedger(marks(a=1))
    assert book.baseline == marks(a=1)
    assert book.settled
    note(book, marks(a=2))
    ack(book, marks(a=1))
    assert book.committed() in (None, marks(a=1))
    assert not book.settled


def test_bookmarks_of_different_states_may_be_put_together() -> None:
    book = BookmarkLedger(marks(a=0, b=0))
    note(book, marks(a=1, b=1))
    note(book, marks(a=2, b=2))
    assert ack(book, marks(a=2, b=0))
    assert book.committed() == marks(a=2, b=0)
    assert not book.settled


@pytest.mark.parametrize(
    "printed", [marks(a=3, b=1), marks(a=1, c=1), '{"a":1}', '{"bookmarks":[1]}', "[]", "7", "null", "{}", "junk"]
)
def test_what_no_tap_sent_is_never_saved(printed: str) -> None:
    book = BookmarkLedger(None)
    note(book, marks(a=1, b=1))
    assert not ack(book, printed)
    assert book.committed() is None


def test_after_a_newer_one_an_older_one_is_no_step_back() -> None:
    book = BookmarkLedger(None)
    for number in (1, 2, 3):
        note(book, json.dumps({"n": number}))
    assert ack(book, {"n": 2})
    assert not ack(book, {"n": 1})
    assert book.committed() == '{"n": 2}'


def test_an_empty_state_is_nothing_to_wait_for() -> None:
    """Targets made with Meltano's SDK never print an empty state, nor the state before it (protocol.md 2.4)."""
    book = BookmarkLedger(None)
    note(book, "{}")
    assert book.settled
    note(book, marks(a=1))
    assert not book.settled


def test_the_last_state_is_said_again_to_be_acknowledged_again() -> None:
    book = BookmarkLedger(None)
    assert book.again() == b""
    note(book, '{"n":1.50}')
    ack(book, {"n": 1.5})
    assert book.settled
    assert book.again() == b'{"type":"STATE","value":{"n":1.50}}\n'
    assert not book.settled
    ack(book, {"n": 1.5})
    assert book.settled


def test_states_that_were_dropped_are_still_recognized() -> None:
    book = BookmarkLedger(None)
    for number in range(5):
        note(book, json.dumps({"n": number, "pad": "x" * (3 << 20)}))
    assert ack(book, {"n": 1, "pad": "x" * (3 << 20)})
    assert json.loads(book.committed() or "")["n"] == 1


def test_an_exit_that_acknowledges_all_saves_the_last_one() -> None:
    book = BookmarkLedger(None)
    book.acked_all()
    assert book.committed() is None
    note(book, '{"n":1}')
    note(book, '{"n":2}')
    book.acked_all()
    assert (book.committed(), book.settled) == ('{"n":2}', True)
