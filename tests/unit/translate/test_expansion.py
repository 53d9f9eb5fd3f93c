"""Tests short schemas that expand to more parts than can be translated."""

import pytest

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import Stream
from tapdock.translate.schemas.to_airbyte import airbyte_schema
from tapdock.translate.schemas.to_singer import singer_schema

DOUBLING = {
    f"d{number}": {"type": "object", "properties": {side: {"$ref": f"#/definitions/d{number + 1}"} for side in "ab"}}
    for number in range(30)
}
SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/definitions/d0"}}, "definitions": DOUBLING}


@pytest.mark.long
def test_a_taps_schema_ends() -> None:
    with pytest.raises(TranslationError, match="expands to more than 100,000 parts"):
        airbyte_schema(SCHEMA)


@pytest.mark.long
def test_a_sources_schema_ends() -> None:
    with pytest.raises(TranslationError, match="expands to more than 100,000 parts"):
        singer_schema(Stream(name="s", json_schema=SCHEMA, supported_sync_modes=("full_refresh",)))


def test_a_large_schema_is_translated() -> None:
    properties = {f"f{number}": {"type": "string"} for number in range(20_000)}
    assert len(airbyte_schema({"properties": properties})["properties"]) == 20_000
