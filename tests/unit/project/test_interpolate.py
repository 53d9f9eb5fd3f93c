"""References and `.env` lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.project.interpolate import interpolate, parse_dotenv
from tapdock.project.layers import Layer

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)


def one(text: str, variables: dict[str, str]) -> object:
    return interpolate(Layer({"state_backend": {"uri": text}}), variables).tree["state_backend"]["uri"]


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


def test_a_line_that_is_none_is_told_with_its_number():
    with pytest.raises(UsageError, match=r"^\.env:3: ") as told:
        parse_dotenv("A=1\n\nnot a line\n", ".env")
    assert "not a line" not in told.value.message
