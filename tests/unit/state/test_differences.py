"""Tests what differs between two versions of a state."""

import json

import pytest

from tapdock.state.differences import changes, described
from tapdock.state.envelope import Envelope


def envelope(state) -> Envelope:
    text = state if isinstance(state, str) or state is None else json.dumps(state)
    return Envelope(key="k", run_id="r", fence=1, nonce="", saved_at="", state=text)


def stream(name, state, namespace=None):
    return {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": name, "namespace": namespace}, "stream_state": state},
    }


def whole(shared, *streams):
    return [{"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": [one["stream"] for one in streams]}}]


TABLE = [
    (
        [stream("users", {"id": 5})],
        '[{"stream": {"stream_descriptor":{"name":"users"},"stream_state":{ "id":5 }}}]',
        [],
    ),
    ([stream("users", {"id": 5})], [stream("users", {"id": 9})], ["users.id: 5 -> 9"]),
    ([stream("users", {"at": "a", "id": 5})], [stream("users", {"at": "b", "id": 5})], ["users.at: a -> b"]),
    ([stream("users", {})], [stream("users", {"id": 1})], ["users.id added (1)"]),
    (
        [stream("users", {"id": 5}, "eu")],
        [stream("orders", {"id": 1})],
        ['eu.users removed ({"id":5})', 'orders added ({"id":1})'],
    ),
    (whole({"lsn": 1}, stream("a", {})), whole({"lsn": 2}, stream("a", {})), ["(shared state).lsn: 1 -> 2"]),
    (whole({"lsn": 1}), [stream("a", 7)], ['(shared state) removed ({"lsn":1})', "a added (7)"]),
    ({"bookmarks": {"a": {"v": 1}, "b": 2}}, {"bookmarks": {"a": {"v": 1}, "b": 3}}, ["b: 2 -> 3"]),
    (
        {"bookmarks": {"a": {"v": 1}}},
        {"bookmarks": {}, "x": 1},
        ['a removed ({"v":1})', '(whole state) added ({"x":1})'],
    ),
    ({"id": 1}, {"id": 2}, ["(whole state).id: 1 -> 2"]),
    ([{"type": "LEGACY", "data": {"id": 1}}], [{"data": {"id": 2}}], ["(whole state).id: 1 -> 2"]),
    (
        '{"n": 12345678901234567890.5}',
        '{"n": 12345678901234567891.5}',
        ["(whole state).n: 12345678901234567890.5 -> 12345678901234567891.5"],
    ),
    (None, [stream("a", 1)], ["a added (1)"]),
    ([stream("a", "x" * 100)], [stream("a", "y")], [f"a: {'x' * 37}... -> y"]),
    ([stream("a", 1)], "nonsense", None),
    ([stream("a", 1)], [{"stream": {"stream_descriptor": {}}}], None),
    ([stream("a", 1)], "[" * 10_000, None),
    ([stream("a", 1)], [7], None),
]


@pytest.mark.parametrize(("before", "after", "said"), TABLE)
def test_what_differs(before, after, said):
    found = changes(envelope(before), envelope(after))
    assert (found and [described(change) for change in found]) == said
    assert (found is None) == (said is None)
