"""Tests the counts and the status of a stream, and the reports about them."""

import pytest

from tapdock.errors import TranslationError
from tapdock.events import Event, Logged, SetAside
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.counts import Counts
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Status, Tally

KEY = StreamKey("n", "s")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([], "complete"),
        (["running"], "complete"),
        (["running", "incomplete"], "incomplete"),
        (["incomplete", "complete"], "complete"),
        (["incomplete", "running"], "incomplete"),
        (["failed", "complete"], "failed"),
        ([None], "complete"),
    ],
)
def test_how_a_stream_ends(said: list[Status | None], status: Status) -> None:
    tally = Tally(KEY)
    for one in said:
        tally.mark(one)
    tally.end()
    assert tally.report().status == status
    assert Counts({tally.key: tally}, Notices(lambda _: None)).failures() == (
        ("n.s",) if status in ("failed", "incomplete") else ()
    )


@pytest.mark.parametrize(("said", "status"), [(None, "pending"), ("running", "complete"), ("failed", "failed")])
def test_how_a_stream_ends_that_the_source_must_start(said: Status | None, status: Status) -> None:
    tally = Tally(KEY)
    tally.must_start = True
    tally.mark(said)
    counts = Counts({tally.key: tally}, Notices(lambda _: None))
    assert counts.failures(ended=False) == (("n.s",) if status == "failed" else ())
    assert counts.failures(ended=True) == (() if status == "complete" else ("n.s",))
    counts.end()
    assert tally.report().status == status


def test_what_came_is_all_that_came_and_what_was_sent_is_less() -> None:
    tally = Tally(KEY)
    tally.records, tally.empty, tally.set_aside = 5, 2, 1
    assert (tally.came, tally.since_checked(), tally.since_covered()) == (8, 8, 5)
    tally.records += 1
    assert (tally.since_checked(), tally.since_covered()) == (1, 1)
    assert (tally.since_checked(), tally.since_covered()) == (0, 0)
    report = tally.report()
    assert (report.records, report.empty, report.set_aside, report.status) == (6, 2, 1, "running")


def test_what_waits_to_be_sent_is_counted_until_it_is_sent() -> None:
    tally = Tally(KEY)
    tally.spooled = 3
    assert tally.report().records == 3
    tally.records = 4
    assert tally.report().records == 4


def logged(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Logged)]


def test_a_bad_record_ends_the_run_or_is_set_aside_and_counted() -> None:
    error = TranslationError("line 3: no")
    with pytest.raises(TranslationError, match="line 3: no"):
        Notices([].append).bad_record(error, tally=None, stream="s", text=b"{")
    events: list[Event] = []
    notices, tally = Notices(events.append, on_bad_record="set_aside"), Tally(KEY)
    for _ in range(2):
        notices.bad_record(error, tally=tally, stream="n.s", text=b"{\xff")
    assert tally.set_aside == 2
    aside = [event for event in events if isinstance(event, SetAside)]
    assert [(one.stream, one.reason, one.record) for one in aside] == [("n.s", "line 3: no", "{\ufffd")] * 2
    assert logged(events) == ["set aside: line 3: no"], "told once a stream"
    notices.closing([tally])
    assert logged(events)[1:] == ["2 records were set aside: `n.s` 2"]


def test_the_same_is_reported_once_and_its_number_at_the_end() -> None:
    events: list[Event] = []
    notices = Notices(events.append)
    for number in (1, 2, 3):
        notices.mended(["odd"], number=number)
        notices.mismatch("source", f"count {number}", about="count")
    notices.closing([])
    assert logged(events) == ["line 1: odd", "count 1", "odd, on 3 lines in total"]
    assert notices.mismatches == [("source", "count 1")]


def test_no_log_line_is_longer_than_anybody_reads() -> None:
    events: list[Event] = []
    Notices(events.append).log("info", "x" * (1 << 20))
    assert len(logged(events)[0]) == 64 << 10
