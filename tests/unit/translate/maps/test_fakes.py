"""Tests the name `fake` of expressions, which needs the extra `faker`."""

import sys
from decimal import Decimal

import pytest

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import Scope, Uncomputable, compiled
from tapdock.translate.maps.fakes import fake_method, new_fake

pytestmark = pytest.mark.long  # Faker loads its data for about a second


def values(*texts, times=3, **faker):
    scope = Scope({}, frozenset(), faker=faker)
    expressions = [compiled(text, scope) for text in texts]
    return [[each({}, stream="s", original_stream="s") for each in expressions] for _ in range(times)]


def test_a_seed_gives_the_same_values_in_each_run():
    assert values("fake.name()", "fake.email()", seed=5) == values("fake.name()", "fake.email()", seed=5)
    assert values("fake.name()", seed=5) != values("fake.name()", seed=6)


def test_values_are_those_of_the_sdk():
    from faker import Faker

    Faker.seed(5)
    theirs = Faker("de_DE")
    assert values("fake.first_name()", seed=5, locale="de_DE") == [[theirs.first_name()] for _ in range(3)]


def test_two_fields_with_one_generator_differ():
    for first, second in values("fake.uuid4()", "fake.uuid4()", times=20, seed=1):
        assert first != second


def test_several_locales():
    assert all(isinstance(one, str) for row in values("fake.city()", locale=["de_DE", "fr_FR"]) for one in row)


def test_arguments():
    ((number, text, word, day),) = values(
        "fake.pyint(0, 10 ** 9)",
        "fake.text(max_nb_chars=50)",
        "fake.random_element(elements=('a', 'b'))",
        "fake.date_between('-1d', 'today')",
        times=1,
    )
    assert 0 <= number <= 10**9
    assert len(text) <= 50
    assert word in "ab"
    assert len(day) == len("2020-01-01")


def test_each_generator_gives_a_value_of_json_or_our_error():
    fake = new_fake({"seed": 3})
    names = {name for provider in fake.factories[0].providers for name in dir(provider) if not name.startswith("_")}
    allowed = sorted(name for name in names if fake_method(fake, name))
    assert len(allowed) > 200
    made = 0
    for name in allowed:
        try:
            ((value,),) = values(f"fake.{name}()", times=1, seed=1)
        except Uncomputable:
            continue  # it has arguments that are required
        assert isinstance(value, str | int | float | bool | list | dict | Decimal | None)
        made += 1
    assert made > 180


def test_it_is_imported_only_if_an_expression_uses_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "faker", None)
    assert compiled("name.lower()", Scope({}))({"name": "A"}, stream="s", original_stream="s") == "a"
    with pytest.raises(UsageError, match="requires the package `faker`") as caught:
        compiled("fake.name()", Scope({}))
    assert "pip install 'tapdock[faker]'" in (caught.value.hint or "")


def test_a_locale_that_does_not_exist():
    with pytest.raises(UsageError, match="`locale` is not known to Faker: `xx_YY`") as caught:
        compiled("fake.name()", Scope({}, faker={"locale": "xx_YY"}))
    assert "en_US" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("faker", "why"),
    [
        ({"sede": 5}, "`sede` is not a setting"),
        ({"seed": [5]}, "`seed` is not a number or a text"),
        ({"locale": 5}, "`locale` is not a text or a list of texts"),
        ({"locale": []}, "`locale` is not a text or a list of texts"),
        ({"locale": ["de_DE", None]}, "`locale` is not a text or a list of texts"),
    ],
)
def test_settings_that_would_have_no_effect_or_fail_later(faker, why):
    with pytest.raises(UsageError, match=why) as caught:
        compiled("fake.name()", Scope({}, faker=faker))
    assert caught.value.hint


def test_a_generator_that_does_not_exist_is_named():
    with pytest.raises(UsageError, match=r"`fake.nmae` is not allowed"):
        compiled("fake.nmae()", Scope({}))
