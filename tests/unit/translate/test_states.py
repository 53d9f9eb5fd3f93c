import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tapdock.errors import StateError, TargetError
from tapdock.project.model import SyncMode
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.translate.states.airbyte import read_state, state_to_pass, without_streams
from tapdock.translate.states.forwarded import ForwardedLedger
from tapdock.translate.states.tokens import TokenLedger
from tapdock.translate.states.wrapped_tap import EmbeddedStates

A, B = StreamKey(None, "a"), StreamKey("n", "b")
NAMES = {A: "a", B: "n-b"}


def stream_state(key: StreamKey, state: str) -> str:
    descriptor = {"name": key.name, "namespace": key.namespace} if key.namespace else {"name": key.name}
    stream = f'{{"stream_descriptor":{json.dumps(descriptor)},"stream_state":{state}}}'
    return f'{{"type":"STREAM","stream":{stream}}}'


def ledger(saved: str | None = None) -> TokenLedger:
    result = TokenLedger(names=NAMES, saved=saved)
    result.issue()
    return result


def note(book: TokenLedger, text: str) -> None:
    book.note(read_state(Raw(text.encode())))


def ack(book: TokenLedger, token: Any) -> bool:
    return book.acked(Raw(msgspec.json.encode(token)))


def test_the_first_token_is_all_zeros() -> None:
    assert TokenLedger(names=NAMES, saved=None).issue() == {
        "bookmarks": {"a": {"seq": 0}, "n-b": {"seq": 0}},
        "seq": 0,
    }


def test_nothing_is_committed_by_the_baseline_or_an_empty_token() -> None:
    book = ledger('[{"type":"LEGACY"}]')
    assert not ack(book, {"bookmarks": {"a": {"seq": 0}}, "seq": 0})
    assert book.settled
    final = book.issue()
    assert not book.settled
    assert not ack(book, final)
    assert book.settled
    assert book.committed() is None


@pytest.mark.parametrize(
    "token",
    [
        {"bookmarks": {"a": {"seq": 2}}},
        {"bookmarks": {"n-b": {"seq": 1}}},
        {"bookmarks": {"ghost": {"seq": 1}}},
        {"seq": 2},
        {"seq": -1},
    ],
)
def test_a_number_that_was_never_issued_is_the_targets_failure(token: dict[str, Any]) -> None:
    book = ledger()
    note(book, stream_state(A, "1"))
    book.issue()
    with pytest.raises(TargetError):
        ack(book, token)
    assert book.committed() is None


@pytest.mark.parametrize("token", [[], 7, "x", {"seq": "1"}, {"bookmarks": {"a": 1}}, {"value": {}}, {"seq": 1.5}])
def test_what_is_no_token_is_ignored(token: Any) -> None:
    book = ledger()
    note(book, stream_state(A, "1"))
    book.issue()
    assert not ack(book, token)
    assert book.committed() is None


@pytest.mark.parametrize("data", ['"text"', "[1]", "7", "true"])
def test_a_legacy_state_that_is_not_an_object_is_refused(data: str) -> None:
    """The next run could not start from it."""
    with pytest.raises(ValueError, match="not an object"):
        read_state(Raw(f'{{"type":"LEGACY","data":{data}}}'.encode()))


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"STREAM"}',
        '{"type":"GLOBAL","global":null}',
        '{"type":"LEGACY"}',
        "{}",
        '{"type":"NEW","data":{}}',
        "",
        "7",
    ],
)
def test_a_state_without_its_content_is_refused(text: str) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        read_state(Raw(text.encode()))


def test_kinds_are_not_mixed() -> None:
    book = ledger()
    note(book, '{"data":{"a":1}}')
    with pytest.raises(ValueError, match="LEGACY and STREAM"):
        note(book, stream_state(A, "1"))


def test_an_exit_that_acknowledges_all_commits_the_last_of_each_stream() -> None:
    book = ledger()
    for number in (1, 2):
        note(book, stream_state(A, str(number)))
        book.issue()
    note(book, stream_state(B, "3"))
    book.issue()
    assert book.acked_all()
    assert book.settled
    assert book.committed() == f"[{stream_state(A, '2')},{stream_state(B, '3')}]"
    assert not book.acked_all()


@pytest.mark.parametrize("saved", [None, "", "null", "{}", '{"old":1}', '[{"type":"GLOBAL","global":{}}]'])
def test_another_kind_of_saved_state_is_replaced(saved: str | None) -> None:
    book = ledger(saved)
    note(book, stream_state(A, "1"))
    assert ack(book, book.issue())
    assert book.committed() == f"[{stream_state(A, '1')}]"


STEPS = st.lists(
    st.tuples(st.just("state"), st.sampled_from([A, B]))
    | st.tuples(st.just("token"), st.none())
    | st.tuples(st.just("ack"), st.tuples(st.floats(0, 1), st.floats(0, 1)))
)


@settings(deadline=None)
@given(STEPS)
def test_the_saved_state_is_never_ahead_of_the_acknowledgements(steps: list[tuple[str, Any]]) -> None:
    """For any mixture of partial acknowledgements, the state of each stream is the last acknowledged one."""
    book = ledger()
    tokens: list[tuple[dict[str, Any], dict[StreamKey, int]]] = [({"bookmarks": {}, "seq": 0}, {})]
    noted: dict[StreamKey, int] = {}
    allowed: dict[StreamKey, int] = {}
    for count, (step, what) in enumerate(steps):
        if step == "state":
            noted[what] = count
            note(book, stream_state(what, str(count)))
        elif step == "token":
            tokens.append((book.issue(), dict(noted)))
        else:
            picked = dict(zip((A, B), (tokens[int(part * (len(tokens) - 1))] for part in what), strict=True))
            marks = {NAMES[key]: token["bookmarks"].get(NAMES[key], {}) for key, (token, _) in picked.items()}
            ack(book, {"bookmarks": marks})
            for key, (_, states) in picked.items():
                allowed[key] = max(allowed.get(key, -1), states.get(key, -1))
        told = {key: count for key, count in allowed.items() if count >= 0}
        saved = json.loads(book.committed() or "[]")
        assert {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in saved} == {
            key.name: count for key, count in told.items()
        }


@settings(deadline=None)
@given(st.lists(st.sampled_from(["state", "token", "ack"])), st.data())
def test_a_global_state_follows_the_runs_own_number(steps: list[str], data: st.DataObject) -> None:
    book = ledger()
    latest: int | None = None
    bookmarks: dict[str, Any] = {}
    issued: list[int | None] = [None]
    acked = 0
    for count, step in enumerate(steps):
        if step == "state":
            latest = count
            note(book, f'{{"type":"GLOBAL","global":{{"shared_state":{count}}}}}')
        elif step == "token":
            issued.append(latest)
            token = book.issue()
            assert token["seq"] == len(issued) - 1
            bookmarks = token["bookmarks"]
        else:
            seq = data.draw(st.integers(0, len(issued) - 1))
            acked = max(acked, seq)
            ack(book, {"seq": seq, "bookmarks": bookmarks})
        saved = json.loads(book.committed() or "[]")
        told = next((state for state in reversed(issued[: acked + 1]) if state is not None), None)
        assert [state["global"]["shared_state"] for state in saved] == ([] if told is None else [told])


def configured(key: StreamKey, mode: SyncMode = "incremental") -> ConfiguredStream:
    return ConfiguredStream(stream=Stream(name=key.name, namespace=key.namespace), sync_mode=mode)


STREAMS = (configured(A), configured(B, "full_refresh"))
OF_A = '{"stream_descriptor":{"name":"a"},"stream_state":{"z": 3.0}}'
OF_B = '{"stream_descriptor":{"name":"b","namespace":"n"},"stream_state":{}}'
SENTINEL = '{"__ab_no_cursor_state_message":true}'


@pytest.mark.parametrize("saved", [None, "", "[]", "{}", "null", " [ ] ", '[{"type":"LEGACY","data":{}}]'])
def test_no_state_is_passed_for_an_empty_one(saved: str | None) -> None:
    assert state_to_pass(saved, STREAMS) is None


@pytest.mark.parametrize(
    ("saved", "passed"),
    [
        ('{"a" : 1.50}', '{"a" : 1.50}'),
        ('[{"type":"LEGACY","data":{"a" : 1.50}}]', '{"a" : 1.50}'),
        ('[{"type":null,"data":{"a" : 1.50}}]', '{"a" : 1.50}'),
        (f" [ {stream_state(A, '{ }')} ] ", f" [ {stream_state(A, '{ }')} ] "),
        (f"[{stream_state(B, '1')}, {stream_state(A, '1.50')}]", f"[{stream_state(A, '1.50')}]"),
        (f"[{stream_state(A, SENTINEL)}]", None),
        (f"[{stream_state(B, '1')}]", None),
        (
            f'[{{"type":"GLOBAL","global":{{"stream_states":[{OF_A},{OF_B}],"shared_state":{{"x": 1}}}},"y" : 1}}]',
            f'[{{"type":"GLOBAL","global":{{"stream_states":[{OF_A}],"shared_state":{{"x": 1}}}},"y":1}}]',
        ),
    ],
)
def test_full_refresh_and_sentinel_states_are_left_out(saved: str, passed: str | None) -> None:
    assert state_to_pass(saved, STREAMS) == passed


@pytest.mark.parametrize("saved", ['{"a":1}', f"[{stream_state(A, '1')}]"])
def test_a_run_of_full_refreshes_starts_without_state(saved: str) -> None:
    assert state_to_pass(saved, (configured(A, "full_refresh"),)) is None


@pytest.mark.parametrize("saved", ["[", "{", "7", "[7]", '"x"', '[{"type":"LEGACY"}]', '[{"data":"x"}]'])
def test_an_unreadable_state_is_an_error(saved: str) -> None:
    with pytest.raises(StateError):
        state_to_pass(saved, STREAMS)


NULLS = '[{"type":"GLOBAL","global":{"shared_state":{"n": 1.0},"stream_states":null}}]'


@pytest.mark.parametrize(
    "saved",
    [
        NULLS,
        '[{"type":"GLOBAL","global":{"shared_state":{"n": 1.0}}}]',
        '[{"type":"GLOBAL","global":null}]',
        f'[{{"type":"STREAM","global":null,"data":null,"stream":{OF_A}}}]',
    ],
)
def test_a_saved_state_with_null_for_a_list_is_passed_as_it_is(saved: str) -> None:
    assert state_to_pass(saved, STREAMS) == saved
    assert without_streams(saved, [B]) == saved


def test_a_global_state_with_null_for_its_list_is_one() -> None:
    raw = NULLS.removeprefix("[").removesuffix("]")
    assert read_state(Raw(raw.encode())).text == raw


UNUSABLE = ['{"stream_states":5}', '{"stream_states":[null]}', '{"stream_states":[{"stream_descriptor":null}]}', "[]"]


@pytest.mark.parametrize("inner", UNUSABLE)
def test_a_global_state_that_the_next_run_could_not_begin_with_is_refused(inner: str) -> None:
    text = f'{{"type":"GLOBAL","global":{inner}}}'
    with pytest.raises(ValueError, match=r".+"):
        read_state(Raw(text.encode()))
    with pytest.raises(StateError, match="not a list of Airbyte states") as told:
        state_to_pass(f"[{text}]", STREAMS)
    assert "`tapdock state set`" in (told.value.hint or "")
    with pytest.raises(StateError):
        without_streams(f"[{text}]", [B])


def test_a_saved_state_that_is_nested_too_deeply_is_an_error() -> None:
    for saved in ('[{"data":' + "[" * 100_000, '{"data":' * 100_000):
        with pytest.raises(StateError):
            state_to_pass(saved, STREAMS)


@pytest.mark.parametrize("token", [{"bookmarks": None, "seq": 1}, {"bookmarks": {"a": None, "n-b": None}, "seq": 1}])
def test_null_in_a_token_is_the_same_as_nothing(token: dict[str, Any]) -> None:
    book = ledger()
    note(book, '{"data":{"a":1}}')
    book.issue()
    assert ack(book, token)
    assert book.committed() == '{"a":1}'


BARE = stream_state(StreamKey(None, "b"), "1")
"""A state that names stream `n.b` without its namespace, as some sources write it."""


def test_the_states_of_full_refreshes_are_left_out_also_without_their_namespace() -> None:
    other = StreamKey("m", "b")
    assert state_to_pass(f"[{BARE},{stream_state(A, '1')}]", STREAMS) == f"[{stream_state(A, '1')}]"
    assert state_to_pass(f"[{BARE}]", (configured(A, "full_refresh"), configured(B))) == f"[{BARE}]"
    several = f"[{BARE},{stream_state(other, '1')}]"
    assert state_to_pass(several, (configured(B, "full_refresh"), configured(other))) == several
    assert without_streams(f"[{BARE}]", [B], among=[A, B]) is None
    assert without_streams(f"[{BARE}]", [B], among=[A, B, other]) == f"[{BARE}]"


@pytest.mark.parametrize("first", [BARE, stream_state(B, "1")])
@pytest.mark.parametrize("key", [B, StreamKey(None, "b")])
def test_a_stream_has_one_state_with_or_without_its_namespace(first: str, key: StreamKey) -> None:
    """Otherwise the source would get an older state beside the new one."""
    newer = stream_state(key, "2")
    noted = read_state(Raw(newer.encode()))._replace(key=B)
    book, carried = ledger(f"[{first}]"), EmbeddedStates(f"[{first}]", [A, B])
    book.note(noted)
    carried.note(noted)
    assert ack(book, book.issue())
    assert book.committed() == f"[{newer}]"
    assert carried.issue() == {"airbyte_state": Raw(f"[{newer}]".encode())}
    forwarded = ForwardedLedger(f"[{first}]", [A, B])
    forwarded.note(noted, b"mark", records=1)
    assert forwarded.acked(B, b"mark") == {1}
    assert forwarded.committed() == f"[{newer}]"
