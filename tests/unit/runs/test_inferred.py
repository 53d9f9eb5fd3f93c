"""`schemaless: infer`: which fields a stream without declared ones gets."""

from decimal import Decimal
from typing import Any, cast

import pytest

from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.field_types import type_of, types_in
from tapdock.runs.inferred import with_inferred, with_kept_types
from tapdock.runs.schema_policy import SchemaFacts
from tapdock.state.catalogs import Found, KeptCatalog, SeenStream

NOTHING = cast(Any, None)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 2], "integer"),
        ([1, Decimal("1.5")], "number"),
        ([True, None], "boolean"),
        ([True, 1], "string"),
        (["a", 1], "string"),
        ([{"a": 1}, {}], "object"),
        ([[1], None], "array"),
        ([[1], {}], "string"),
        ([None, None], "string"),
        ([], "string"),
    ],
)
def test_the_type_of_values(values, wanted):
    assert type_of(types_in(values)) == wanted


def _stream(name: str, schema: dict[str, Any]) -> ConfiguredStream:
    return ConfiguredStream(stream=Stream(name=name, json_schema=schema), sync_mode="full_refresh", schemaless="infer")


def test_the_fields_of_the_last_run_are_used_again_and_kept():
    kept = SeenStream(name="open", inferred={"id": "integer", "at": "string"})
    catalog = KeptCatalog(key="k", run_id="r", saved_at="", streams=(kept,))
    facts = SchemaFacts(streams=(SeenStream(name="open"), SeenStream(name="users")), found=Found(catalog=catalog))
    declared = _stream("users", {"properties": {"id": {}}})
    streams = (_stream("open", {"type": "object"}), declared)
    found, new, was_read = with_inferred(NOTHING, NOTHING, (), streams, facts, again=False)
    assert found[0].landed().stream.json_schema["properties"] == {
        "id": {"type": ["null", "integer"]},
        "at": {"type": ["null", "string"]},
    }
    assert found[1] is declared
    assert not was_read
    assert new.streams is not None
    assert [each.inferred for each in new.streams] == [kept.inferred, {}]


def test_streams_that_declare_fields_are_not_read():
    facts = SchemaFacts()
    streams = (_stream("users", {"properties": {"id": {}}}),)
    assert with_inferred(NOTHING, NOTHING, (), streams, facts, again=True) == (streams, facts, False)


def test_the_fields_of_streams_that_a_run_leaves_out_are_kept():
    kept = SeenStream(name="open", inferred={"id": "integer"})
    catalog = KeptCatalog(key="k", run_id="r", saved_at="", streams=(kept,))
    facts = SchemaFacts(streams=(SeenStream(name="open"), SeenStream(name="users")), found=Found(catalog=catalog))
    facts = with_kept_types(facts)
    streams = (_stream("users", {"properties": {"id": {}}}),)
    _, new, _ = with_inferred(NOTHING, NOTHING, (), streams, facts, again=True)
    assert new.streams is not None
    assert [each.inferred for each in new.streams] == [{"id": "integer"}, {}]
