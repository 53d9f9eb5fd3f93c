"""Tests that an expression reads no other fields than those that it names: rules for protected fields rely on that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import ABSENT, Scope, Uncomputable, compiled

RECORD = {"a": 1, "b": "two", "c": {"a": 3, "k": "a"}, "d": ["a", "b"], "self": "s", "config": "c", "get": {"k": 5}}
SCOPE = Scope({"a": "b"}, frozenset(RECORD))

READS = {
    "b.lower() + record['a'] + _.c + record.get('d', 1)": {"a", "b", "c", "d"},
    "[x for x in d if x != b]": {"d", "b"},
    "config['a'] + __stream_name__": set(),
    "config.a": set(),
    "[record for record in d]": {"d"},
    "[_ for x in d]": None,
    "record.get.k": {"get"},
    "self": {"self", "mine"},
    "f'{a:{b}}'": {"a", "b"},
    "dict(x=a)": {"a"},
    "{**c, 'k': b}": {"b", "c"},
    "mask(a, keep=get)": {"a", "get"},
    "json.dumps(record)": None,
    "record[b]": None,
    "record.get(b)": None,
    "record.get(key='a')": None,
    "record.items()": None,
    "{**record}": None,
    "[*_]": None,
    "a in record": None,
    "record if False else 1": None,
}


@pytest.mark.parametrize("text", READS)
def test_fields_that_are_read(text):
    reads = compiled(text, SCOPE, field="mine").reads
    assert reads == (None if READS[text] is None else frozenset(READS[text]))


def test_self_reads_any_field_if_its_field_is_not_known():
    assert compiled("self", SCOPE).reads is None


ATOMS = ["a", "b", "c", "d", "get", "self", "record", "_", "config", "'a'", "'b'", "'k'", "0", "1", "x"]
FORMS = [
    "{}[{}]",
    "{}.get({})",
    "{}.get({}, 1)",
    "({} + {})",
    "({} in {})",
    "({} or {})",
    "[x for x in {} if x in {}]",
    "[[x, {}] for x in {}]",
    "{{x: {} for x in {}}}",
    "f'{{{}}}'[{}:]",
    "str({})[:{}]",
    "[{}, *{}]",
    "dict(k={}, m={})",
]
TEXTS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds(lambda form, one, two: form.format(one, two), st.sampled_from(FORMS), inner, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["a", "b", "c", "k", "get", "items()", "values()"])),
    ),
    max_leaves=5,
)


def outcome(expression, record):
    try:
        return expression(record, stream="b", original_stream="a", own=record.get("a", ABSENT))
    except Uncomputable:
        return "failed"


def without_fields_that_are_not_read(text, fields):
    try:
        expression = compiled(text, Scope({"a": "b"}, fields), field="a")
    except UsageError:
        return
    if expression.reads is None:
        return
    kept = {name: value for name, value in RECORD.items() if name in expression.reads}
    changed = {name: RECORD.get(name) if name in expression.reads else "changed" for name in RECORD}
    expected = outcome(expression, RECORD)
    assert outcome(expression, kept) == outcome(expression, changed) == expected, text


@given(TEXTS, st.sampled_from([None, frozenset(RECORD)]))
@settings(max_examples=100, deadline=None)
def test_other_fields_have_no_effect(text, fields):
    without_fields_that_are_not_read(text, fields)


@pytest.mark.slow
@given(TEXTS, st.sampled_from([None, frozenset(RECORD)]))
@settings(max_examples=3_000, deadline=None)
def test_other_fields_have_no_effect_on_many_expressions(text, fields):
    without_fields_that_are_not_read(text, fields)
