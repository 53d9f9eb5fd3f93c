"""Compares expressions with the mapper of Meltano's SDK: the same value and type, or a difference listed here."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import ABSENT, Scope, Uncomputable, compiled
from tapdock.translate.maps.texts import dumps

pytestmark = pytest.mark.long  # the import of the SDK takes a second

CONFIG = {"hash_seed": "01AWZh7A6DzGm6iJZZ2T", "n": 3}
RECORD: dict[str, Any] = {
    "customer_id": "C-17",
    "email": "Alice@example.com",
    "owner_email": "sample1@example.com",
    "name": "tap-something",
    "description": "Comment A",
    "create_date": "2019-01-01",
    "count": 21,
    "price": Decimal("12.50"),
    "none": None,
    "flag": True,
    "tags": ["a", "b"],
    "user": {"id": 1, "sub": {"num": 2}, "name": "Alice Carter"},
    "old": 5,
}
TYPES = {str: "string", int: "integer", Decimal: "number", bool: "boolean", list: "array", dict: "object"}
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": [TYPES.get(type(value), "string"), "null"]} for name, value in RECORD.items()},
}
SCOPE = Scope(CONFIG, frozenset(RECORD))


@cache
def mapper(text: str, field: str) -> Any:
    """Return the SDK's map of a stream that has one expression."""
    from singer_sdk.mapper import PluginMapper

    logging.getLogger("singer_sdk").setLevel(logging.ERROR)
    config = {"stream_maps": {"customers": {field: text}}, "stream_map_config": CONFIG}
    made = PluginMapper(config, logging.getLogger("test"))
    made.register_raw_stream_schema("customers", SCHEMA, [])
    return made.stream_maps["customers"][0]


def of_the_sdk(text: str, field: str = "new") -> Any:
    """Return the value as the SDK writes it into a message."""
    from singer_sdk.singerlib.json import deserialize_json, serialize_json

    return deserialize_json(serialize_json({"value": mapper(text, field).transform(RECORD)[field]}))["value"]


def ours(text: str, field: str = "new") -> Any:
    made = compiled(text, SCOPE, field=field)
    value = made(RECORD, stream="customers", original_stream="customers", own=RECORD.get(field, ABSENT))
    return json.loads(dumps(value), parse_float=Decimal)


def our_schema(text: str, field: str) -> Any:
    """Return the type that a map gives the field: see `Expression.schema`."""
    made = compiled(text, SCOPE, field=field).schema
    properties = SCHEMA["properties"]
    assert isinstance(properties, dict)
    return made or properties.get(field) or properties.get(text) or {"type": ["string", "null"]}


SAME = [
    # from the pages and tests of the SDK
    "owner_email.split('@')[-1]",
    "owner_email.split('@')[1]",
    "md5(config['hash_seed'] + owner_email)",
    "customer_id.lower()",
    "record['customer_id'].lower()",
    "_['customer_id'].lower()",
    "_['name']",
    "md5(customer_id)",
    "sha256(customer_id)",
    "customer_id",
    "'[masked]'",
    "str('[masked]')",
    "int(datetime.date.fromisoformat(create_date).year)",
    "datetime.date.fromisoformat(create_date)",
    "datetime.datetime.fromisoformat(create_date)",
    "datetime.datetime.fromisoformat(create_date).date()",
    "datetime.datetime.strptime(create_date, '%Y-%m-%d').isoformat()",
    "int('0')",
    "int(count-1)",
    "float(count)",
    "bool(count)",
    "email.endswith('@example.com')",
    "'tap-' in name or 'target-' in name",
    "bool('tap-' in name or 'target-' in name)",
    "name if flag else email",
    "user.name.split(' ')[0]",
    "user['sub']['num']",
    "user.sub.num",
    "json.dumps(user)",
    "json.loads('{\"a\": [1, 2]}')['a']",
    "__stream_name__",
    "__original_stream_name__ + '_x'",
    "[x.upper() for x in tags]",
    "[x for x in tags if x != 'a']",
    "{k: v for k, v in user.items() if k != 'sub'}",
    "' '.join(x for x in tags)",
    "f'{name}: {count}'",
    "f'{count:05d}|{name:>20}|{price:.1f}'",
    "record.get('none')",
    "record.get('zz', 'default')",
    "config['n'] * count",
    # more of the language
    "count / 2",
    "count // 2",
    "count % 4",
    "-count // 2",
    "count ** 2",
    "2 ** -1",
    "count << 2 | 1",
    "~count",
    "price * 2",
    "price + price",
    "price > 12",
    "price == count",
    "str(price)",
    "str(count)",
    "str(none)",
    "str(flag)",
    "str(tags)",
    "str(user)",
    "str((1,))",
    "1 < count < 30",
    "count is not None and none is None",
    "none or name",
    "name and none",
    "not name",
    "name[0]",
    "name[::-1]",
    "name[1:-1:2]",
    "[*tags, 'c']",
    "{**user, 'id': 2}",
    "(1, 2)",
    "list('abc')",
    "tuple(tags)",
    "dict(a=1)",
    "list(set([3, 1, 3]))",
    "tags + ['z']",
    "tags * 2",
    "name * 2",
    "name.replace('tap', 'x').title().center(20)",
    "name.partition('-')",
    "name.zfill(20)",
    "name.count('t') + tags.count('a')",
    "str(datetime.timedelta(days=1, hours=2))",
    "datetime.timedelta(days=1, hours=2)",
    "(datetime.date.fromisoformat(create_date) - datetime.date(2018, 1, 1)).days",
    "datetime.date(2020, 2, 29).strftime('%d.%m.%Y')",
    "datetime.datetime(2020, 1, 2, 3, 4, 5)",
    "datetime.datetime.fromtimestamp(0, datetime.timezone.utc)",
    "json.dumps({'b': 1, 'a': 'é'}, sort_keys=True, ensure_ascii=False)",
    "json.dumps([True, None, 'a\\n', {}, []])",
]


@pytest.mark.parametrize("text", SAME)
def test_the_same_value(text: str) -> None:
    assert repr(ours(text)) == repr(of_the_sdk(text))


SELF = ["self", "self + 1", "str(self)", "self * 2 if self else 0"]


@pytest.mark.parametrize("text", SELF)
def test_the_same_value_of_a_field_by_the_name_self(text: str) -> None:
    assert ours(text, "old") == of_the_sdk(text, "old")


SAME_TYPE = [
    "float(count)",
    "int('1')",
    "str(count)",
    "bool(count)",
    "json.dumps(user)",
    "datetime.date.fromisoformat(create_date)",
    "datetime.date(2020, 1, 1)",
    "datetime.datetime.fromisoformat(create_date)",
    "datetime.datetime(2020, 1, 1)",
    "datetime.datetime.fromisoformat(create_date).date()",
    "'text'",
    "name",
    "user",
    "user.name",
    "tags[0]",
]


@pytest.mark.parametrize("field", ["new", "old"])
@pytest.mark.parametrize("text", SAME_TYPE)
def test_the_same_type(text: str, field: str) -> None:
    assert our_schema(text, field) == mapper(text, field).transformed_schema["properties"][field]


OTHER_TYPES = {
    # a new field: the SDK writes a string
    ("count > 3", "new"): ("string", "boolean"),
    ("not count", "new"): ("string", "boolean"),
    ("name.startswith('t')", "new"): ("string", "boolean"),
    ("5", "new"): ("string", "integer"),
    ("1.5 * 2", "new"): ("string", "number"),
    # the text begins with a function, but the value has another type
    ("float(count) > 3", "new"): ("number", "boolean"),
    ("int(count) / 2", "new"): ("integer", "number"),
    ("str(count) == '21'", "new"): ("string", "boolean"),
    # the field exists with another type, which the SDK keeps
    ("md5(name)", "old"): ("integer", "string"),
    ("sha256(name)", "old"): ("integer", "string"),
    ("name.lower()", "old"): ("integer", "string"),
    ('"text"', "old"): ("integer", "string"),
    ("f'{name}'", "old"): ("integer", "string"),
    ("count > 3", "old"): ("integer", "boolean"),
}


@pytest.mark.parametrize(("text", "field"), OTHER_TYPES)
def test_types_that_would_be_wrong(text: str, field: str) -> None:
    sdk, better = OTHER_TYPES[text, field]
    assert mapper(text, field).transformed_schema["properties"][field]["type"][0] == sdk
    assert our_schema(text, field)["type"] == [better, "null"]


FAILS = object()
OTHER_VALUES: dict[str, tuple[Any, Any]] = {
    # Decimals: literals are exact, and mix with fields and floats
    "price * 1.1": (FAILS, Decimal("13.750")),
    "price * float(2)": (FAILS, Decimal("25.000")),
    "price == 12.5": (True, True),
    "price / 10 == 1.25": (True, True),
    "price + 0.1 == 12.6": (FAILS, True),
    "0.1 + 0.2": (Decimal("0.30000000000000004"), Decimal("0.3")),
    "str(1.10)": ("1.1", "1.10"),
    "9007199254740993.0": (Decimal("9007199254740992.0"), Decimal("9007199254740993.0")),
    "count / 3.0": (Decimal("7.0"), 7),
    "-price // 5": (-2, -3),  # Python's Decimals round to zero
    "-price % 5": (Decimal("-2.50"), Decimal("2.50")),
    "str([price])": ("[Decimal('12.50')]", "[12.50]"),
    "json.dumps(record)": (FAILS, None),
    "datetime.timedelta(hours=1.5)": ("1:30:00", "1:30:00"),
    # what is not a value of JSON
    "float('nan')": (None, FAILS),
    "float('inf')": (None, FAILS),
    "set(tags) == 1 or {'a'}": ("{'a'}", ["a"]),
    "user.keys()": ("dict_keys(['id', 'sub', 'name'])", ["id", "sub", "name"]),
    "{1: 2}": ({"1": 2}, FAILS),
    # attributes of an object are its keys, also if they have the name of a method
    "{'items': 1}.items if True else 0": (None, 1),
    # what is refused
    "name.encode()": (None, FAILS),
    "name is name": (True, FAILS),
    "f'{name!r}'": ("tap-something", FAILS),
    "count.real": (21, FAILS),
    "'%s!' % name": ("tap-something!", FAILS),
    "record.copy()": (None, None),
    "name.translate({116: 'T'})": ("Tap-someThing", FAILS),
    "1; 2": (1, FAILS),
    # what only the SDK refuses
    "{x for x in tags}": (FAILS, ["a", "b"]),
}


def failed(compute: Callable[[str], Any], text: str) -> bool:
    try:
        compute(text)
    except Exception:  # the errors of the SDK's mapper have no common class
        return True
    return False


@pytest.mark.parametrize("text", OTHER_VALUES)
def test_listed_differences(text: str) -> None:
    sdk, better = OTHER_VALUES[text]
    for compute, expected in ((of_the_sdk, sdk), (ours, better)):
        if expected is FAILS:
            assert failed(compute, text)
        else:
            value = compute(text)
            assert expected is None or repr(value) == repr(expected)


INTEGERS = st.sampled_from(["count", "user.id", "config['n']", "0", "1", "7", "-2", "int('12')", "name.find('-')"])
TEXTS = st.sampled_from(["name", "email", "'x-y'", "''", "user.name", "create_date", "tags[0]", "str(price)"])
LISTS = st.sampled_from(["tags", "[]", "[1, 'a', None]", "name.split('-')", "list(user)", "(3, 4)"])
ANYTHING = st.one_of(INTEGERS, TEXTS, LISTS, st.sampled_from(["none", "flag", "user", "price", "True", "{'k': 1}"]))


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "&", "|", "^", "==", "!=", "<", ">=", "in", "not in"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, binary, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} < {} <= {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:{}]".format, inner, INTEGERS, INTEGERS),
        st.builds("[{}, *{}]".format, inner, inner),
        st.builds("{{'k': {}}}.k".format, inner),
        st.builds("[{} for i in {} if {}]".format, st.sampled_from(["i", "[i, name]", "str(i)"]), inner, inner),
        st.builds("f'{{{}}}'".format, TEXTS),
        st.builds("{}({})".format, st.sampled_from(["str", "bool", "int", "float", "list", "md5", "tuple"]), inner),
        st.builds("{}.{}()".format, inner, st.sampled_from(["lower", "title", "strip", "isdigit", "split"])),
        st.builds("{}.{}({})".format, inner, st.sampled_from(["split", "count", "startswith", "join", "get"]), inner),
    )


GENERATED = st.recursive(ANYTHING, grown, max_leaves=6)


def compared(text: str) -> None:
    """Assert that the SDK's value is also ours. Where the SDK fails, an exact value is better."""
    if any(sign in text for sign in ("//", "%")) and "price" in text:
        return  # see OTHER_VALUES
    try:
        expected = of_the_sdk(text)
    except Exception:
        with suppress(UsageError, Uncomputable):
            ours(text)
        return
    assert repr(ours(text)) == repr(expected), text


@given(GENERATED)
@settings(max_examples=60, deadline=None)
def test_generated_expressions_have_the_same_value(text: str) -> None:
    compared(text)


@pytest.mark.slow
@given(GENERATED)
@settings(max_examples=1_000, deadline=None)
def test_many_generated_expressions_have_the_same_value(text: str) -> None:
    compared(text)
