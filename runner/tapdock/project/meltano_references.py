"""Convert Meltano's references to variables (`$NAME`) into those of tapdock (`${NAME}`)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapdock.project.builtin import NAMES

__all__ = ["expanded", "free", "references", "referred"]

_DOLLAR = re.compile(r"(?P<escape>\\)?\$(?:\{(?P<curly>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<plain>[A-Z][A-Z0-9_]*))|\$")
"""A `$` with the variable that it refers to. In Meltano, a variable without braces has a name in capital letters,
`\\$NAME` is the text `$NAME`, and every other `$` is plain text."""


def free(name: str) -> str:
    """Return the name of a variable, with a beginning if it is the name of a built-in variable of tapdock.

    >>> free("SCHEMA"), free("TARGET")
    ('SCHEMA', 'MELTANO_VAR_TARGET')
    """
    return f"MELTANO_VAR_{name}" if name in NAMES else name


def references(value: Any, known: Mapping[str, str] | None = None) -> Any:
    """Return the value with Meltano's `$NAME` as `${NAME}`, and every other `$` as `$$`.

    A variable with the name of a built-in one gets another name (`free`). `known` are variables that Meltano sets
    itself, with the text that replaces them.
    """

    def replaced(found: re.Match[str]) -> str:
        name = found["curly"] or found["plain"]
        if found["escape"]:
            return found[0][1:].replace("$", "$$")
        return (known or {}).get(name, f"${{{free(name)}}}") if name else "$$"

    if isinstance(value, dict):
        return {key: references(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [references(inner, known) for inner in value]
    return _DOLLAR.sub(replaced, value) if isinstance(value, str) else value


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return text with its variables replaced as Meltano does it: one that is not set is empty."""

    def replaced(found: re.Match[str]) -> str:
        name = found["curly"] or found["plain"]
        if found["escape"]:
            return found[0][1:]
        return variables.get(name, "") if name else found[0]

    return _DOLLAR.sub(replaced, text)


def referred(value: Any) -> Iterator[str]:
    """Yield the names of the variables to which a value of Meltano refers."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from referred(inner)
    elif isinstance(value, str):
        yield from (
            name
            for found in _DOLLAR.finditer(value)
            if not found["escape"] and (name := found["curly"] or found["plain"])
        )
