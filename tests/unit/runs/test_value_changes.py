"""Tests the warnings about values that a target changes without an error."""

from typing import Any

import pytest

from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.launch import ImageFacts
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.value_changes import value_changes

DUCKDB, POSTGRES, CSV = "target-duckdb", "pipelinewise-target-postgres", "meltanolabs-target-csv"


def _stream(properties: Any, *excluded: str) -> ConfiguredStream:
    schema = {"type": "object", "properties": properties}
    stream = Stream(name="orders", json_schema=schema, supported_sync_modes=("full_refresh",))
    return ConfiguredStream(
        stream=stream, sync_mode="full_refresh", destination_sync_mode="append", excluded=tuple(excluded)
    )


def _said(package: str, stream: ConfiguredStream, *, repaired: bool = True) -> list[str]:
    labels = {"io.tapdock.package": f"{package}==1.0", "io.tapdock.repaired": package if repaired else ""}
    return list(
        value_changes("target `lake`", [stream], quirks_of(ImageFacts(image="x", digest="sha256:0", labels=labels)))
    )


NUMBER = {"type": ["null", "number"]}


@pytest.mark.parametrize("package", [DUCKDB, POSTGRES])
def test_numbers_that_lose_digits_are_named(package):
    fields = {"amount": NUMBER, "id": {"type": "integer"}, "note": {"type": "string"}, "hidden": NUMBER}
    (warning,) = _said(package, _stream(fields, "hidden"))
    assert warning == (
        "warning: target `lake` stores numbers as double precision, with about 16 digits: `orders.amount`"
    )


@pytest.mark.parametrize(
    ("package", "kind", "stores"),
    [
        (DUCKDB, "string", "empty text as null"),
        (POSTGRES, "string", r"line feeds as `\n` and empty text as null"),
        (CSV, "object", "objects as Python prints them"),
        (CSV, "array", "arrays as Python prints them"),
    ],
)
def test_an_image_that_was_not_repaired_changes_more(package, kind, stores):
    stream = _stream({"value": {"type": ["null", kind]}})
    assert _said(package, stream) == []
    (warning,) = _said(package, stream, repaired=False)
    assert f"stores {stores}" in warning


def test_many_fields_are_counted():
    (warning,) = _said(DUCKDB, _stream({f"n{number}": NUMBER for number in range(7)}))
    assert warning.endswith("`orders.n4` and 2 more")


@pytest.mark.parametrize(
    "properties", [None, [], {"a": None}, {"a": {"type": {}}}, {"a": {"type": ["number", "string"]}}]
)
def test_fields_whose_type_is_not_certain_are_not_named(properties):
    assert _said(DUCKDB, _stream(properties)) == []


def test_other_targets_change_nothing():
    assert _said("meltanolabs-target-postgres", _stream({"amount": NUMBER})) == []


def test_the_times_of_a_tap_that_writes_them_in_its_own_form_are_named():
    text = {"type": ["null", "string"]}
    times = {name: {**text, "format": "time"} for name in ("opens", "closes", "hidden")}
    stream = _stream({**times, "made": {**text, "format": "date-time"}, "name": text}, "hidden")
    (warning,) = _said("pipelinewise-tap-mysql", stream)
    assert "writes times without a leading zero (`8:05:00`)" in warning
    assert warning.endswith("store as null: `orders.opens`, `orders.closes`")
