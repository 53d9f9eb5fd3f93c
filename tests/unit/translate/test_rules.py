import json
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.translate.write.rules import as_number, as_text, drop, fields, items, with_member


@pytest.mark.parametrize("value", [b'"a"', b"null"])
def test_text_leaves_strings_and_null_alone(value: bytes) -> None:
    assert as_text(value) is value


@pytest.mark.parametrize("value", [b'{"a" : 1.50}', b"[]", b"true", b"1e400", b"0"])
def test_text_keeps_the_very_json(value: bytes) -> None:
    assert json.loads(as_text(value)) == value.decode()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b'"1.50"', b"1.50"),
        (b'"-0"', b"-0"),
        (b'"00"', b"0"),
        (b'"0.5"', b"0.5"),
        (b'"-0012e5"', b"-12e5"),
        (b'"NaN"', b"null"),
        (b'"-Infinity"', b"null"),
    ],
)
def test_number_is_unquoted_with_its_digits(value: bytes, number: bytes) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    "value", [b"1.0", b"null", b'""', b'"1."', b'"1 "', b'"one"', b'"+1"', '"\uff11"'.encode(), b"{}"]
)
def test_number_leaves_the_rest_alone(value: bytes) -> None:
    assert as_number(value) is value


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_number_keeps_its_value(number: Decimal) -> None:
    sent = as_number(json.dumps(str(number)).encode())
    assert Decimal(sent.decode()) == number
    assert re.fullmatch(rb"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", sent)


def test_fields_keep_order_and_bytes_of_the_others() -> None:
    rule = fields({"b": as_text, "d": drop, "missing": as_text})
    assert rule(b'{"c" : 1.50, "b":2.0,"d":0,"a":{"x" :1}}') == b'{"c":1.50,"b":"2.0","a":{"x" :1}}'


@pytest.mark.parametrize("value", [b'{"a" : 1}', b'{"b": null, "a" : 1}', b"null", b"[1]"])
def test_fields_return_what_they_were_given_when_nothing_changes(value: bytes) -> None:
    assert fields({"b": as_text})(value) is value


def test_items() -> None:
    rule = items(fields({"a": as_number}))
    assert rule(b'[{"a":"1.0"}, {"b" : 1},null]') == b'[{"a":1.0},{"b" : 1},null]'
    untouched = b"[ 1 ]"
    assert rule(untouched) is untouched


@pytest.mark.parametrize(
    ("body", "name"),
    [(rb'{"na\u00efve":1}', "naïve"), (rb'{"a\"b":1}', 'a"b'), (rb'{"a\/b":1}', "a/b"), (rb'{"\u0061":1}', "a")],
)
def test_a_member_that_is_added_replaces_one_whose_name_is_escaped(body, name):
    assert json.loads(with_member(body, name, b"2"), object_pairs_hook=list) == [(name, 2)]
