"""Tests of blank lines in a batch: they are left out, without parsing the batch line by line, and count as lines."""

import json
import time
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.protocol import airbyte, lines
from tapdock.protocol.catalog import Stream
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams

SCHEMA = {"properties": {"id": {"type": "integer"}}}
TIME = "2024-01-01T00:00:00Z"
CATALOG = {"streams": [{"tap_stream_id": "users", "stream": "users", "schema": SCHEMA}]}


def translator(route: str) -> Translator:
    offered = (Stream(name="users", json_schema=SCHEMA),)
    if route.startswith("singer"):
        offered = singer_streams(json.dumps(CATALOG).encode())
    streams = select_streams(offered, [], {})
    made = ROUTES[route](
        streams=streams, saved=None, emit=lambda _: None, clock=time.monotonic, translation=TranslateOptions()
    )
    made.opening()
    return made


def said(route: str, number: int, stream: str = "users") -> bytes:
    body: dict[str, Any] = {"stream": stream, "data": {"id": number}, "emitted_at": 1}
    if route.startswith("singer"):
        return json.dumps(
            {"type": "RECORD", "stream": stream, "record": {"id": number}, "time_extracted": TIME}
        ).encode()
    return json.dumps({"type": "RECORD", "record": body}).encode()


def batch(route: str) -> list[bytes]:
    first = [json.dumps({"type": "SCHEMA", "stream": "users", "schema": SCHEMA, "key_properties": []}).encode()]
    return [*(first if route.startswith("singer") else []), *(said(route, number) for number in range(5))]


BLANKS = [b"\n\n", b"\n \t\r\n", b"\r\n\r\n", b"\n\n\n"]


@pytest.mark.parametrize("between", BLANKS)
@pytest.mark.parametrize("route", ROUTES)
def test_blank_lines_change_nothing_but_the_numbers_of_lines(route: str, between: bytes) -> None:
    texts = batch(route)
    plain, blank = translator(route), translator(route)
    wanted = plain.feed(b"\n".join(texts) + b"\n")
    found = blank.feed(b"\n" + between.join(texts) + between)
    assert found.replace(b"\r\n", b"\n").split() == wanted.split()
    assert wanted.count(b"RECORD") == 5


@pytest.mark.parametrize("route", ["airbyte-singer", "airbyte-airbyte"])
def test_an_error_behind_blank_lines_has_the_number_of_its_line(route: str) -> None:
    texts = [said(route, 1), b"", b"", said(route, 2), b" ", said(route, 3, "unknown")]
    with pytest.raises(TranslationError, match="line 7: "):
        translator(route).feed(b"\n" + b"\n".join(texts) + b"\n")


@pytest.mark.parametrize(
    "text",
    [b'{"type":"LOG"}\n\n{"type":"LOG"}\n', b'\n{"type":"LOG"}\n', b'{"type":"LOG"}\n\n', b'{"type":"LOG"}\r\n \n'],
)
def test_a_batch_with_blank_lines_is_decoded_at_once(text: bytes) -> None:
    whole = lines.whole_messages(text, airbyte.MESSAGES.decode_lines)
    assert whole is not None
    texts = text.removesuffix(b"\n").split(b"\n")
    assert list(whole.numbers) == [number for number, each in enumerate(texts, 1) if each.strip()]
    assert (len(whole.messages), whole.total) == (len(whole.numbers), len(texts))
    assert whole.lines.count(b"\n") == len(whole.messages)


@pytest.mark.parametrize(
    "text",
    [b'{"type":\n\n"LOG"}\n', b'{"type":"LOG"} {"type":"LOG"}\n\n', b"\n\n", b"\xff\n", b'x\n\n{"type":"LOG"}\n'],
)
def test_other_batches_are_read_line_by_line(text: bytes) -> None:
    whole = lines.whole_messages(text, airbyte.MESSAGES.decode_lines)
    assert whole is None or not whole.messages
