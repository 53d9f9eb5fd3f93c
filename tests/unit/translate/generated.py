"""Streams, records and states made up by hypothesis: as raw JSON, since it matters how a number is written."""

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.sampled_from('aA-_. é"\\/${}日😀1:'), min_size=1, max_size=5)
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
INTEGERS = st.integers(-(10**30), 10**30).map(str)


class Number(str):
    """A number as it was written."""


def exact(text: bytes | str) -> Any:
    return json.loads(text, parse_float=Number, parse_int=Number)


class Field(NamedTuple):
    """A value under a schema: its raw JSON, and what the far end of two routes makes of it."""

    schema: dict[str, Any]
    raw: str
    expected: str


class Rows(NamedTuple):
    """A stream with its records in order: raw bodies, and what the far end makes of each."""

    stream: ConfiguredStream
    bodies: list[str]
    expected: list[str]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A JSON string, with or without escapes."""
    text = draw(TEXT)
    raw = json.dumps(text, ensure_ascii=draw(st.booleans()))
    return raw.replace("/", "\\/") if draw(st.booleans()) else raw


RAW = st.recursive(
    st.one_of(texts(), NUMBERS, INTEGERS, st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(TEXT, inner, max_size=3).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}: {value}" for name, value in members.items()) + "}"
        ),
    ),
    max_leaves=5,
)
"""Any JSON value."""


def as_text(raw: str) -> str:
    """What has no single type arrives as JSON text."""
    return raw if raw[0] in '"n' else json.dumps(raw)


def nullable(schema: dict[str, Any], raw: str, expected: str | None = None) -> Field:
    return Field(schema, raw, raw if expected is None else expected)


SCALARS = st.one_of(
    texts().map(lambda raw: nullable({"type": ["null", "string"]}, raw)),
    INTEGERS.map(lambda raw: nullable({"type": "integer"}, raw)),
    NUMBERS.map(lambda raw: nullable({"type": ["null", "number"]}, raw)),
    NUMBERS.map(lambda raw: nullable({"type": ["integer", "number"]}, raw)),
    NUMBERS.map(lambda raw: nullable({"anyOf": [{"type": "null"}, {"type": "number"}]}, raw)),
    st.sampled_from(["true", "false"]).map(lambda raw: nullable({"type": "boolean"}, raw)),
    st.sampled_from(["date", "date-time", "time"]).map(
        lambda form: nullable({"type": ["string", "null"], "format": form}, '"2020-01-02T03:04:05.678901+08"')
    ),
    RAW.map(lambda raw: nullable({}, raw, as_text(raw))),
    RAW.map(lambda raw: nullable({"type": ["string", "integer", "object"]}, raw, as_text(raw))),
    RAW.map(lambda raw: nullable({"oneOf": [{"type": "boolean"}, {"type": "string"}]}, raw, as_text(raw))),
    st.just(nullable({"type": ["null", "integer"]}, "null")),
)
WELL_KNOWN = st.one_of(
    NUMBERS.map(lambda raw: nullable({"$ref": "WellKnownTypes.json#/definitions/Number"}, f'"{raw}"', raw)),
    INTEGERS.map(lambda raw: nullable({"$ref": "WellKnownTypes.json#/definitions/Integer"}, f'"{raw}"', raw)),
    st.just(nullable({"$ref": "WellKnownTypes.json#/definitions/Number"}, '"NaN"', "null")),
    INTEGERS.map(lambda raw: nullable({"type": "string", "airbyte_type": "big_integer"}, f'"{raw}"', raw)),
)
"""Of Airbyte's sources alone."""


@st.composite
def nested(draw: st.DrawFn, inner: st.SearchStrategy[Field]) -> Field:
    """An object of some fields, or an array of items that are alike."""
    if draw(st.booleans()):
        members = draw(st.dictionaries(TEXT, inner, max_size=3))
        schema = {"type": "object", "properties": {name: field.schema for name, field in members.items()}}
        return Field(
            schema, joined({n: f.raw for n, f in members.items()}), joined({n: f.expected for n, f in members.items()})
        )
    item = draw(inner)
    times = draw(st.integers(0, 3))
    many = {"type": ["null", "array"], "items": item.schema}
    return Field(many, f"[{','.join([item.raw] * times)}]", f"[{', '.join([item.expected] * times)}]")


def joined(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{raw}" for name, raw in members.items()) + "}"


def values(*, well_known: bool) -> st.SearchStrategy[Field]:
    scalars = st.one_of(SCALARS, WELL_KNOWN) if well_known else SCALARS
    return st.recursive(scalars, nested, max_leaves=4)


@st.composite
def rows(draw: st.DrawFn, key: StreamKey, *, well_known: bool) -> Rows:
    """One stream. Its key, if it has one, may be of several parts; other fields may be missing in a record."""
    parts = draw(st.sampled_from([(), ("id",), ("id", "no-2")]))
    others = draw(
        st.dictionaries(TEXT.filter(lambda name: name not in ("id", "no-2")), values(well_known=well_known), max_size=4)
    )
    properties: dict[str, Any] = {name: {"type": "string"} for name in parts or ("id",)}
    properties |= {name: field.schema for name, field in others.items()}
    bodies, expected = [], []
    for number in range(draw(st.integers(0, 4))):
        keys = {name: f'"{number}{name}"' for name in parts}
        there = [name for name in others if draw(st.booleans())]
        raw, made = {n: others[n].raw for n in there}, {n: others[n].expected for n in there}
        if keys or there:
            bodies.append(joined({**keys, **raw}))
            expected.append(joined({**keys, **made}))
    stream = Stream(
        name=key.name,
        namespace=key.namespace,
        json_schema={"type": "object", "properties": properties},
        source_defined_primary_key=tuple((part,) for part in parts),
    )
    mode = "append_dedup" if parts else "append"
    configured = ConfiguredStream(
        stream=stream,
        sync_mode="full_refresh",
        destination_sync_mode=mode,
        primary_key=stream.source_defined_primary_key,
    )
    return Rows(configured, bodies, expected)


@st.composite
def catalogs(draw: st.DrawFn, *, namespaces: bool) -> list[Rows]:
    """Streams whose names stay apart on the way."""
    keys = st.builds(StreamKey, st.none() | NAMES if namespaces else st.none(), NAMES)
    chosen = draw(st.lists(keys, min_size=1, max_size=3, unique_by=lambda key: str(key).replace("-", "_").casefold()))
    return [draw(rows(key, well_known=namespaces)) for key in chosen]


@st.composite
def orders(draw: st.DrawFn, catalog: list[Rows]) -> list[tuple[int, int]]:
    """Records of all streams mixed: (stream, number), each stream's own in order."""
    all_of = [stream for stream, one in enumerate(catalog) for _ in one.bodies]
    mixed = draw(st.permutations(all_of))
    return [(stream, mixed[:at].count(stream)) for at, stream in enumerate(mixed)]
