"""Build the catalog of an Airbyte destination from the schemas that a tap sent."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.catalogs.singer import declared_schema
from tapdock.translate.catalogs.tap_keys import with_key_fields
from tapdock.translate.read.schema_scan import Scan
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.write.airbyte_stream import unexpected, without_fields

__all__ = ["Declared", "expected_streams", "new_streams", "with_own_keys"]

Declared = tuple[ConfiguredStream, dict[str, Any]]
"""A stream of the tap, and its schema for the destination."""


def with_own_keys(scan: Scan, expected: Mapping[StreamKey, ConfiguredStream]) -> dict[StreamKey, ConfiguredStream]:
    """Return the streams whose SCHEMA has another key than the tap's discovery, merged by the key of the SCHEMA.

    A key that the user wrote, and a mode without merging, have precedence. A key that is not among the fields of its
    own SCHEMA is ignored. Raises TranslationError if the user excluded a field of it.
    """
    found: dict[StreamKey, ConfiguredStream] = {}
    for key, stream in expected.items():
        names = scan.keys.get(key, [])
        if not stream.learns_key or not names or set(names) == {path[0] for path in stream.primary_key}:
            continue
        fields = set(scan.schemas.get(key, stream.stream.json_schema).get("properties") or names)
        if not set(names) <= fields:
            continue
        found[key] = msgspec.structs.replace(
            with_key_fields(stream, names),
            destination_sync_mode="append_dedup",
            primary_key=tuple((name,) for name in names),
        )
    return found


def expected_streams(scan: Scan, expected: Mapping[StreamKey, ConfiguredStream]) -> list[Declared]:
    """Return the streams of the run, each with the schema that the tap sent, less the excluded fields."""
    schemas = {key: scan.schemas.get(key) or declared_schema(stream) for key, stream in expected.items()}
    return [(stream, without_fields(schemas[key], stream.exclusion)) for key, stream in expected.items()]


def new_streams(scan: Scan, source: SingerSource) -> list[Declared]:
    """Return the streams that the tap sent although discovery did not report them."""
    return [
        (unexpected(key, keys), without_fields(scan.schemas.get(key, {}), source.exclusion(key.name)))
        for key, keys in scan.keys.items()
        if key not in source.expected
    ]
