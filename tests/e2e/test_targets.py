"""Tests the same rows with every real target: all rows, with all their digits."""

import csv
import re

import pytest

from e2e.conftest import Postgres
from e2e.project import Shop

pytestmark = pytest.mark.docker
EXACT, WHOLE = "12345678901234567.123456789", "12345678901234567890"  # as written by ledger/source.py


def test_jsonl(shop: Shop):
    records = shop.well("run", "faker", "lines", "--json").records
    assert {stream: len(shop.lines(stream)) for stream in records} == records
    shop.well("run", "ledger", "lines")
    digits = [re.findall(r'"(?:exact|whole)": ([0-9.]+)', line) for line in shop.lines("entries")]
    assert digits == [[EXACT, WHOLE]] * 5


def test_csv(shop: Shop):
    records = shop.well("run", "faker", "sheets", "--json").records
    assert {stream: len(_sheet(shop, stream)) for stream in records} == records
    shop.well("run", "ledger", "sheets")
    assert [(row["exact"], row["whole"]) for row in _sheet(shop, "entries")] == [(EXACT, WHOLE)] * 5


def _sheet(shop: Shop, stream: str) -> list[dict[str, str]]:
    (path,) = (shop.folder / "sheets").glob(f"{stream}-*.csv")  # without the time, the target replaces its files
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_postgres(shop: Shop, postgres: Postgres):
    records = shop.well("run", "faker", "base", "--json").records
    for stream, count in records.items():
        assert postgres.query(f"SELECT count(*), count(DISTINCT id) FROM {stream}") == [[str(count), str(count)]]
    shop.well("run", "ledger", "base")
    assert postgres.query("SELECT exact, whole FROM entries") == [[EXACT, WHOLE]] * 5


def test_a_key_of_two_columns_is_one_of_two_columns_in_postgres(shop: Shop, postgres: Postgres):
    for _ in range(2):  # `accounts` is sent completely in every run: the second run updates the rows by their key
        shop.well("run", "ledger", "base")
    assert postgres.key("accounts") == ["branch", "number"]
    assert postgres.query("SELECT branch, number FROM accounts ORDER BY branch") == [["north", "1"], ["south", "1"]]
