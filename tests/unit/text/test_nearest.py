"""Tests which known word a misspelled one may mean."""

import pytest

from tapdock.text.nearest import did_you_mean

KNOWN = ("database", "host", "count", "seed", "password")


@pytest.mark.parametrize(
    ("word", "near"),
    [("cuont", "count"), ("hostname", "host"), ("Pasword", "password"), ("databse", "database"), ("seeds", "seed")],
)
def test_a_misspelled_word(word, near):
    assert did_you_mean(word, KNOWN) == f"did you mean `{near}`?"


@pytest.mark.parametrize("word", ["dates", "region", "days"])
def test_a_word_that_means_something_else(word):
    assert did_you_mean(word, KNOWN) is None
