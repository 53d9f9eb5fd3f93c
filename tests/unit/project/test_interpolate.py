"""Tests references to variables, and lines of `.env`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.project.dotenv import parse_dotenv
from tapdock.project.interpolate import Scope, interpolate
from tapdock.project.layers import Layer

NAMES = st.tuples(st.sampled_from("A_Z"), st.text("AZ_09", max_size=8)).map("".join)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)


def one(text: str, variables: dict[str, str]) -> object:
    return interpolate(Layer({"state_backend": {"uri": text}}), Scope(variables=variables)).tree["state_backend"]["uri"]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"),
        ("a${A}b${B}", "a1b"),
        ("${B:-x}", "x"),
        ("${NONE:-}", ""),
        ("${A:-x}", "1"),
        ("$${A}", "${A}"),
        ("$A $ $", "$A $ $"),
        ("$$$${A}", "$${A}"),
    ],
)
def test_references(text, result):
    assert one(text, {"A": "1", "B": ""}) == result


@given(NAMES, TEXTS)
def test_a_value_is_never_read_again(name, value):
    assert one(f"<${{{name}}}>", {name: value}) == f"<{value}>"


@given(TEXTS)
def test_doubled_dollars_escape_any_text(text):
    assert one(text.replace("$", "$$"), {}) == text


@given(st.dictionaries(NAMES, TEXTS, max_size=4))
def test_quoted_dotenv_values_come_back(values):
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    text = "".join(f'{name}="{value}"\n' for name, value in escaped.items())
    assert parse_dotenv(text, ".env") == values


def test_a_malformed_line_is_reported_with_its_number():
    with pytest.raises(UsageError, match=r"^\.env:3: ") as told:
        parse_dotenv("A=1\n\nnot a line\n", ".env")
    assert "not a line" not in told.value.message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("export A=1\r\nB = two words # said\n", {"A": "1", "B": "two words"}),
        ("A=a#b\nB='a # b'\nC=\n", {"A": "a#b", "B": "a # b", "C": ""}),
        ('A="line one\nline two"\nB="tab\\tand \\"quotes\\""\n', {"A": "line one\nline two", "B": 'tab\tand "quotes"'}),
        ("# nothing\n\n   # else\n", {}),
        ("A=$B ${C}\n", {"A": "$B ${C}"}),
    ],
)
def test_dotenv_is_what_other_tools_read(text, values):
    assert parse_dotenv(text, ".env") == values


@pytest.mark.parametrize("line", ["LONELY", "1A=2", "A B=1", "A-B=1", "='x'", 'A="open'])
def test_another_line_is_refused_with_its_number_and_without_its_text(line):
    with pytest.raises(UsageError, match=r"^\.env:3: not a `NAME=value` line") as told:
        parse_dotenv(f"A=1\n# one\n{line}\n", ".env")
    assert line not in told.value.message
