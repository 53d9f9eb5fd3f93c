"""Rows of the table: what was measured, against which floor, and whether it is within its budget. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

__all__ = ["Budget", "Row", "as_json", "spread", "table"]

_COLUMNS = ("row", "ours", "floor", "unit", "ratio", "budget", "verdict", "spread")


@dataclass(frozen=True)
class Budget:
    """An upper limit: of the ratio to the floor, or of our own number in the row's unit."""

    limit: float
    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One value a round on each side; without a floor there is no ratio, without a budget no verdict."""

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
    """Highest less lowest, as a part of the median; None where there are not two values."""
    return (max(values) - min(values)) / median(values) if len(values) > 1 and median(values) else None


def table(rows: Iterable[Row]) -> str:
    """Aligned columns; the spread is ours, then the floor's."""
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
    """Three digits that count, without an exponent.

    >>> [_number(value) for value in (0.01234, 1.234, 123.4, 1234.5)]
    ['0.0123', '1.23', '123', '1234']
    """
    digits = next((digits for digits, limit in ((0, 100), (1, 10), (2, 1), (3, 0.1)) if value >= limit), 4)
    return f"{value:.{digits}f}"


def as_json(rows: Iterable[Row], machine: Mapping[str, object]) -> dict[str, Any]:
    """Medians and every value; `budget` limits `ratio` or `ours`, as `budget_of` says."""
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
