"""Variants of one test: the first always runs, the others are slow tests."""

import pytest

__all__ = ["variants"]


def variants(argument: str, *values: str) -> pytest.MarkDecorator:
    """Return a decorator like `pytest.mark.parametrize`, for connectors that hardly differ in what a test is about."""
    others = [pytest.param(value, marks=pytest.mark.slow) for value in values[1:]]
    return pytest.mark.parametrize(argument, [values[0], *others])
