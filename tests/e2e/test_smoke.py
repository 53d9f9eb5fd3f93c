"""Tests every scenario of PyAirbyte's `source-smoke-test` with targets of both kinds."""

import json
from collections import defaultdict
from typing import Any

import pytest

from e2e.junction import Junction, Row
from support.variants import variants

pytestmark = pytest.mark.docker
CONFIG = {"all_slow_streams": True, "large_batch_record_count": 50}
UNIONS = ("string_or_integer", "object_or_string")
"""Fields of several types. Toward Singer they are text, or JSON text."""


@pytest.mark.slow
def test_every_record_reaches_a_singer_target(junction: Junction):
    expected = _sent(junction)
    counts = junction.well("run", "smoke", "lines", "--strict-counts", "--json").records
    assert {name: count for name, count in counts.items() if count} == {
        name: len(rows) for name, rows in expected.items()
    }
    for stream, rows in expected.items():
        assert [json.loads(line) for line in junction.lines(stream)] == [_without_unions(row) for row in rows], stream


@pytest.mark.slow
def test_every_record_reaches_an_airbyte_destination(junction: Junction):
    expected = _sent(junction)
    (junction.folder / "rows").mkdir()
    junction.well("run", "smoke", "rows", "--strict-counts")
    for stream, rows in expected.items():
        found = [_without(row, "generation_id") for row in junction.rows(stream)]
        assert _sorted(found) == _sorted(_merged(rows)), stream


@pytest.mark.slow
@variants("target", "melt_base", "pipe_base")
def test_every_scenario_is_a_table_of_postgres(junction: Junction, database: Any, target: str):
    expected = _sent(junction)
    words = ("run", "smoke", target, "--strict-counts")
    if target == "melt_base":  # it looks for a column by its whole name, which PostgreSQL has cut
        failed = junction(*words, "--select", "long_column_names")
        assert (failed.code, "DuplicateColumn" in failed.stderr) == (4, True)
        del expected["long_column_names"]
        words += ("--exclude", "long_column_names")
    junction.well(*words)
    for stream, rows in expected.items():
        table = stream.lower() if target == "pipe_base" else f'"{stream}"'
        assert database.query(f"SELECT count(*) FROM landed.{table}") == [[str(len(_merged(rows)))]], stream
    assert database.query("SELECT count(*) FROM landed.empty_stream") == [["0"]]
    texts = database.query(
        "SELECT encode(convert_to(special_chars, 'UTF8'), 'hex') FROM landed.unicode_and_special_strings"
    )
    found = sorted(bytes.fromhex(text).decode() for (text,) in texts)
    assert found == sorted(row["special_chars"] for row in expected["unicode_and_special_strings"])


def _sent(junction: Junction) -> dict[str, list[Row]]:
    """Return the records that the source sends without tapdock, by stream."""
    image = junction.environ["SMOKE_IMAGE"]
    found = junction.alone(image, "discover", "--config", "config.json", config=CONFIG)
    (streams,) = [
        message["catalog"]["streams"] for message in map(json.loads, found.splitlines()) if "catalog" in message
    ]
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog = {"streams": [{"stream": stream, **modes} for stream in streams]}
    words = ("read", "--config", "config.json", "--catalog", "catalog.json")
    records: dict[str, list[Row]] = defaultdict(list)
    for line in junction.alone(image, *words, config=CONFIG, catalog=catalog).splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            records[message["record"]["stream"]].append(message["record"]["data"])
    assert len(records) == len(streams) - 1  # one stream is empty
    return records


def _without_unions(row: Row) -> Row:
    texts = {
        name: json.dumps(row[name], separators=(",", ":"))
        for name in UNIONS
        if name in row and not isinstance(row[name], str)
    }
    return {**row, **texts}


def _merged(rows: list[Row]) -> list[Row]:
    """Return the last row of each key. One stream has no key."""
    return list({row["id"]: row for row in rows}.values()) if "id" in rows[0] else rows


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


def _sorted(rows: list[Row]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
