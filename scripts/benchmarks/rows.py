"""Rows of the table: the measured values, their floors, and whether they are within their budgets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

__all__ = ["Budget", "Row", "as_json", "spread", "table"]

_COLUMNS = ("row", "ours", "floor", "unit", "ratio", "budget", "verdict", "spread")


@dataclass(frozen=True)
class Budget:
    """An upper limit for the ratio to the floor, or for tapdock's own value in the row's unit."""

    limit: float
    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row with one value per round and side. Without a floor, it has no ratio; without a budget, no verdict."""

    name: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float] = ()
    budget: Budget | None = None

    @property
    def ratio(self) -> float | None:
        return median(self.ours) / median(self.floor) if self.floor else None

    @property
    def verdict(self) -> Literal["ok", "missed"] | None:
        if self.budget is None:
            return None
        measured = self.ratio if self.budget.of == "ratio" else median(self.ours)
        return "ok" if measured is not None and measured <= self.budget.limit else "missed"


def spread(values: Sequence[float]) -> float | None:
    """Return the difference of the highest and the lowest value, divided by the median; None for a single value."""
    return (max(values) - min(values)) / median(values) if len(values) > 1 and median(values) else None


def table(rows: Iterable[Row]) -> str:
    """Return the rows as aligned columns. The spread is tapdock's, then the floor's."""
    lines = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        _number(median(row.ours)),
        _number(median(row.floor)) if row.floor else "",
        row.unit,
        f"{row.ratio:.2f}" if row.ratio is not None else "",
        _budget(row),
        row.verdict or "",
        " / ".join(f"{part:.0%}" for part in (spread(row.ours), spread(row.floor)) if part is not None),
    )


def _budget(row: Row) -> str:
    if row.budget is None:
        return ""
    return f"{row.budget.limit:.2f} x" if row.budget.of == "ratio" else f"{row.budget.limit:g} {row.unit}"


def _number(value: float) -> str:
    """Return a number with three significant digits, without an exponent.

    >>> [_number(value) for value in (0.01234, 1.234, 123.4, 1234.5)]
    ['0.0123', '1.23', '123', '1234']
    """
    digits = next((digits for digits, limit in ((0, 100), (1, 10), (2, 1), (3, 0.1)) if value >= limit), 4)
    return f"{value:.{digits}f}"


def as_json(rows: Iterable[Row], machine: Mapping[str, object]) -> dict[str, Any]:
    """Return medians and all values as JSON. `budget` limits `ratio` or `ours`, which `budget_of` names."""
    return {"machine": dict(machine), "rows": [_object(row) for row in rows]}


def _object(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "ours": median(row.ours),
        "floor": median(row.floor) if row.floor else None,
        "unit": row.unit,
        "ratio": row.ratio,
        "budget": row.budget.limit if row.budget else None,
        "budget_of": row.budget.of if row.budget else None,
        "verdict": row.verdict,
        "rounds": {"ours": list(row.ours), "floor": list(row.floor)},
    }
