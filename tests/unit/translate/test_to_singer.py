import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import TranslationError, UsageError
from tapdock.events import Event, Failed, Logged
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import Translator

RECORD = '{"type":"RECORD","record":{"stream":"users","data":{"id":%d},"emitted_at":1795340047230}}\n'
STREAM_STATE = '{"stream_descriptor":{"name":"users"},"stream_state":%d}'
STATE = '{"type":"STATE","state":{"type":"STREAM","stream":' + STREAM_STATE + "}}\n"


class Run:
    """A translator with a manual clock, and the events that it emitted."""

    def __init__(self, *names: str, saved: str | None = None, fields: dict[str, Any] | None = None) -> None:
        schema = {"properties": fields or {"id": {"type": "integer"}}}
        streams = tuple(
            ConfiguredStream(stream=Stream(name=name, json_schema=schema), sync_mode="full_refresh")
            for name in names or ("users",)
        )
        self.now = 0.0
        self.events: list[Event] = []
        self.translator = AirbyteToSinger(streams=streams, saved=saved, emit=self.events.append, clock=lambda: self.now)
        self.translator.opening()

    def feed(self, *parts: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.translator.feed("".join(parts).encode()).splitlines()]


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["value"]["seq"] for message in messages if message["type"] == "STATE"]


def test_it_is_a_translator() -> None:
    translator: Translator = Run().translator
    assert translator.counts.reports()[0].status == "pending"


def test_a_state_waits_for_its_second_and_is_then_sent_without_input() -> None:
    run = Run()
    assert run.translator.due() is None
    assert run.feed(STATE % 1) == []
    assert run.translator.due() == 1.0
    assert run.translator.tick() == b""
    run.now = 0.75
    assert run.translator.due() == 0.25
    run.now = 1.5
    assert run.translator.due() == 0.0
    assert json.loads(run.translator.tick())["value"]["seq"] == 1
    assert run.translator.due() is None
    assert run.translator.tick() == b""


def test_a_state_does_not_wait_when_many_records_came() -> None:
    run = Run()
    batch = "".join(RECORD % number for number in range(9_999))
    assert seqs(run.feed(batch, STATE % 1)) == []
    assert seqs(run.feed(RECORD % 0)) == [1]
    assert seqs(run.feed(batch, RECORD % 0, STATE % 2, RECORD % 1, STATE % 3)) == [2]


def test_a_token_never_precedes_a_record_that_its_state_follows() -> None:
    run = Run()
    run.now = 5.0
    messages = run.feed(RECORD % 1, STATE % 1, RECORD % 2)
    assert [message["type"] for message in messages] == ["RECORD", "STATE", "RECORD"]


@pytest.mark.parametrize("junk", [b"", b"junk\n"])
def test_a_target_never_gets_bytes_that_are_no_text(junk: bytes) -> None:
    run = Run(fields={"id": {"type": "string"}})
    line = b'{"type":"RECORD","record":{"stream":"users","data":{"id":"\xff\xc3\xa9"}}}\n'
    (message,) = map(json.loads, run.translator.feed(junk + line).decode().splitlines())
    assert message["record"] == {"id": "\ufffd\xe9"}
    assert [event.level for event in run.events if isinstance(event, Logged)][-1] == "warning"


def test_the_count_of_a_global_state_is_of_all_streams() -> None:
    run = Run("users", "orders")
    state = '{"type":"STATE","state":{"type":"GLOBAL","global":{},"sourceStats":{"recordCount":2.0}}}\n'
    other = (RECORD % 2).replace("users", "orders")
    run.feed(RECORD % 1, other, state, RECORD % 1, other, state)
    assert run.events == []
    run.feed(state, state)
    assert len(run.events) == 1


def test_what_was_translated_before_a_bad_line_is_partial() -> None:
    run = Run()
    with pytest.raises(TranslationError, match="line 3: a record of stream `ghosts`"):
        run.feed(RECORD % 1, RECORD % 2, (RECORD % 3).replace("users", "ghosts"), RECORD % 4)
    assert [json.loads(line)["record"]["id"] for line in run.translator.partial.splitlines()] == [1, 2]


@pytest.mark.parametrize("junk", ["", "hello\n"])
def test_lines_are_counted_over_the_run(junk: str) -> None:
    run = Run()
    run.feed(RECORD % 1, junk, RECORD % 2)
    with pytest.raises(TranslationError, match=f"line {4 if junk else 3}:"):
        run.feed('{"type":"RECORD"}\n')


def test_only_records_states_and_statuses_are_signs_of_life() -> None:
    run = Run()
    before = run.translator.counts.alive
    run.feed('{"type":"LOG","log":{"message":"m"}}\n', "junk\n", '{"type":"TRACE","trace":{"type":"ANALYTICS"}}\n')
    assert run.translator.counts.alive == before
    status = {"stream_descriptor": {"name": "users"}, "status": "RUNNING"}
    for line in (RECORD % 1, STATE % 1, json.dumps({"type": "TRACE", "trace": {"stream_status": status}})):
        run.feed(line)
        assert run.translator.counts.alive == before + 1
        before += 1


def test_reports_count_bodies_as_sent() -> None:
    run = Run("users", "orders")
    run.feed(RECORD % 1, RECORD % 22, RECORD % 3)
    users, orders = run.translator.counts.reports()
    assert (users.stream, users.records, users.bytes, users.status) == ("users", 3, 25, "running")
    assert (orders.records, orders.bytes, orders.status, orders.path) == (0, 0, "pending", "splice")


def test_a_rule_makes_the_path_a_rewrite_and_counts_what_is_sent() -> None:
    run = Run(fields={"id": {}})
    assert run.feed(RECORD % 7)[0]["record"] == {"id": "7"}
    assert (run.translator.counts.reports()[0].path, run.translator.counts.reports()[0].bytes) == (
        "rewrite",
        len('{"id":"7"}'),
    )


def test_failures_name_failed_and_incomplete_streams() -> None:
    run = Run("users", "orders", "fine")
    error = {
        "message": "m",
        "internal_message": "i",
        "stack_trace": "at x",
        "stream_descriptor": {"name": "users"},
    }
    status = {"stream_descriptor": {"name": "orders"}, "status": "INCOMPLETE"}
    for trace in ({"type": "ERROR", "error": error}, {"type": "STREAM_STATUS", "stream_status": status}):
        run.feed(json.dumps({"type": "TRACE", "trace": trace}))
    run.translator.closing(complete=True)
    assert run.translator.counts.failures() == ("users", "orders")
    assert run.events == [Failed(side="source", message="m", stream="users", reason="i", internal="i\nat x")]


def test_an_error_without_a_stream_is_of_the_whole() -> None:
    run = Run()
    run.feed('{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"m","failure_type":"system_error"}}}')
    assert run.events == [Failed(side="source", message="m", failure_type="system_error")]
    assert run.translator.counts.failures() == ()


def test_the_last_token_settles_the_run() -> None:
    run = Run()
    run.feed(STATE % 1)
    last = json.loads(run.translator.closing(complete=True))["value"]
    assert not run.translator.states.settled
    assert run.translator.acked(json.dumps(last).encode() + b"\n")
    assert run.translator.states.settled
    assert json.loads(run.translator.states.committed() or "")[0]["stream"]["stream_state"] == 1


def test_an_empty_run_still_ends_with_a_new_token() -> None:
    run = Run()
    assert json.loads(run.translator.closing(complete=True))["value"] == {
        "bookmarks": {"users": {"seq": 0}},
        "seq": 1,
    }
    assert run.translator.counts.reports()[0].status == "complete"


def test_a_long_junk_line_is_cut() -> None:
    run = Run()
    run.feed("x" * 10_000_000)
    (event,) = run.events
    assert isinstance(event, Logged)
    assert len(event.message) < 100_000


def test_a_key_that_is_not_in_the_schema_is_refused() -> None:
    stream = Stream(name="users", json_schema={"properties": {"a": {}}})
    configured = ConfiguredStream(
        stream=stream, sync_mode="full_refresh", destination_sync_mode="append_dedup", primary_key=(("id",),)
    )
    with pytest.raises(UsageError, match="key `id`, which is not in its schema"):
        AirbyteToSinger(streams=(configured,), saved=None, emit=print, clock=float)


LINES = st.sampled_from(
    [
        RECORD % 1,
        RECORD % 2,
        STATE % 3,
        (RECORD % 4).replace("{", '{"x":NaN,', 1),
        RECORD[:-1] % 5 + " " + RECORD % 6,
        "junk\n",
        "\n",
        '{"type":"LOG","log":{"message":"é"}}\n',
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, st.booleans())))
def test_how_lines_are_cut_into_batches_changes_nothing(lines: list[tuple[str, bool]]) -> None:
    alone, together = Run(), Run()
    expected = [message for line, _ in lines for message in alone.feed(line)]
    batches: list[list[str]] = [[]]
    for line, cut in lines:
        batches[-1].append(line)
        if cut:
            batches.append([])
    assert [message for batch in batches for message in together.feed(*batch)] == expected
    assert [e for e in together.events if "line" not in str(e)] == [e for e in alone.events if "line" not in str(e)]
    assert together.translator.counts.reports() == alone.translator.counts.reports()
