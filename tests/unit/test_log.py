"""Tests log lines for people and for machines."""

import io
import json
import re
from pathlib import Path

from tapdock.log import Log
from tapdock.runs.log_file import log_to

NOON = 1795348800.0


def logged(**options):
    shown, file = io.StringIO(), io.StringIO()
    log = Log("r1", write=shown.write, file=file, clock=lambda: NOON, **options)
    return log, shown, file


def test_an_event_is_one_line_for_people_and_one_for_machines():
    log, shown, file = logged()
    log.info("state committed", stream="users", seq=5, skipped=None)
    assert shown.getvalue().endswith("info    state committed  stream=users  seq=5\n")
    assert json.loads(file.getvalue()) == {
        "time": "2026-11-22T12:00:00.000+00:00",
        "level": "info",
        "event": "state committed",
        "run_id": "r1",
        "stream": "users",
        "seq": 5,
        "skipped": None,
    }


def test_a_list_is_shown_as_words():
    log, shown, file = logged()
    log.info("the scheduler has started", schedules=["nightly", "weekly"])
    assert shown.getvalue().endswith('schedules="nightly, weekly"\n')
    assert json.loads(file.getvalue())["schedules"] == ["nightly", "weekly"]


def test_json_lines_on_stderr():
    log, shown, file = logged(format="json")
    log.warning("x", a=1)
    assert json.loads(shown.getvalue()) == json.loads(file.getvalue())


def test_debug_goes_to_the_file_only():
    log, shown, file = logged()
    log.debug("x")
    assert (shown.getvalue(), bool(file.getvalue())) == ("", True)


def test_a_connectors_line_is_cleaned_everywhere():
    log, shown, file = logged()
    log.line("source", "error", "\x1b[31mpassword wrong\x1b[0m\n::set-output name=x::y\r\n")
    for text in (shown.getvalue(), json.loads(file.getvalue())["message"]):
        assert "\x1b" not in text
        assert "::set" not in text
    assert "source | password wrong" in shown.getvalue()


def test_no_colour_unless_asked():
    log, shown, _ = logged(colour=True)
    log.error("x")
    assert "\x1b[31m" in shown.getvalue()
    log, shown, _ = logged()
    log.error("x")
    assert "\x1b" not in shown.getvalue()


def test_a_full_disk_loses_the_log_file_but_not_the_run():
    shown = io.StringIO()
    with log_to(Path("/dev/full")) as file:
        log = Log("r1", write=shown.write, file=file, clock=lambda: NOON)
        log.info("one")
        log.info("two")
        assert "no longer written" in shown.getvalue()
        assert shown.getvalue().count("\n") == 3


def test_nothing_in_an_event_is_obeyed_by_a_terminal_or_a_ci():
    for kind in ("text", "json"):
        log, shown, file = logged(format=kind)
        log.warning("odd\n::error::x", stream="a\nhint: b", note="\x1b[31m\x9b31m\u202e##[group]x", half="\ud800")
        for text in (shown.getvalue(), file.getvalue()):
            assert text.count("\n") == 1
            assert not re.search("[\x1b\x9b\u202e]|##\\w*\\[|^\\s*::", text)
    entry = json.loads(file.getvalue())
    assert (entry["stream"], entry["note"]) == ("a\nhint: b", "\x1b[31m\x9b31m\u202e##[group]x"), "values are kept"


def test_each_line_of_a_message_is_marked_as_the_connectors():
    log, shown, _ = logged()
    log.line("source", "info", "one\ntwo")
    assert [line.partition("source | ")[2] for line in shown.getvalue().splitlines()] == ["one", "two"]


def test_the_last_lines_of_a_side_are_shown_when_they_explain_something():
    log, shown, _ = logged(lines="warning")
    for number in range(15):
        log.line("target", "info", f"line {number}.")
    log.line("source", "info", "other")
    log.line("target", "debug", "details")
    assert shown.getvalue() == ""
    log.unfold("target")
    assert [line.partition("target | ")[2] for line in shown.getvalue().splitlines()] == [
        f"line {number}." for number in range(5, 15)
    ]
    log.unfold("target")
    assert len(shown.getvalue().splitlines()) == 10, "once"


def test_nothing_follows_the_last_event():
    """An engine may deliver lines of a container late, even after the file was closed."""
    log, shown, file = logged()
    log.end("run ended", status="failed")
    file.close()
    log.line("target", "error", "late")
    log.warning("late")
    assert len(shown.getvalue().splitlines()) == 1
    assert "run ended  status=failed" in shown.getvalue()
