"""Tests of the column that orders the records of a stream, where the tap itself sends one of this name."""

import json

from tapdock.protocol.catalog import Stream, StreamKey, configured
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_stream import AirbyteStream, destination_stream


def test_a_record_that_has_only_a_sequence_is_empty() -> None:
    key = StreamKey.of(None, "log")
    schema = {"properties": {"id": {"type": "integer"}}}
    stream = configured(Stream(name="log"), "incremental", cursor=(), key=(), excluded=())
    landed = destination_stream(stream, schema)
    options, notices = TranslateOptions(), Notices(lambda _: None)
    written = AirbyteStream(landed, key, Tally(key), lambda: 5, declared={"id"}, notices=notices, translation=options)
    assert written.record(b'{"_sdc_sequence":7}', None, now=1) == b""
    assert (written.tally.empty, written.tally.records) == (1, 0)
    line = written.record(b'{"_sdc_sequence":7,"id":1}', None, now=1)
    assert json.loads(line)["record"]["data"] == {"_sdc_sequence": 5, "id": 1}
    assert line.count(b"_sdc_sequence") == 1
