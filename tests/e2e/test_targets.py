"""Tests the same rows with every real target: all rows, with all their digits."""

import csv
import json
import os
import re
import subprocess

import pytest

from e2e.conftest import Postgres
from e2e.project import Shop

pytestmark = pytest.mark.docker
EXACT, WHOLE = "12345678901234567.123456789", "12345678901234567890"  # as written by ledger/source.py


@pytest.mark.slow
def test_jsonl(shop: Shop):
    records = shop.well("run", "faker", "lines", "--json").records
    assert {stream: len(shop.lines(stream)) for stream in records} == records
    shop.well("run", "ledger", "lines")
    digits = [re.findall(r'"(?:exact|whole)": ([0-9.]+)', line) for line in shop.lines("entries")]
    assert digits == [[EXACT, WHOLE]] * 5


@pytest.mark.slow
def test_csv(shop: Shop):
    records = shop.well("run", "faker", "sheets", "--json").records
    assert {stream: len(_sheet(shop, stream)) for stream in records} == records
    shop.well("run", "ledger", "sheets")
    assert [(row["exact"], row["whole"]) for row in _sheet(shop, "entries")] == [(EXACT, WHOLE)] * 5


def _sheet(shop: Shop, stream: str) -> list[dict[str, str]]:
    (path,) = (shop.folder / "sheets").glob(f"{stream}-*.csv")  # without the time, the target replaces its files
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


TEXTS = ["first", 'a "quote"', "two\nlines", "a\r", "\\", '\\"', "a,b;c|d\te", "'", "null", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 2])
def test_a_table_of_text_in_duckdb(shop: Shop, columns: int):
    """Every column is text, so that a header cannot be told from a row. In one column, the key is all there is."""
    names = ["a", "b"][:columns]
    schema = {"type": "object", "properties": {name: {"type": ["null", "string"]} for name in names}}
    rows = [dict.fromkeys(names, text) for text in TEXTS]
    messages = [
        {"type": "SCHEMA", "stream": "texts", "schema": schema, "key_properties": ["a"]},
        *({"type": "RECORD", "stream": "texts", "record": row} for row in rows),
        {"type": "STATE", "value": {"n": 1}},
    ]
    (shop.folder / "lake").mkdir()
    config = {"filepath": "/data/lake.duckdb", "default_target_schema": "main", "batch_size_rows": 3}
    (shop.folder / "lake" / "config.json").write_text(json.dumps(config))
    mount = ["--volume", f"{shop.folder / 'lake'}:/data", "--user", f"{os.getuid()}:{os.getgid()}"]
    command = ["docker", "run", "--rm", "--interactive", *mount, "tapdock/target-duckdb:0.8.0"]
    lines = "\n".join(json.dumps(message) for message in messages)
    subprocess.run([*command, "--config", "/data/config.json"], input=lines, text=True, check=True, capture_output=True)
    assert sorted(shop.query("SELECT * FROM texts")) == sorted((text,) * columns for text in TEXTS)


@pytest.mark.slow
def test_postgres(shop: Shop, postgres: Postgres):
    records = shop.well("run", "faker", "base", "--json").records
    for stream, count in records.items():
        assert postgres.query(f"SELECT count(*), count(DISTINCT id) FROM {stream}") == [[str(count), str(count)]]
    shop.well("run", "ledger", "base")
    assert postgres.query("SELECT exact, whole FROM entries") == [[EXACT, WHOLE]] * 5


@pytest.mark.slow
def test_a_key_of_two_columns_is_one_of_two_columns_in_postgres(shop: Shop, postgres: Postgres):
    for _ in range(2):  # `accounts` is sent completely in every run: the second run updates the rows by their key
        shop.well("run", "ledger", "base")
    assert postgres.key("accounts") == ["branch", "number"]
    assert postgres.query("SELECT branch, number FROM accounts ORDER BY branch") == [["north", "1"], ["south", "1"]]
