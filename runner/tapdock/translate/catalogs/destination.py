"""Build the catalog of an Airbyte destination from the schemas that a tap sent."""

from collections.abc import Mapping

from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.read.schema_scan import Scan
from tapdock.translate.write.airbyte_stream import destination_stream, unexpected, without_fields

__all__ = ["expected_streams", "new_streams"]


def expected_streams(scan: Scan, expected: Mapping[StreamKey, ConfiguredStream]) -> list[ConfiguredStream]:
    """Return the streams of the run, each with the schema that the tap sent, less the excluded fields."""
    return [
        destination_stream(stream, without_fields(scan.schemas.get(key, stream.stream.json_schema), stream.excluded))
        for key, stream in expected.items()
    ]


def new_streams(scan: Scan, expected: Mapping[StreamKey, ConfiguredStream]) -> list[ConfiguredStream]:
    """Return the streams that the tap sent although discovery did not report them."""
    return [
        destination_stream(unexpected(key, keys), scan.schemas.get(key, {}))
        for key, keys in scan.keys.items()
        if key not in expected
    ]
