"""Tests names of states as keys of a bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.state.backends.keys import key_of, name_of

PREFIXES = st.sampled_from(["", "team/", "a%41/"])


@given(prefix=PREFIXES, name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_comes_back(prefix, name):
    assert name_of(prefix, key_of(prefix, name)) == name


@given(prefix=PREFIXES, key=st.text("aA%34126/.:json"))
def test_a_key_that_has_a_name_is_the_key_of_that_name(prefix, key):
    """Otherwise the listing would show one object, and a command would read or remove another one."""
    for each in (key, f"{prefix}{key}.json"):
        name = name_of(prefix, each)
        assert name is None or key_of(prefix, name) == each


@pytest.mark.parametrize("key", ["t/a%3Ab.json", "t/%61.json", "a:b.json", "t/a", "t/a%3ab.json", "t/..json"])
def test_what_is_not_ours_has_no_name(key):
    assert name_of("t/", key) is None
