"""Stream maps have the results of the Singer SDK's own mapper, or differ in a way that runner/guides/maps.md lists."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError

from tapdock.errors import UsageError
from unit.translate.maps.sides import Landed, of_sdk, of_tapdock

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        "email": {"type": ["string", "null"]},
        "amount": {"type": "number"},
        "born": {"type": ["string", "null"], "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "address": {
            "type": ["object", "null"],
            "properties": {
                "city": {"type": "string"},
                "geo": {"type": "object", "properties": {"lat": {"type": "number"}}},
            },
        },
    },
    "required": ["id", "email"],
}
RECORDS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ann", "email": "a@x.org", "amount": 1.5, "born": "2000-01-02", "tags": ["a"], "address": None},
    {"id": 2, "name": "", "email": "b@y.org", "amount": 2, "born": None, "tags": [], "address": {"city": "Bonn"}},
    {
        "email": "c@x.org",
        "id": 3,
        "name": None,
        "tags": ["b"],
        "address": {"city": "Ulm", "geo": {"lat": 1.5}},
        "other": {"a": 1},
    },
]

SAME: dict[str, dict[str, Any]] = {
    "no map": {},
    "an empty map": {"users": {}},
    "exact name": {"users": {"name": None}},
    "glob": {"us*": {"name": None}},
    "the last entry wins, a glob after a name": {"users": {"name": None}, "*": {"email": None}},
    "the last entry wins, a name after a glob": {"*": {"email": None}, "users": {"name": None}},
    "the last entry wins, a removal": {"users": {"name": None}, "u*": None},
    "the last entry wins, over a removal": {"users": None, "u*": {"name": None}},
    "removed stream": {"users": None},
    "removed stream, as text": {"users": "__NULL__"},
    "unmapped streams removed": {"__else__": None},
    "unmapped streams removed, this one is mapped": {"__else__": "__NULL__", "users": {"name": None}},
    "copy": {"people": {"__source__": "users", "name": None}},
    "copy by a glob": {"people": {"__source__": "us*"}},
    "copy of a removed stream": {"users": None, "people": {"__source__": "users"}},
    "copy beside a map": {"people": {"__source__": "users"}, "users": {"email": None}},
    "copy, and unmapped streams removed": {"__else__": None, "people": {"__source__": "users"}},
    "alias, an expression": {"users": {"__alias__": "'pre_' + __stream_name__"}},
    "alias, a text": {"users": {"__alias__": "people"}},
    "alias, a text with a dash": {"users": {"__alias__": "the-people"}},
    "alias by a glob": {"u*": {"__alias__": "__stream_name__ + '_v2'"}},
    "alias with a method": {"users": {"__alias__": "__stream_name__.upper()"}},
    "filter": {"users": {"__filter__": "id > 1"}},
    "filter: null": {"users": {"__filter__": None, "name": None}},
    "filter on a removed field": {"users": {"__filter__": "email.endswith('x.org')", "email": None}},
    "filter on the record": {"users": {"__filter__": "record['id'] != 2"}},
    "another key": {"users": {"__key_properties__": ["email"], "id": None}},
    "no key": {"users": {"__key_properties__": None, "id": None}},
    "an empty key": {"users": {"__key_properties__": [], "id": None}},
    "a new key field": {"users": {"key": "str(id)", "__key_properties__": ["key"]}},
    "only listed fields": {"users": {"__else__": None, "id": "id", "mail": "email"}},
    "only listed fields, and a removed one": {"users": {"__else__": None, "id": "id", "name": "__NULL__"}},
    "removed field, also in `required`": {"users": {"email": None}},
    "expressions read the source's values": {"users": {"id": "id + 1", "twice": "str(id * 2)"}},
    "a copied field keeps its type": {"users": {"contact": "email"}},
    "a copied array": {"users": {"labels": "tags"}},
    "self": {"users": {"email": "self.upper()"}},
    "the whole record": {"users": {"raw": "record"}},
    "float": {"users": {"x": "float(id)"}},
    "int": {"users": {"x": "int('5')"}},
    "str": {"users": {"x": "str(id)"}},
    "bool": {"users": {"x": "bool(name)"}},
    "json.dumps": {"users": {"x": "json.dumps(name)"}},
    "a text in quotes": {"users": {"id": "'a'"}},
    "any other expression is text": {"users": {"x": "id"}},
    "md5": {"users": {"x": "md5(email)"}},
    "sha256": {"users": {"x": "sha256(email)"}},
    "datetime.date": {"users": {"x": "datetime.date(2024, 6, 30)"}},
    "ends with .date()": {"users": {"x": "datetime.datetime.fromisoformat('2024-06-30T10:00:00').date()"}},
    "datetime.datetime": {"users": {"x": "datetime.datetime(2024, 6, 30, 10)"}},
    "config": {"users": {"x": "md5(config['seed'] + email)"}},
    "names of the stream": {"users": {"x": "__stream_name__ + __original_stream_name__", "__alias__": "people"}},
    "condition": {"users": {"x": "'a' if id > 1 else 'b'"}},
    "split": {"users": {"x": "email.split('@')[-1]"}},
    "a name with a dot is one field": {"users": {"a.b": "id"}},
    "null": {"users": {"x": "None"}},
}


@pytest.mark.parametrize("flat", [{}, {"depth": 1}, {"depth": 2, "separator": "."}, {"depth": 9, "length": 12}])
@pytest.mark.parametrize("name", SAME)
def test_each_item_has_the_results_of_the_sdk(name: str, flat: dict[str, Any]) -> None:
    names = {
        "depth": "flattening_max_depth",
        "separator": "flattening_separator",
        "length": "flattening_max_key_length",
    }
    given = {names[key]: value for key, value in flat.items()} | ({"flattening_enabled": True} if flat else {})
    config = {"stream_maps": SAME[name], "stream_map_config": {"seed": "s"}, **given}
    records = [record for record in RECORDS if not (flat and record["address"] is None)]  # a documented difference
    ours = of_tapdock(config, SCHEMA, records, keys=["id"])
    theirs = of_sdk(config, SCHEMA, records, keys=["id"])
    if flat:
        theirs = [each._replace(schema=_without_lost(each.schema)) for each in theirs]
    assert ours == theirs
    assert json.dumps([each.records for each in ours], default=str) == json.dumps(
        [each.records for each in theirs], default=str
    )  # the order of fields too


def _without_lost(schema: dict[str, Any]) -> dict[str, Any]:
    """The SDK requires fields that are not there any more after they were flattened."""
    required = [name for name in schema.get("required", ()) if name in schema["properties"]]
    return schema | ({"required": required} if "required" in schema else {})


BOTH_REFUSE: dict[str, dict[str, Any]] = {
    "text for a stream": {"users": "people"},
    "a number for a stream": {"users": 5},
    "a list for a stream": {"users": ["name"]},
    "text for `__else__`": {"__else__": "x"},
    "an unknown option": {"__other__": {}},
    "text for the `__else__` of a stream": {"users": {"__else__": "x"}},
    "a number for a field": {"users": {"name": 5}},
    "a boolean for a field": {"users": {"name": True}},
    "a list for a field": {"users": {"name": ["a"]}},
    "a mapping for a field": {"users": {"name": {"a": "b"}}},
    "a number as a filter": {"users": {"__filter__": 5}},
    "a removed key field": {"users": {"id": None}},
    "a key that is not there": {"users": {"__key_properties__": ["ID"]}},
    "a key that is not there any more": {"users": {"__key_properties__": ["email"], "email": None}},
    "a field that cannot be parsed": {"users": {"name": "name +"}},
    "a filter that cannot be parsed": {"users": {"__filter__": "id >"}},
    "an alias that cannot be parsed": {"users": {"__alias__": "'pre_ + __stream_name__"}},
}


@pytest.mark.parametrize("name", BOTH_REFUSE)
def test_each_error_of_the_sdk_is_found_before_a_run(name: str) -> None:
    config = {"stream_maps": BOTH_REFUSE[name]}
    with pytest.raises((StreamMapConfigError, MapExpressionError, NotImplementedError, TypeError)):
        of_sdk(config, SCHEMA, [], keys=["id"])
    with pytest.raises(UsageError) as failed:
        of_tapdock(config, SCHEMA, [], keys=["id"])
    assert failed.value.message.startswith("`maps.")
    assert failed.value.hint


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=4)
LEAVES = st.one_of(st.integers(-(2**53), 2**53), st.booleans(), TEXT)
NAMES = st.sampled_from(["id", "name", "a", "b_c", "userName", "shipping_address", "x1"])
EXPRESSIONS = st.sampled_from(
    ["id", "str(id)", "id + 1", "'x'", "md5(str(id))", "bool(id)", "float(id)", "record['id']", "id if id else None"]
)
FIELDS = st.dictionaries(st.sampled_from(["name", "a", "new", "x1"]), st.one_of(st.none(), EXPRESSIONS), max_size=4)


@st.composite
def _objects(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema of an object, and a value of it."""
    schemas, values = {}, {}
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        kind = draw(st.sampled_from(["integer", "string", "array", *(["object"] * 2 if depth else [])]))
        if kind == "object":
            schemas[name], values[name] = draw(_objects(depth - 1))
            continue
        schemas[name] = {"type": draw(st.sampled_from([kind, [kind, "null"]]))}
        whole = {"integer": st.integers(-9, 9), "string": TEXT, "array": st.lists(LEAVES, max_size=2)}
        values[name] = draw(whole[kind])
    return {"type": "object", "properties": schemas}, values


@st.composite
def _cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    schema, record = draw(_objects(3))
    schema["properties"]["id"] = {"type": "integer"}
    record["id"] = draw(st.integers(0, 9))
    fields = draw(FIELDS)
    fields = {name: text for name, text in fields.items() if text or name in schema["properties"]}
    options: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {}, optional={"__filter__": st.sampled_from(["id > 3", "bool(id)"]), "__else__": st.none()}
        )
    )
    if "__else__" in options:  # the SDK needs the key to be listed, and forgets the types of other fields
        fields = {"id": "id"} | {name: text for name, text in fields.items() if name not in schema["properties"]}
    fields = {name: text for name, text in fields.items() if not _wrong_type(name, text, schema)}
    flat = draw(st.sampled_from([{}, {"flattening_max_depth": 1}, {"flattening_max_depth": 2}]))
    if flat:
        flat = {**flat, "flattening_enabled": True, "flattening_max_key_length": draw(st.sampled_from([9, 20, 255]))}
    return {"stream_maps": {"users": {**options, **fields}}, **flat}, schema, record


def _wrong_type(name: str, text: str | None, schema: dict[str, Any]) -> bool:
    """The SDK keeps the type of a field whose value has another one now: a documented difference."""
    old = schema["properties"].get(name, {}).get("type")
    return bool(text) and name != "id" and bool(old) and (text in ("id", "md5(str(id))") or "string" not in old)


def _same(case: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    config, schema, record = case
    try:
        theirs = of_sdk(config, schema, [record], keys=["id"])
    except ValueError:  # two fields have one column
        with pytest.raises(UsageError, match="two fields have the column"):
            of_tapdock(config, schema, [record], keys=["id"])
    else:
        assert of_tapdock(config, schema, [record], keys=["id"]) == [_with_texts(each, schema) for each in theirs]


def _with_texts(landed: Landed, schema: dict[str, Any]) -> Landed:
    """Return what the SDK made, with text in computed columns of type text: it declares text and writes numbers."""
    known = landed.schema["properties"]
    texts = {name for name, one in known.items() if one == {"type": ["string", "null"]}} - schema["properties"].keys()

    def changed(name: str, value: Any) -> Any:
        is_text = value is None or isinstance(value, str) or name not in texts
        return value if is_text else msgspec.json.Encoder(decimal_format="number").encode(value).decode()

    records = [{name: changed(name, value) for name, value in one.items()} for one in landed.records]
    return landed._replace(records=records)


@settings(max_examples=20, derandomize=True)
@given(case=_cases())
def test_generated_maps_have_the_results_of_the_sdk(case: Any) -> None:
    _same(case)


@pytest.mark.slow
@settings(max_examples=1000)
@given(case=_cases())
def test_many_generated_maps_have_the_results_of_the_sdk(case: Any) -> None:
    _same(case)
