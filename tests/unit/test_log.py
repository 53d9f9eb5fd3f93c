"""Log lines for people and for machines, and connectors' text made harmless."""

import io
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tapdock.log import Log, Redactor, clean, log_to

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


def test_escapes_of_every_kind_go():
    text = "a\x1b[1;31mb\x1b]0;title\x07c\x1b]8;;http://x\x1b\\d\x1b(Be\x9b2Jf\x00g\u202eh\ti"
    assert clean(text) == "abcdefgh\ti"


def test_commands_to_a_ci_are_defused():
    for command in ("::error::x", "  ::add-mask::x", "##[group]x", "a ##vso[task.x]", "##teamcity[x]"):
        cleaned = clean(command)
        assert not cleaned.lstrip().startswith("::")
        assert "##" not in cleaned
    assert clean("a::b ## c") == "a::b ## c"


@given(st.text())
def test_cleaned_text_stays_as_it_is(text):
    once = clean(text)
    assert clean(once) == once
    assert not any(character < " " and character not in "\t\n" for character in once)


def test_short_values_are_not_replaced_and_the_longest_wins():
    redact = Redactor(["yes", "abcdef", "abcdefgh", 'line one\nli"ne two'])
    assert redact("yes abcdefgh abcdef") == "yes [secret] [secret]"
    assert redact('line one / {"a": "line one\\nli\\"ne two"}') == '[secret] / {"a": "[secret]"}'


def test_what_is_learned_later_is_replaced_from_then_on():
    redact = Redactor()
    assert redact("hunter22") == "hunter22"
    redact.learn(["hunter22"])
    redact.learn(["correct horse"])
    assert redact("hunter22, correct horse") == "[secret], [secret]"
