"""Tests what is known about the tables of a target before it starts."""

from typing import Any

import pytest

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.resolved import Resolved
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector, Kind
from tapdock.runs.target_tables import table_names
from tapdock.translate.tables import STRICTEST, TableNames

SQL = About(config={"properties": {"default_target_schema": {"default": "melty"}}})
OTHER = About(config={"properties": {"batch_size_rows": {}}})


@pytest.mark.parametrize(
    ("package", "kind", "about", "config", "known"),
    [
        ("target-unknown", "singer", About(), {}, TableNames()),
        ("target-unknown", "singer", About(), {"default_target_schema": " main "}, TableNames(schema="main")),
        ("target-unknown", "singer", SQL, {}, TableNames(rules=("last",), schema="melty")),
        ("target-unknown", "singer", SQL, {"default_target_schema": "x"}, TableNames(rules=("last",), schema="x")),
        ("target-unknown", "singer", OTHER, {}, TableNames(rules=("whole",))),
        ("target-unknown", "singer", OTHER, {"default_target_schema": "x"}, TableNames(schema="x")),
        ("target-jsonl", "singer", About(), {}, TableNames(rules=("kept",))),
        ("meltanolabs-target-csv", "singer", OTHER, {}, TableNames(rules=("kept",))),
        ("meltanolabs-target-postgres", "singer", SQL, {}, TableNames(rules=("last_kept",), schema="melty")),
        (
            "target-duckdb",
            "singer",
            About(),
            {"schema_mapping": {"eu": {"target_schema": "europe"}, "us": None, "x": {}}},
            TableNames(rules=("split",), schemas={"eu": "europe"}),
        ),
        ("destination-unknown", "airbyte", About(), {"default_target_schema": "x"}, TableNames(rules=())),
        ("airbyte-destination-pgvector", "airbyte", About(), {}, TableNames(rules=("bare",), longest=63)),
    ],
)
def test_what_a_target_makes_of_names(
    package: str, kind: Kind, about: About, config: dict[str, Any], known: TableNames
) -> None:
    facts = ImageFacts(image="x", digest="sha256:0", labels={"io.tapdock.package": f"{package}==1.0"})
    quirks = quirks_of(facts)
    connector = Connector(name="t", role="target", image="x")
    target = PreparedConnector(connector=connector, facts=facts, kind=kind, quirks=quirks)
    assert table_names(target, about, Resolved(user=config, given=config), quirks) == known


def test_an_unknown_target_is_taken_for_the_strictest() -> None:
    assert TableNames().tables("eu-a.b c") == (("eu", "a_b_c"), ("eu", "a_b_c"))
    assert len(STRICTEST) == 2
