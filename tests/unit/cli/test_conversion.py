"""Tests that options mean the same with and without pydantic."""

import pytest
import typer
import typer.core
import typer.main

from tapdock.cli import COMMANDS, _command, conversion


@pytest.fixture(params=["quick", "typer's own"])
def convert(request, monkeypatch):
    """convert(name, *words) -> the values of a command's parameters."""
    real = getattr(typer.core, "build_runtime_param", None)
    real = getattr(real, "_real", real)
    if real is None:
        pytest.skip("this version of typer does not use pydantic")
    monkeypatch.setattr(typer.core, "build_runtime_param", real)
    if request.param == "quick":
        conversion.quicken()
        conversion.quicken()  # a second call changes nothing
        assert typer.core.build_runtime_param is not real
    return lambda name, *words: _command(name, COMMANDS[name][0]).make_context(name, list(words)).params


def test_values_are_those_that_typer_converts_itself(convert):
    values = convert("run", "demo", "7", "--concurrency", "3", "--select", "5", "--select", "b.*", "--json")
    assert (values["blocks"], values["select"], values["concurrency"]) == (["demo", "7"], ["5", "b.*"], 3)
    assert (values["as_json"], values["quiet"], type(values["concurrency"])) == (True, False, int)
    assert (convert("run")["concurrency"], convert("check", "faker")["read"]) == (1, None)
    assert not convert("run")["blocks"]
    assert not convert("run")["select"]


@pytest.mark.parametrize(("word", "problem"), [("0", "greater than"), ("x", "valid integer"), ("1.5", "valid integer")])
def test_a_bad_number_is_refused(convert, word, problem):
    with pytest.raises(Exception, match=problem):
        convert("run", "--concurrency", word)
