"""Values of a matrix: the rows of a pipeline that runs for many tenants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PREFIX", "Matrix", "Row", "row_name", "split_name"]

PREFIX = "matrix."
"""The beginning of a reference to a value of a row: `${matrix.name}`."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a pipeline's matrix. `values` are by name, and `name` is one of them."""

    pipeline: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Where the rows of a pipeline are: in the project file, in another file, or in what a command prints.

    `columns` are added to each record of a row. `naming` are those of them whose value is the row's name: of a
    chosen row only. `seconds` is the time limit of the command. `place` is for errors.
    """

    rows: tuple[Row, ...] | None = None
    file: str | None = None
    command: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict, hash=False)
    naming: tuple[str, ...] = ()
    seconds: float = 60.0
    allow_empty: bool = False
    place: str = field(default="", compare=False)


def row_name(pipeline: str, row: str) -> str:
    """Return the name of a row as a pipeline: `shop[acme]`."""
    return f"{pipeline}[{row}]"


def split_name(name: str) -> tuple[str, str | None]:
    """Return the pipeline and the row of a name; None for the row of a name without one.

    >>> split_name("shop[acme]"), split_name("shop")
    (('shop', 'acme'), ('shop', None))
    """
    pipeline, bracket, rest = name.partition("[")
    return (pipeline, rest[:-1]) if bracket and rest.endswith("]") else (name, None)
