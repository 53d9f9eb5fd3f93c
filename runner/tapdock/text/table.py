"""Lay out a table as lines: as columns if they fit, else with the last cell below its row, else row by row."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

__all__ = ["table_lines"]

_GAP = "  "
_NARROWEST = 8
_LEAST_TEXT = 24  # characters: a narrower column of sentences is hard to read
_INDENT = "    "
_PADDED = 40  # characters: in a file or a pipe, longer cells do not move the columns of all other rows
Row = Sequence[str]


def table_lines(columns: Row, rows: Sequence[Row], *, width: int | None) -> Iterator[str]:
    """Yield the lines of a table. Nothing is cut, and no word is broken, so that each can be copied.

    `width` is that of the terminal; without one, each row is one line.
    """
    table = [columns, *rows]
    whole = [max(len(row[index]) for row in table) for index in range(len(columns))]
    if width is None:
        yield from (_line(row, [_padded(table, index) for index in range(len(columns))]) for row in table)
    elif (fitting := _fitting(table, whole, width)) is not None:
        yield from _wrapped(table, fitting)
    elif len(columns) > 2 and (fitting := _fitting([row[:-1] for row in table], whole[:-1], width)) is not None:
        for row in table:
            yield from _wrapped([row[:-1]], fitting)
            yield from _words(row[-1], width, _INDENT)
    else:
        yield from _row_by_row(columns, rows, width)


def _padded(table: Sequence[Row], index: int) -> int:
    lengths = [len(row[index]) for row in table]
    return max([lengths[0], *(length for length in lengths if length <= _PADDED)])


def _fitting(table: Sequence[Row], whole: Sequence[int], width: int) -> list[int] | None:
    """Return a width for each column: the widest are narrowed first. None if a word does not fit."""
    room = width - len(_GAP) * (len(whole) - 1)
    least = [max(_longest_word(row[index]) for row in table) for index in range(len(whole))]
    least[-1] = max(least[-1], min(whole[-1], _LEAST_TEXT))
    narrowed = list(whole)
    while sum(narrowed) > room:
        widest = max(
            (index for index in range(len(whole)) if narrowed[index] > least[index]),
            key=narrowed.__getitem__,
            default=None,
        )
        if widest is None:
            return None
        narrowed[widest] -= 1
    return narrowed


def _longest_word(cell: str) -> int:
    return max(map(len, cell.split()), default=0)


def _wrapped(table: Sequence[Row], widths: Sequence[int]) -> Iterator[str]:
    for row in table:
        cells = [_words(cell, size) or [""] for cell, size in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield _line(parts, widths)


def _row_by_row(columns: Row, rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield each cell that is not empty in a line of its own, with the name of its column. A row ends with a gap."""
    labels = max(map(len, columns))
    room = max(_NARROWEST, width - labels - len(_GAP))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for column, cell in zip(columns, row, strict=True):
            first, *rest = _words(cell, room) or [""]
            if cell:
                yield f"{column.ljust(labels)}{_GAP}{first}"
                yield from (f"{' ' * labels}{_GAP}{line}" for line in rest)
    if not rows:
        yield _GAP.join(columns)


def _words(cell: str, width: int, indent: str = "") -> list[str]:
    """Return a cell as lines; none for an empty one. A word that is longer than a line stays whole."""
    if len(indent) + len(cell) <= width:
        return [indent + cell] if cell else []
    return textwrap.wrap(
        cell,
        max(width, 1),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _line(cells: Row, widths: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(size) for cell, size in zip(cells, widths, strict=True)).rstrip()
