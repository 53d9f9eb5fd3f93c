import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.translate.states.canonical import canonical
from unit.translate.generated import NUMBERS, RAW

QUICK = settings(deadline=None, max_examples=60)


def written_anew(value: Any, order: random.Random) -> str:
    """Return the same JSON with another order, other spaces and escapes, and numbers in full."""
    match value:
        case list():
            return f"[ {' , '.join(written_anew(item, order) for item in value)} ]"
        case dict():
            members = [f"{json.dumps(name)} : {written_anew(item, order)}" for name, item in value.items()]
            order.shuffle(members)
            return "{" + ",".join(members) + "}"
        case Decimal():
            return f"{value:f}"
    return json.dumps(value)


@QUICK
@given(RAW, st.randoms(use_true_random=False))
def test_a_value_written_anew_is_the_same(raw: str, order: random.Random) -> None:
    value = json.loads(raw, parse_int=Decimal, parse_float=Decimal)
    assert canonical(written_anew(value, order)) == canonical(raw)


@QUICK
@given(NUMBERS, NUMBERS)
def test_numbers_are_the_same_by_value_alone(one: str, other: str) -> None:
    assert (canonical(one) == canonical(other)) == (Decimal(one) == Decimal(other))
    assert canonical(one) == canonical(f"{Decimal(one):f}")


@QUICK
@given(RAW, RAW)
def test_values_that_differ_stay_apart(one: str, other: str) -> None:
    exact = [json.loads(raw, parse_int=Decimal, parse_float=Decimal) for raw in (one, other)]
    same = exact[0] == exact[1] and repr(exact[0]).count("True") == repr(exact[1]).count("True")
    if canonical(one) == canonical(other):
        assert same


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", '"1"'), ("1", "true"), ("0", "false"), ("null", '""'), ("[]", "{}"), ('["number","1"]', "1")],
)
def test_kinds_are_never_the_same(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("text", ["", "{", "tru", "[1,]", '{"a":1}x'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(text)


def test_a_number_of_more_digits_than_anybody_has_is_kept_as_text() -> None:
    assert canonical("1e999999999") == canonical("1e999999999")
    assert canonical("1e999999999") != canonical("1e999999998")


def test_no_digit_is_rounded_away() -> None:
    assert canonical("1" * 40) != canonical("1" * 39 + "2")
    assert canonical("0." + "1" * 40) != canonical("0." + "1" * 39 + "2")
