"""Tests that text from outside is made harmless."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.text.clean import clean, harmless_json, one_line, plain

COMMANDS = ("::error::x", "  ::add-mask::x", "\r::x::", "##[group]x", "a ##vso[task.x]", "##teamcity[x]")
HIDDEN = "\u202e\u2066\u061c\u200f\u200b\u200d\u2060\ufeff\u00ad\u3164\ufe0f\u2028\U000e0041\U000e0100"


def test_escapes_of_every_kind_go():
    text = "a\x1b[1;31mb\x1b]0;title\x07c\x1b]8;;http://x\x1b\\d\x1b(Be\x9b2Jf\x00g\u202eh\ti"
    assert clean(text) == "abcdefgh\ti"
    assert clean("a\x9d0;title\x9cb\x90q\x9cc\x85d\x7fe\x1b") == "abcde"


def test_an_escape_code_without_its_end_hides_nothing_behind_it():
    for start in ("\x1b]", "\x1bP", "\x9d", "\x90", "\x1b[", "\x9b", "\x1b"):
        assert clean(f"stream `{start}`, which is not known\nhint: look").endswith(", which is not known\nhint: look")


@pytest.mark.parametrize("character", HIDDEN, ids=ascii)
def test_characters_that_hide_or_turn_text_go(character):
    assert clean(f"se{character}cret") == "secret"
    assert json.loads(harmless_json(f'"{character}"')) == character
    assert harmless_json(f'"{character}"').isascii()


def test_other_writing_stays():
    for text in ("grün, 日本語, Ελληνικά, עברית, العربية, 🎉", "tab\tand\nline"):
        assert clean(text) == text
        assert harmless_json(json.dumps(text, ensure_ascii=False)) == json.dumps(text, ensure_ascii=False)


def test_commands_to_a_ci_are_defused():
    for command in COMMANDS:
        for cleaned in (clean(command), clean(f"first\n{command}")):
            assert not any(line.lstrip().startswith("::") for line in cleaned.splitlines())
            assert "##" not in cleaned
    assert clean("a::b ## c") == "a::b ## c"


def test_a_command_that_is_put_together_by_cleaning_is_defused_as_well():
    for command in ("\x1b[0m::error::x", ":\u200b:error::x", "#\x00#[x]", "##\x1b[1mvso[x]", "#\ud800#[x]"):
        cleaned = clean(command)
        assert not cleaned.startswith("::")
        assert "##" not in cleaned


@given(st.text())
def test_cleaned_text_stays_as_it_is(text):
    once = clean(text)
    assert clean(once) == once
    assert plain(once) == once
    assert not any(character < " " and character not in "\t\n" for character in once)
    once.encode()


def test_a_name_with_line_feeds_is_one_line():
    assert one_line("a\nhint: run `x`\n\n::error::y") == "a / hint: run `x` / ::error::y"
    assert one_line("a\r\n::b") == "a / ::b"
    assert one_line("::a\nb") == ": :a / b"


ODD = [*COMMANDS, HIDDEN, "\x1b[31m\x9b", "\ud800"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from([*COMMANDS, HIDDEN, "\x1b[31m\x9b", "\ud800"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.long
@given(JSON, st.sampled_from([None, 2]), st.booleans())
def test_json_keeps_its_values_and_is_harmless(value, indent, windows):
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    text = text.replace("\n", "\r\n") if windows else text
    shown = harmless_json(text)
    assert json.loads(shown) == value
    assert clean(shown) == shown


def test_half_a_line_of_json_is_harmless_too():
    assert harmless_json('{"a": "\x1b[31m') == '{"a": "\\u001b[31m'
