"""Values that targets get wrong: what a tap sends, and what each target of the project `shop/` stores.

A row of `COLUMNS` is a stream: the schema of its column `value`, and the JSON texts that the tap sends. Each has the
text that targets store, or a table of these texts by target, with `ALL` for the other targets. `None` is null.
"""

import json
from collections.abc import Iterator
from typing import Any

TARGETS = ("lake", "lines", "sheets", "base", "pipes")
ALL = "all"
Stored = str | None | dict[str, str | None]
Column = tuple[dict[str, Any], dict[str, Stored]]

TEXTS = [
    *("plain", "", " ", "  a  ", "null", "NULL", "\\N", "\\.", "true", "007", "1e5", "2024-01-01", "#a", "=1+1"),
    *('a "quote"', '""', '"', "it's", "a,b;c|d", "\\", "\\n", "C:\\new\\table", '\\"', '{"a": 1}', "{}", "[]"),
    *("two\nlines", "a\n", "\n", "a\rb", "a\r", "a\r\nb", "a\tb", "a\vb\fc", "\u0001\b\u001b\u007f", "a\n\\.\nb"),
    *("é ñ ü", "e\u0301", "🦆👩\u200d👩\u200d👧", "\U0001d4b3", "\u202eabc", "\ufeffa", "\u00a0a\u2028b\u0085c"),
    *("%s %(a)s :b ${x} $$a$$", "ü" * 100_000),
]
"""Texts that every target stores unchanged."""

_NULL: dict[str, Stored] = {"null": {ALL: None, "sheets": ""}}
_STAMPS = {"type": ["null", "string"], "format": "date-time"}


def _stamp(text: str, *, sheets: str, utc: str) -> dict[str, Stored]:
    return {json.dumps(text): {"lines": text, "sheets": sheets, ALL: utc}}


def _double(text: str, double: str) -> dict[str, Stored]:
    return {text: {"lake": double, "pipes": double, ALL: text}}


COLUMNS: dict[str, Column] = {
    "texts": (
        {"type": ["null", "string"]},
        {**{json.dumps(text, ensure_ascii=False): text for text in TEXTS}, **_NULL},
    ),
    "integers": (
        {"type": ["null", "integer"]},
        {**{text: text for text in ("0", "-1", "9223372036854775807", "-9223372036854775808")}, **_NULL},
    ),
    "numbers": (
        {"type": ["null", "number"]},
        {
            **{text: text for text in ("0.5", "19.99", "-0.1")},
            **_double("1.50", "1.5"),
            **_double("12345678901234567.123456789", "1.2345678901234568e+16"),
            **_double("1234567890123456789012345678.0123456789", "1.2345678901234569e+27"),
        },
    ),
    "booleans": (
        {"type": ["null", "boolean"]},
        {"true": {"sheets": "True", ALL: "true"}, "false": {"sheets": "False", ALL: "false"}, **_NULL},
    ),
    "times": (
        _STAMPS,
        {
            **_stamp("2024-01-15T10:30:00Z", sheets="2024-01-15 10:30:00+00:00", utc="2024-01-15 10:30:00"),
            **_stamp("2024-01-15T10:30:00+02:00", sheets="2024-01-15 10:30:00+02:00", utc="2024-01-15 08:30:00"),
            **_stamp("2024-01-15T10:30:00", sheets="2024-01-15 10:30:00", utc="2024-01-15 10:30:00"),
            **_stamp("0001-01-01T00:00:00Z", sheets="0001-01-01 00:00:00+00:00", utc="0001-01-01 00:00:00"),
            **_stamp("9999-12-31T23:59:59Z", sheets="9999-12-31 23:59:59+00:00", utc="9999-12-31 23:59:59"),
        },
    ),
    "dates": (
        {"type": ["null", "string"], "format": "date"},
        {json.dumps(text): text for text in ("2024-02-29", "0001-01-01", "9999-12-31")},
    ),
    "objects": (
        {"type": ["null", "object"]},
        {text: text for text in ('{"a":"x\\ny \\"q\\" \\\\ 🦆","b":{"c":[1,{"d":null}]},"e":true}', "{}")},
    ),
    "exact_objects": (
        {"type": ["null", "object"]},
        {'{"n":1.50}': {"lake": '{"n":1.5}', "pipes": '{"n":1.5}', ALL: '{"n":1.50}'}},
    ),
    "arrays": (
        {"type": ["null", "array"]},
        {text: text for text in ('["a","b,c","d\\"e",""]', "[]")},
    ),
    "no_rows": ({"type": ["null", "string"]}, {}),
}

OF_ONE_TARGET: dict[str, dict[str, Column]] = {
    "lake": {
        "large": ({"type": ["null", "integer"]}, {"9" * 38: "9" * 38}),
        "rounded": ({"type": ["null", "integer"]}, {"1.5": "2"}),
        "late": (_STAMPS, {'"10000-01-01T00:00:00Z"': "10000-01-01 00:00:00"}),
        "nul": ({"type": ["null", "string"]}, {'"a\\u0000b"': "a\0b"}),
        "empty_times": (_STAMPS, {'""': None}),
    },
    "lines": {"nul": ({"type": ["null", "string"]}, {'"a\\u0000b"': "a\0b"})},
    "sheets": {"nul": ({"type": ["null", "string"]}, {'"a\\u0000b"': "a\0b"})},
    "pipes": {
        "large": ({"type": ["null", "integer"]}, {"9" * 38: "9" * 38, "1.5": "1.5"}),
        "infinite": ({"type": ["null", "number"]}, {"1e400": "Infinity"}),
        "late": (_STAMPS, {'"10000-01-01T00:00:00Z"': "10000-01-01 00:00:00"}),
        "empty_times": (_STAMPS, {'""': None}),
    },
    "base": {},
}
"""Streams that only one target gets: others refuse these values, or no other target changes them."""

REFUSED = {
    "lake": ("integer", '"abc"', "Conversion Error"),
    "lines": ("integer", '"abc"', "'abc' is not of type"),
    "sheets": ("integer", '"abc"', "'abc' is not of type"),
    "base": ("integer", "18446744073709551615", "bigint out of range"),
    "pipes": ("string", '"a\\u0000b"', "0x00"),
}
"""By target: a type, a value that the target cannot store, and a part of its error."""


def columns(target: str) -> dict[str, Column]:
    return {**COLUMNS, **OF_ONE_TARGET[target]}


def stored(target: str, column: Column) -> list[str | None]:
    """Return what the target stores for each value of a column."""
    texts = column[1].values()
    return [text.get(target, text.get(ALL)) if isinstance(text, dict) else text for text in texts]


def messages(target: str) -> Iterator[str]:
    """Yield the lines of a tap: every column, and a table of one column."""
    for stream, (schema, values) in columns(target).items():
        yield _schema(stream, {"id": {"type": ["null", "string"]}, "value": schema}, "id")
        for number, text in enumerate(values):
            yield _record(stream, f'{{"id":"{number:03}","value":{text}}}')
    yield _schema("ones", {"value": {"type": ["null", "string"]}}, "value")
    for text in ones():
        yield _record("ones", json.dumps({"value": text}))
    yield _schema("pairs", {name: {"type": ["null", "string"]} for name in ("a", "b")}, "a", "b")
    for pair in PAIRS:
        yield _record("pairs", json.dumps(dict(zip(("a", "b"), pair, strict=True))))
    yield '{"type":"STATE","value":{"n":1}}'


PAIRS = [("a,b", "c"), ("a", "b,c"), ("", ",")]
"""Keys of two columns that are the same text when they are joined."""


def ones() -> list[str]:
    """Return the texts that fit into a key."""
    return [text for text in TEXTS if len(text) < 1000]


def refused(target: str) -> Iterator[str]:
    kind, value, _ = REFUSED[target]
    yield _schema("refused", {"id": {"type": "string"}, "value": {"type": ["null", kind]}}, "id")
    yield _record("refused", f'{{"id":"1","value":{value}}}')
    yield '{"type":"STATE","value":{"n":2}}'


def _schema(stream: str, properties: dict[str, Any], *keys: str) -> str:
    schema = {"type": "object", "properties": properties}
    return json.dumps({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys})


def _record(stream: str, body: str) -> str:
    return f'{{"type":"RECORD","stream":"{stream}","record":{body}}}'
