"""Tests the values that commands get from their options."""

import pytest

from tapdock.cli import COMMANDS, _command


def _values(name, *words):
    return _command(name, COMMANDS[name][0]).make_context(name, list(words)).params


def test_words_become_values():
    values = _values("run", "demo", "7", "--concurrency", "3", "--select", "5", "--select", "b.*", "--json")
    assert (values["blocks"], values["select"], values["concurrency"]) == (("demo", "7"), ("5", "b.*"), 3)
    assert (values["as_json"], values["quiet"], type(values["concurrency"])) == (True, False, int)
    assert (_values("run")["concurrency"], _values("check", "faker")["read"]) == (None, None)
    assert not _values("run")["blocks"]
    assert not _values("run")["select"]


@pytest.mark.parametrize(("word", "problem"), [("0", "0 is not in"), ("x", "not a valid"), ("1.5", "not a valid")])
def test_a_bad_number_is_refused(word, problem):
    with pytest.raises(Exception, match=problem):
        _values("run", "--concurrency", word)
