"""Tests that a key which has no effect on a connector's kind is refused."""

from typing import Any

import pytest

from tapdock.connectors.kinds.base import assumed, require_kind
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts
from tapdock.project.connector_values import CatalogFile
from tapdock.project.discovery import Discovery
from tapdock.project.keys import CONNECTOR
from tapdock.project.model import Connector

ORIGINS = {"sources.s.discovery": "tapdock.yaml:7"}
ROWS: list[tuple[str, str, str, Any]] = [
    ("source", "singer", "catalog", CatalogFile(file="c", content=b"{}")),
    ("source", "singer", "catalog_option", "--properties"),
    ("source", "singer", "discovery", Discovery(mode="never")),
    ("target", "singer", "allow_unsafe_overwrite", True),
    ("target", "airbyte", "state_type", "global"),
    ("target", "airbyte", "waits_for_complete", True),
]
OTHER = {"singer": "airbyte", "airbyte": "singer"}


@pytest.mark.parametrize(("role", "kind", "name", "value"), ROWS)
def test_a_key_of_the_other_kind_is_refused(role, kind, name, value):
    connector = Connector(name="s", role=role, image="x:1", **{name: value})
    require_kind(connector, kind, ORIGINS)
    with pytest.raises(UsageError) as refused:
        require_kind(connector, OTHER[kind], ORIGINS)
    origin = ORIGINS.get(f"{role}s.s.{name}", "tapdock.yaml")
    wanted, found = kind.title(), OTHER[kind].title()
    path = f"`{role}s.s.{name}{': false' if name == 'discovery' else ''}`"
    assert refused.value.message == f"{origin}: {path} only applies to {wanted} connectors, but `x:1` is for {found}"
    assert f"`kind: {kind}`" in refused.value.hint


@pytest.mark.parametrize("role", ["source", "target"])
@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_a_connector_without_such_keys_is_of_any_kind(role, kind):
    require_kind(Connector(name="s", role=role, image="x:1"), kind, {})


def test_every_key_of_one_kind_is_in_this_table():
    assert {*(key.name for key in CONNECTOR if key.kind), "discovery"} == {name for _, _, name, _ in ROWS}


MARK, OWN = {"io.airbyte.name": "airbyte/source-x"}, {"io.tapdock.kind": "singer"}


@pytest.mark.parametrize(
    ("kind", "labels", "doubt"),
    [
        (None, {}, "set `kind: airbyte` for `sources.s` (tapdock.yaml:3)"),
        (None, MARK, "set `kind: singer` for `sources.s` (tapdock.yaml:3)"),
        ("singer", MARK, "set `kind: airbyte` for `sources.s` (tapdock.yaml:4)"),
        ("singer", {}, None),
        ("airbyte", MARK, None),
        ("airbyte", {}, None),
        (None, OWN, None),
        ("singer", {**MARK, **OWN}, None),
    ],
)
def test_a_kind_that_the_image_contradicts_has_the_line_to_change(kind, labels, doubt):
    origins = {"sources.s": "tapdock.yaml:3"} | ({"sources.s.kind": "tapdock.yaml:4"} if kind else {})
    facts = ImageFacts(image="x", digest="sha256:0", labels=labels)
    found = assumed(Connector(name="s", role="source", image="x:1", kind=kind), facts, origins)
    assert (found and found.rpartition(", ")[2]) == doubt
