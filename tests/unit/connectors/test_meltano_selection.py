"""Compares the selection with that of Meltano, for the kinds of patterns that its documentation shows.

`meltano_selection.json` has what Meltano selects: its executors of `!*.*` and then of the patterns, on the catalog of
the file. A field inside of one that is not selected is left out, because the SDK of taps does not read it either. Where
tapdock differs on purpose, a case has what tapdock reads, or its error, and says why.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tapdock.connectors.explained import explained
from tapdock.errors import UsageError
from tapdock.project.model import Connector
from tapdock.translate.catalogs.singer import singer_streams

FILE = json.loads(Path(__file__).with_name("meltano_selection.json").read_text())


def read(patterns: list[str]) -> dict[str, str]:
    """Return the fields that tapdock reads, by stream."""
    source = Connector(name="s", role="source", image="x", select=tuple(patterns))
    streams = singer_streams(json.dumps(FILE["catalog"]).encode())
    found = explained(streams, source, origin=lambda _: None, singer=True, warn=lambda _: None)
    return {
        one.stream.name: " ".join(sorted(".".join(field.path) for field in one.fields if field.is_read))
        for one in found
        if one.is_read
    }


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda case: " ".join(case["patterns"]))
def test_the_selection_is_that_of_meltano(case: dict[str, Any]) -> None:
    expected = case.get("tapdock", case["meltano"])
    if expected and not isinstance(expected, str):
        assert read(case["patterns"]) == expected
        return
    with pytest.raises(UsageError) as caught:
        read(case["patterns"])
    assert caught.value.message == (expected or "no stream is selected")


def test_each_difference_has_a_reason() -> None:
    for case in FILE["cases"]:
        assert ("tapdock" in case) == ("why" in case)
        assert case.get("tapdock") != case["meltano"]
