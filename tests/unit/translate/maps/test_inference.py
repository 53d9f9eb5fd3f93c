"""Tests that the schema of an expression is that of its values."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import Scope, Uncomputable, compiled

RECORD = {"a": 3, "b": None, "p": Decimal("1.5"), "s": "2020-01-02", "l": [1, "x"], "o": {"k": 1}, "t": True}
SCOPE = Scope({}, frozenset(RECORD), hash_key=b"k" * 16)

SCHEMAS = {
    "a": None,
    "record": None,
    "b or a": None,
    "l[0]": None,
    "datetime.date(2020, 1, 2) - datetime.date(2020, 1, 1)": None,
    "datetime.timedelta(days=1)": None,
    "str(a) * 2": None,
    "int(a) or 'x'": None,
    "int(a) + 1": "integer",
    "int(a) // 2 % 3": "integer",
    "-int(a)": "integer",
    "int(a) / 2": "number",
    "int(a) ** -1": "number",
    "float(a) * int(a)": "number",
    "1.5": "number",
    "int(a) if t else None": "integer",
    "int(a) if t else 1.5": "number",
    "a > 2": "boolean",
    "not a": "boolean",
    "s.startswith('2')": "boolean",
    "bool(a)": "boolean",
    "'x' + s": "string",
    "s.lower()": "string",
    "f'{a}'": "string",
    "datetime.datetime.max.isoformat()": "string",
    "datetime.datetime.max.timestamp()": None,
    "datetime.datetime.fromisoformat(s).timestamp()": None,
}


@pytest.mark.parametrize("text", SCHEMAS)
def test_types(text):
    expected = SCHEMAS[text]
    assert compiled(text, SCOPE).schema == (None if expected is None else {"type": [expected, "null"]})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("datetime.date.fromisoformat(s)", "date"),
        ("datetime.date.fromisoformat(s) + datetime.timedelta(days=1)", "date"),
        ("datetime.datetime.fromisoformat(s).date()", "date"),
        ("datetime.datetime.now()", "date-time"),
        ("datetime.datetime.now() - datetime.timedelta(days=1)", "date-time"),
    ],
)
def test_dates(text, kind):
    assert compiled(text, SCOPE).schema == {"type": ["string", "null"], "format": kind}


ATOMS = ["a", "b", "p", "s", "l", "o", "t", "1", "0", "2.5", "'x'", "None", "True", "datetime.date.fromisoformat(s)"]
FUNCTIONS = ["str", "int", "float", "bool", "md5", "hash", "mask", "json.dumps", "list", "datetime.timedelta"]
METHODS = ["lower()", "isoformat()", "date()", "get('k')", "split('-')", "startswith('x')", "join(l)", "k", "year"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "&", "<", "==", "in", "and", "or"]
TEXTS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("{}({})".format, st.sampled_from(FUNCTIONS), inner),
        st.builds("({}).{}".format, inner, st.sampled_from(METHODS)),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({}{})".format, st.sampled_from(["-", "+", "~", "not "]), inner),
    ),
    max_leaves=5,
)
TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float, Decimal),
}


def fits(text):
    try:
        made = compiled(text, SCOPE)
        value = made(RECORD, stream="s", original_stream="s")
    except (UsageError, Uncomputable):
        return
    if made.schema is not None and value is not None:
        kind = made.schema["type"][0]
        assert isinstance(value, TYPES[kind]), text
        assert isinstance(value, bool) is (kind == "boolean"), text


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_values_have_the_type(text):
    fits(text)


@pytest.mark.slow
@given(TEXTS)
@settings(max_examples=5_000, deadline=None)
def test_values_of_many_expressions_have_the_type(text):
    fits(text)
