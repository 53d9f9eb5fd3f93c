"""Tests windows: how users write them, and the steps into which they are divided."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.window import Window, WindowKeys, formatted, is_time, time_of, unit_of
from tapdock.project.window_steps import MOST_STEPS, joined, missing, parse_by, planned


def window(start, end):
    return Window.of(start, end)


def ends(windows):
    return [each.ends for each in windows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T06:30", "2026-01-31T06:30:00+00:00"),
        ("2026-01-31T06:30:00Z", "2026-01-31T06:30:00+00:00"),
        ("2026-01-31t06:30:00z", "2026-01-31T06:30:00+00:00"),
        ("2026-01-31 06:30:00+00:00", "2026-01-31T06:30:00+00:00"),
        ("2026-01-31T00:30:00+02:00", "2026-01-30T22:30:00+00:00"),
        (date(2026, 1, 31), "2026-01-31T00:00:00+00:00"),
        (datetime(2026, 1, 31, 6, tzinfo=UTC), "2026-01-31T06:00:00+00:00"),
        (datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=1))), "2026-01-30T23:00:00+00:00"),
    ],
)
def test_a_time_is_read_in_utc(text, found):
    assert time_of(text).isoformat() == found


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-13-01", "2026-01-31T25:00", "2026-01-31T", "2026-01-31 x", "0001-01-01", "9999-12-31"]
)
def test_a_text_that_looks_like_a_time_but_is_none_is_never_a_folder(text):
    assert is_time(text)
    with pytest.raises(UsageError, match=text):
        time_of(text)


@pytest.mark.parametrize(
    "text", ["spool", "./2026-01-01", "2026-01-01/", "2026-01", "20260101", "2026-01-01.spool", ""]
)
def test_all_else_is_a_folder(text):
    assert not is_time(text)


@pytest.mark.parametrize(("start", "end"), [("2026-01-01", "2026-01-01"), ("2026-02-01", "2026-01-01")])
def test_a_window_without_any_time_is_refused(start, end):
    with pytest.raises(UsageError, match="is empty: its end must be after its start"):
        window(start, end)


@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        ("%Y-%m-%d", 86400),
        ("%Y-%m-%dT%H", 3600),
        ("%Y-%m-%d %H:%M", 60),
        ("%Y-%m-%dT%H:%M:%SZ", 1),
        ("%Y-%m-%dT%H:%M:%S.%fZ", 1e-6),
        ("%s", 1),
        ("%j/%Y", 86400),
    ],
)
def test_the_unit_of_a_format_is_the_smallest_difference_that_it_shows(form, seconds):
    assert unit_of(form).total_seconds() == seconds


@pytest.mark.parametrize("form", ["%H:%M", "%m-%d", "%d", "%Y", "today", "", "%%s"])
def test_a_format_without_a_whole_date_has_no_unit(form):
    assert unit_of(form) is None


def test_a_percent_sign_is_not_a_number_of_seconds():
    assert formatted(datetime(2026, 1, 1, tzinfo=UTC), "%s%%s%d") == "1767225600%s01"


@pytest.mark.parametrize(
    ("start", "end", "by", "steps"),
    [
        ("2026-01-31", "2026-04-01", "month", ["2026-01-31", "2026-02-01", "2026-03-01"]),
        ("2024-02-01", "2024-03-02", "month", ["2024-02-01", "2024-03-01"]),
        ("2025-12-31T23:00", "2026-01-02", "month", ["2025-12-31T23:00:00Z", "2026-01-01"]),
        ("2026-01-01", "2026-01-13", "week", ["2026-01-01", "2026-01-05", "2026-01-12"]),
        ("2026-03-29", "2026-03-31", "day", ["2026-03-29", "2026-03-30"]),
        ("2026-03-29T01:30", "2026-03-29T03:00", "hour", ["2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"]),
        ("2026-01-01", "2026-01-03", "36h", ["2026-01-01", "2026-01-02T12:00:00Z"]),
        ("2026-01-01", "2026-01-02", "10d", ["2026-01-01"]),
    ],
)
def test_steps_follow_the_calendar_and_meet(start, end, by, steps):
    found = [step.window for step in planned(window(start, end), parse_by(by), ())]
    assert [each.ends[0] for each in found] == steps
    assert joined(found) == (window(start, end),)
    assert all(one.end == other.start for one, other in pairwise(found))


def test_only_what_is_missing_is_a_step():
    done = joined([window("2026-02-10", "2026-02-20"), window("2026-01-01", "2026-02-01")])
    steps = planned(window("2025-12-15", "2026-03-10"), "month", done)
    assert [(*step.window.ends, step.is_done) for step in steps] == [
        ("2025-12-15", "2026-01-01", False),
        ("2026-01-01", "2026-02-01", True),
        ("2026-02-01", "2026-02-10", False),
        ("2026-02-20", "2026-03-01", False),
        ("2026-03-01", "2026-03-10", False),
    ]


def test_windows_that_touch_or_overlap_are_one():
    some = [window("2026-01-05", "2026-01-07"), window("2026-01-01", "2026-01-03"), window("2026-01-02", "2026-01-05")]
    assert ends(joined([*some, window("2026-02-01", "2026-02-02")])) == [
        ("2026-01-01", "2026-01-07"),
        ("2026-02-01", "2026-02-02"),
    ]
    assert missing(window("2026-01-01", "2026-01-07"), joined(some)) == []


def test_too_many_steps_are_refused():
    with pytest.raises(UsageError, match=f"has more than {MOST_STEPS:,} steps"):
        planned(window("2014-01-01", "2026-01-01"), "hour", ())
    assert len(planned(window("2025-01-01", "2026-01-01"), "hour", ())) == 8760


@pytest.mark.parametrize("text", ["months", "0d", "500ms", "90", "", "-1d", "x", "1.5s", "99999999d"])
def test_steps_of_no_length_are_refused(text):
    with pytest.raises(UsageError, match="is not `month`, `week`, `day`, `hour` or a duration") as raised:
        parse_by(text)
    assert ("month" in raised.value.hint) == (text == "months") or "6h" in raised.value.hint


# --- the key ---------------------------------------------------------------------------------------------------------


def loaded(tmp_path, text):
    (tmp_path / "tapdock.yaml").write_text(f"version: 1\nsources:\n  shop:\n    image: x\n    window: {text}\n")
    return load(tmp_path / "tapdock.yaml", environment=None, environ={}).sources["shop"].window


def test_the_key_names_the_settings(tmp_path):
    assert loaded(tmp_path, "{start: a.b, end: c}") == WindowKeys(start="a.b", end="c")
    assert loaded(tmp_path, "{start: a, end: b, format: '%s', end_is: inclusive}") == WindowKeys(
        start="a", end="b", format="%s", end_is="inclusive"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{start: a}", "`sources.shop.window` needs `end`"),
        ("{start: a, end: a}", "`sources.shop.window.end` is the same setting as `start`"),
        (
            "{start: a, end: b, format: '%H:%M'}",
            "`sources.shop.window.format` is `%H:%M`, not a format with a whole date",
        ),
        ("{start: a, end: b, end_is: open}", "`sources.shop.window.end_is` is `open`, not one of"),
        ("{start: a, end: b, stop: c}", "stop"),
        ("start_date", "is `start_date`, not a mapping"),
    ],
)
def test_a_mistake_in_the_key_has_its_place(tmp_path, text, message):
    with pytest.raises(UsageError) as raised:
        loaded(tmp_path, text)
    assert message in raised.value.message
    assert raised.value.message.startswith("tapdock.yaml:5")
