"""The tables that targets make of stream names. Several names may become one table."""

import re
from collections.abc import Callable
from typing import Literal

import msgspec

__all__ = ["STRICTEST", "TableName", "TableNames", "TableRule", "Tables"]

TableRule = Literal["bare", "kept", "last", "last_kept", "split", "split_words", "whole"]
TableName = tuple[str, str]
"""Schema and table, in lower case; the schema is empty if the target has none."""

STRICTEST: tuple[TableRule, ...] = ("split_words", "last")
"""The rules for a Singer target that is not known."""
_POSTGRES_BYTES = 63
"""PostgreSQL cuts longer names, with a notice that no target passes on. It is the strictest limit."""


class TableNames(msgspec.Struct, frozen=True, kw_only=True):
    """How a target makes tables of stream names; `rules` is None if it is not known.

    `schema` is the schema that the target uses for all streams, `schemas` maps namespaces to schemas. `longest` is the
    number of bytes to which a database cuts the name of a table; None if it refuses longer names. The rules are those
    of connectors whose code was read:

    - `split` (PipelineWise's targets, target-duckdb 0.8.0): `<schema>-<table>` or `<catalog>-<schema>-<table>`; dots
      and further hyphens become `_`. `split_words` (pipelinewise-target-bigquery 1.5.0) replaces all punctuation.
    - `last` (SQL targets of Meltano's SDK 0.54.9): the table is the part after the last hyphen, without characters
      other than letters, digits and `_`. `last_kept` (meltanolabs-target-postgres 0.8.1) does not change characters.
    - `whole` (z3-target-bigquery 0.7.2): one table for the whole name; hyphens and dots become `_`.
    - `kept` (target-jsonl 0.1.4, meltanolabs-target-csv 0.5.0): a file for the whole name.
    - `bare` (airbyte-destination-pgvector 0.1.13): the name without its namespace; all punctuation becomes `_`.
    """

    rules: tuple[TableRule, ...] | None = None
    schema: str | None = None
    schemas: dict[str, str] = {}
    longest: int | None = None

    @property
    def cuts(self) -> bool:
        """True if the target may cut names at hyphens."""
        return any(rule.startswith(("split", "last")) for rule in self._singer_rules)

    @property
    def has_schemas(self) -> bool:
        """True if `schema_mapping` of the target gives each namespace its own schema."""
        return any(rule.startswith("split") for rule in self._singer_rules)

    @property
    def _singer_rules(self) -> tuple[TableRule, ...]:
        return STRICTEST if self.rules is None else self.rules

    def tables(self, name: str) -> tuple[TableName, ...]:
        """Return the table for a Singer stream by each rule.

        >>> TableNames(rules=("last",), schema="main").tables("eu-Line.Items")
        (('main', 'line_items'),)
        """
        longest = _POSTGRES_BYTES if self.rules is None else self.longest
        return tuple(_as_stored(_RULES[rule](name, self), longest) for rule in self._singer_rules)


class Tables:
    """The tables of a run's streams, to find two streams in one table."""

    def __init__(self, names: TableNames) -> None:
        self._names = names
        self._first: dict[object, str] = {}

    def shared(self, stream: str, *names: str) -> tuple[str, str] | None:
        """Return another stream that is written to the same table, and that table; None if there is none.

        `names` are the names that the stream may have in messages. Two streams share a table if they do so by every
        one of their names.
        """
        for place, found in enumerate(zip(*map(self._names.tables, names), strict=True)):
            other = self._first.setdefault((place, found), stream)
            if other != stream:
                return other, ".".join(part for part in found[0] if part)
        return None


def _as_stored(table: TableName, longest: int | None) -> TableName:
    """Return the table in lower case, cut to the longest name."""
    schema, name = table
    return schema.casefold(), name.casefold().encode(errors="replace")[:longest].decode(errors="replace")


def _underscored(name: str) -> str:
    return re.sub(r"[.-]", "_", name)


def _words(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "_", name)


def _conformed(name: str) -> str:
    """Return a name as SQL targets of Meltano's SDK write it: a digit at its start becomes a letter."""
    text = re.sub(r"[.\s-]", "_", re.sub(r"[^\w.\s-]", "", name, flags=re.ASCII).strip())
    return re.sub(r"^[0-9]", lambda digit: "abcdefghij"[int(digit[0])], text)


def _whole(clean: Callable[[str], str]) -> Callable[[str, TableNames], TableName]:
    def table(name: str, names: TableNames) -> TableName:  # noqa: ARG001 - the same arguments as the other rules
        return "", clean(name)

    return table


def _split(clean: Callable[[str], str]) -> Callable[[str, TableNames], TableName]:
    def table(name: str, names: TableNames) -> TableName:
        parts = name.split("-")
        namespace = parts[0] if len(parts) == 2 else parts[1] if len(parts) > 2 else ""
        rest = parts[-1] if len(parts) <= 2 else "_".join(parts[2:])
        return names.schemas.get(namespace) or names.schema or clean(namespace), clean(rest)

    return table


def _last(clean: Callable[[str], str]) -> Callable[[str, TableNames], TableName]:
    def table(name: str, names: TableNames) -> TableName:
        parts = name.split("-")
        return names.schema or (clean(parts[-2]) if len(parts) in (2, 3) else ""), clean(parts[-1])

    return table


_RULES: dict[TableRule, Callable[[str, TableNames], TableName]] = {
    "bare": _whole(_words),
    "kept": _whole(str),
    "last": _last(_conformed),
    "last_kept": _last(str),
    "split": _split(_underscored),
    "split_words": _split(_words),
    "whole": _whole(_underscored),
}
