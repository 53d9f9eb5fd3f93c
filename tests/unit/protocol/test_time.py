"""Tests text for which a bad regular expression takes hours. A signal is not handled during that time."""

import json

import pytest

from tapdock.connectors import rotation_rules
from tapdock.protocol import airbyte, lines, singer
from tapdock.protocol.answer import read_answer
from tapdock.protocol.junk import Junk
from tapdock.text import clean
from tapdock.text.redaction import Redactor

SIZE = 300_000
ODD = {
    "quotes": b'{"' + b'\\"' * SIZE,
    "open quotes": b'"' * SIZE,
    "backslashes": b'{"' + b"\\" * SIZE,
    "braces": b"{" * SIZE,
    "types": b'{"type":' * (SIZE // 8),
    "names": b'"a":' * (SIZE // 4),
    "escapes": b"\x1b]" * SIZE,
    "blanks": b" " * SIZE + b"x",
    "colons": b":" * SIZE,
    "hashes": b"#" * SIZE,
    "signs": b"-" * SIZE,
    "NaN": b"{" + b"NaN," * (SIZE // 4),
    "objects": b'{"a":1}' * (SIZE // 7),
    "open objects": b'{"a":' * (SIZE // 5),
    "messages": b'{"type":"RECORD","stream":"s","record":{}}' * (SIZE // 42),
    "broken messages": b'{"type":"RECORD"' * (SIZE // 16),
    "other messages": b'{"type":"LOG",' * (SIZE // 14),
    "zeros": b"{\0" * (SIZE // 2),
}


@pytest.mark.long
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_no_text_takes_longer_than_its_length(odd: bytes) -> None:
    """With quadratic time, each of these takes minutes, and only a timeout of the whole suite would show it."""
    lines.mend(odd)
    lines.nulled_fields(odd, within="record")
    singer.DIALECT.parts(odd)
    airbyte.DIALECT.parts(odd)
    read_answer(odd)
    Junk().shown(odd, 1)
    said = odd.decode("utf-8", "replace")
    clean.clean(said)
    clean.one_line(said)
    clean.harmless_json(json.dumps(said))
    Redactor(["a secret of some length"])(said)
    with pytest.raises(ValueError, match="is n"):
        rotation_rules.parsed(said)
