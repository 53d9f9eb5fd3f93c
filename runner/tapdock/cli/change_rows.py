"""Changes of a catalog as rows of a table."""

from collections.abc import Iterable

from tapdock.connectors.schema_changes import SchemaChange

__all__ = ["COLUMNS", "change_rows"]

COLUMNS = ("SCHEMA", "STREAM OR FIELD", "DETAIL", "NOTE")


def change_rows(changes: Iterable[SchemaChange]) -> list[tuple[str, str, str | None, str]]:
    return [
        (each.change, f"{each.stream}.{each.field}" if each.field else each.stream, each.detail, _note(each))
        for each in changes
    ]


def _note(change: SchemaChange) -> str:
    marks = {"breaking": change.breaking, "left out": change.left_out, "not selected": not change.is_read}
    return ", ".join(name for name, applies in marks.items() if applies)
