"""Tests values that targets get wrong, with every real target: each value arrives, or the run fails."""

import csv
import json
from typing import Any

import pytest

from e2e.conftest import Postgres
from e2e.junction import lexemes
from e2e.odd_values import PAIRS, REFUSED, TARGETS, Column, columns, messages, ones, refused, stored
from e2e.project import Ended, Shop
from support.variants import variants

pytestmark = pytest.mark.docker
Row = dict[str, str | None]


@variants("target", *TARGETS)
def test_every_value_arrives(shop: Shop, postgres: Postgres, target: str):
    ended = _run(shop, target, list(messages(target)))
    assert ended.code == 0, ended.stderr
    for stream, column in columns(target).items():
        rows = _rows(shop, postgres, target, stream, "id", "value")
        values = [row["value"] for row in sorted(rows, key=lambda row: row["id"] or "")]
        assert _parsed(column, values) == _parsed(column, stored(target, column)), stream
    assert sorted(row["value"] or "" for row in _rows(shop, postgres, target, "ones", "value")) == sorted(ones())
    pairs = [(row["a"] or "", row["b"] or "") for row in _rows(shop, postgres, target, "pairs", "a", "b")]
    assert sorted(pairs) == sorted(PAIRS)


@pytest.mark.slow
@variants("target", *TARGETS)
def test_a_value_that_cannot_be_stored_fails_the_run(shop: Shop, postgres: Postgres, target: str):
    ended = _run(shop, target, list(refused(target)))
    assert ended.code == 4
    assert REFUSED[target][-1] in ended.stderr
    assert shop("state", "get", f"odd-to-{target}").stdout.strip() in ("", "null")


def _run(shop: Shop, target: str, lines: list[str]) -> Ended:
    (shop.folder / "odd" / "lines").write_text("\n".join(lines) + "\n")
    return shop("run", "odd", target)


def _rows(shop: Shop, postgres: Postgres, target: str, stream: str, *names: str) -> list[Row]:
    """Return the rows of a table, with every value as the text that the target's database or file has."""
    texts = [f"CAST({name} AS VARCHAR)" for name in names]
    match target:
        case "lake":
            found = shop.query(f"SELECT {', '.join(texts)} FROM {stream}")
        case "lines":
            rows = map(lexemes, shop.lines(stream))
            found = [tuple(_text(row[name]) for name in names) for row in rows]
        case "sheets":
            found = [tuple(row[name] for name in names) for row in _sheet(shop, stream)]
        case _:
            schema = "public" if target == "base" else target
            rows = f"SELECT json_agg(json_build_array({', '.join(texts)})) FROM {schema}.{stream}"
            # As hexadecimal digits, because psql does not mark where a value ends.
            ((text,),) = postgres.query(f"SELECT encode(convert_to(({rows})::text, 'UTF8'), 'hex')")
            found = json.loads(bytes.fromhex(text)) if text else []
    return [dict(zip(names, row, strict=True)) for row in found]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _sheet(shop: Shop, stream: str) -> list[Row]:
    csv.field_size_limit(1_000_000)
    (path,) = (shop.folder / "sheets").glob(f"{stream}-*.csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _parsed(column: Column, values: list[str | None]) -> list[Any]:
    """Return objects and arrays as parsed JSON, because targets write them with different spaces."""
    is_nested = {"object", "array"} & set(column[0]["type"])
    return [lexemes(value) if is_nested and value else value for value in values]
