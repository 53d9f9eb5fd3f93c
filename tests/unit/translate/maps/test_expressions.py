"""Tests the values, names and errors of expressions of stream maps."""

import datetime
import re
from decimal import Decimal

import pytest

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import ABSENT, Scope, Uncomputable, UnknownName, compiled

RECORD = {
    "email": "Bob@Example.com",
    "a": 3,
    "b": None,
    "price": Decimal("12.50"),
    "big": Decimal("1234567890123456789012345678901234567890.5"),
    "tags": ["x", "y", "x"],
    "address": {"city": "Berlin", "items": [1, 2], "deep": {"list": [{"n": 1}]}},
    "created": "2020-01-02T03:04:05",
    "date": "a field",
    "config": "hidden by the name of the maps",
}
SCOPE = Scope({"seed": "s", "rates": {"eur": 2}}, frozenset(RECORD))


def value(text, *, record=RECORD, scope=SCOPE, own=ABSENT, field=None):
    return compiled(text, scope, field=field)(record, stream="new", original_stream="old", own=own)


def exactly(left, right):
    """Return True for equal values of equal types and equal digits."""
    return repr(left) == repr(right)


VALUES = {
    # numbers: integers, exact decimals, floats
    "a + 1": 4,
    "a / 2": 1.5,
    "a // 2 + a % 2": 2,
    "-a // 2": -2,
    "2 ** 10": 1024,
    "2 ** -1": 0.5,
    "price * 1.1": Decimal("13.750"),
    "0.1 + 0.2": Decimal("0.3"),
    "big + 0.25": Decimal("1234567890123456789012345678901234567890.75"),
    "-big": Decimal("-1234567890123456789012345678901234567890.5"),
    "+big": Decimal("1234567890123456789012345678901234567890.5"),
    "big / 1": Decimal("1234567890123456789012345678901234567890.5"),
    "1.0 / 3": Decimal("0.3333333333333333333333333333"),
    "price + float(1)": Decimal("13.50"),
    "float(price)": 12.5,
    "float(a) / 2.0": Decimal("1.5"),
    "-7.5 // 2": Decimal("-4"),
    "-7.5 % 2": Decimal("0.5"),
    "7.5 % -2": Decimal("-0.5"),
    "1.1 ** 2": Decimal("1.21"),
    "9007199254740993.0": Decimal("9007199254740993.0"),
    "1_000.5": Decimal("1000.5"),
    "1e400": Decimal("1E+400"),
    "1 << 4 | 3 & 1 ^ 8 >> 1": 1 << 4 | 3 & 1 ^ 8 >> 1,
    "~a": -4,
    "int(price)": 12,
    "int('ff', 16)": 255,
    "True + 1": 2,
    "price.quantize(0.1)": Decimal("12.5"),
    # comparisons
    "float('1.1') == 1.1": True,
    "1.1 != float('1.1')": False,
    "float('1.1') in [1.1]": True,
    "1.1 in [float('1.1')]": True,
    "price == 12.5": True,
    "1 < a <= 3 < 4": True,
    "a == '3'": False,
    "b is None": True,
    "a is not None": True,
    "'x' in tags and 'z' not in tags": True,
    "'Bob' in email": True,
    "'city' in address": True,
    "not a or b": None,
    "b or email": "Bob@Example.com",
    "'many' if a > 2 else 'few'": "many",
    # texts
    "email.lower().split('@')[-1]": "example.com",
    "email[:3] + email[-4:]": "Bob.com",
    "f'{email:.3}|{a:>4}|{price:.1f}|{b}|{a!s:>3}|{{}}'": "Bob|   3|12.5|None|  3|{}",
    "f'{a:{a + 2}}'": "    3",
    "f'{1.10}'": "1.10",
    "'-'.join(tags)": "x-y-x",
    "' '.join(x.upper() for x in tags)": "X Y X",
    "email.replace('o', '00').removeprefix('B')": "00b@Example.c00m",
    "'7'.zfill(3) + 'a'.ljust(3, '.') + 'b'.center(3)": "007a.. b ",
    "str(price)": "12.50",
    "str([1.5, 'x', None, (1,), {'k': 2.0}])": "[1.5, 'x', None, (1,), {'k': 2.0}]",
    "md5('x')": "9dd4e461268c8034f5c8564e155c67a6",
    "sha256('x')": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    # lists and objects
    "[*tags, 'z']": ["x", "y", "x", "z"],
    "{**address, 'city': 'Rome'}['city']": "Rome",
    "address.city": "Berlin",
    "address.items": [1, 2],
    "address.deep.list[0].n": 1,
    "address.get('zip', 'none')": "none",
    "[x + y for x in tags if x == 'x' for y in address['items'] and ['1']]": ["x1", "x1"],
    "{k: v for k, v in address.items() if k == 'city'}": {"city": "Berlin"},
    "{x for x in tags}": ["x", "y"],
    "list(set(tags))": ["x", "y"],
    "tuple(tags)": ["x", "y", "x"],
    "dict(a=1, b=2)": {"a": 1, "b": 2},
    "dict([('k', 1)])": {"k": 1},
    "[a for a in tags] + [a]": ["x", "y", "x", 3],
    "[[x, y] for x, [y, z] in [(1, (2, 3))]]": [[1, 2]],
    "address.keys()": ["city", "items", "deep"],
    "{1, 2} & {2, 3}": [2],
    # dates
    "datetime.datetime.fromisoformat(created).date()": "2020-01-02",
    "datetime.datetime.fromisoformat(created) + datetime.timedelta(hours=1.5)": "2020-01-02T04:34:05",
    "datetime.date(2020, 2, 29).strftime('%d.%m.%Y')": "29.02.2020",
    "datetime.datetime.strptime('01/02/2020', '%d/%m/%Y').year": 2020,
    "datetime.datetime.fromtimestamp(1.5, datetime.timezone.utc)": "1970-01-01T00:00:01.500000+00:00",
    "datetime.date.min.year": 1,
    "datetime.timedelta(hours=3) * 1.5": "4:30:00",
    "f'{datetime.date(2020, 1, 2):%Y}'": "2020",
    # json
    "json.dumps({'p': price, 'l': tags, 'n': b})": '{"p": 12.50, "l": ["x", "y", "x"], "n": null}',
    "json.dumps({'b': 'é', 'a': 1}, sort_keys=True, ensure_ascii=False, separators=(',', ':'))": '{"a":1,"b":"é"}',
    "json.loads('[1.10, 2, null]')": [Decimal("1.10"), 2, None],
    # names
    "record['email'] == _['email'] == record.email": True,
    "record": RECORD,
    "record.get('zz')": None,
    "config['seed'] + str(config.rates.eur)": "s2",
    "record['config']": "hidden by the name of the maps",
    "__stream_name__ + __original_stream_name__": "newold",
    "date": "a field",
    "bool(b)": False,
}


@pytest.mark.parametrize("text", VALUES)
def test_values(text):
    assert exactly(value(text), VALUES[text])


def test_a_record_is_not_changed_and_not_shared():
    made = value("record")
    made["address"]["city"] = "Rome"
    assert RECORD["address"]["city"] == "Berlin"


@pytest.mark.parametrize(("record", "own", "expected"), [({}, 5, 5), ({"self": 7}, 5, 5), ({"self": 7}, ABSENT, 7)])
def test_self_is_the_own_value_or_a_field(record, own, expected):
    assert value("self", record=record, own=own) == expected


def test_self_without_a_value_cannot_be_computed():
    with pytest.raises(Uncomputable, match="no value for `self`"):
        value("self", record={})


def test_fields_hide_modules_and_not_functions():
    scope = Scope({}, frozenset({"datetime", "md5", "str"}))
    record = {"datetime": {"date": "a key"}, "md5": "x", "str": 1}
    assert value("datetime.date", record=record, scope=scope) == "a key"
    assert value("md5(md5)", record=record, scope=scope) == "9dd4e461268c8034f5c8564e155c67a6"
    assert value("str(str)", record=record, scope=scope) == "1"


def test_without_a_schema_each_name_may_be_a_field():
    scope = Scope({})
    assert value("date + json.dumps(x)", record={"date": "d", "x": 1}, scope=scope) == "d1"
    with pytest.raises(Uncomputable, match="has no field `date`"):
        value("date", record={}, scope=scope)


def test_a_variable_of_a_comprehension_does_not_hide_a_name_after_it():
    assert value("[a for a in tags][0] + str(a)") == "x3"


def test_results_are_values_of_json():
    assert value("[datetime.date(2020, 1, 2), (1, {2})]") == ["2020-01-02", [1, [2]]]
    assert value("datetime.time(1, 2)") == datetime.time(1, 2).isoformat()


UNCOMPUTABLE = {
    "b.lower()": "null has no method `lower`",
    "a + email": r"`\+` is not possible for an integer and a string",
    "email > 3": "`>` is not possible for a string and an integer",
    "a > email": "`>` is not possible for an integer and a string",
    "3 in b": "`in` is not possible for an integer and null",
    "-email": "`-` is not possible for a string",
    "address.zip": "an object has no key `zip`",
    "email.zip": "a string has no attribute `zip`",
    "address['zip']": "an object does not have the key",
    "tags[7]": "too short for the index",
    "tags['x']": "a string is not an index of a list",
    "a[0]": "an integer has no items",
    "a / 0": "divided by zero",
    "price / 0": "divided by zero",
    "price % 0": "not defined",
    "int(email)": "cannot be converted",
    "md5(a)": r"Use `md5\(str\(...\)\)`",
    "[x for x in a]": "an integer has no items",
    "float('nan')": "not a finite number",
    "[float('inf')]": "not a finite number",
    "{1: 2}": r"key of an object in the result is not a string",
    "json.loads(email)": "not valid JSON",
    "json.loads('NaN')": "not finite",
    "json.dumps({1, 2})": "a set cannot be written as JSON",
    "email % a": "Use an f-string",
    "'\\ud800'": "not valid Unicode",
    "(0 - 8.0) ** 0.5": "not defined",
    "{[]: 1}": "wrong type",
    "datetime.datetime.now() < datetime.date.today()": "`<` is not possible for a date with time and a date",
    "[y for x, y in [(1, 2, 3)]]": "does not have 2 parts",
    "email.split('')": "cannot be converted",
    "mask(address)": "mask takes a string or a number",
    "mask(email, keep=0 - 1)": "`keep` of mask",
}


@pytest.mark.parametrize("text", UNCOMPUTABLE)
def test_what_cannot_be_computed(text):
    with pytest.raises(Uncomputable, match=UNCOMPUTABLE[text]) as caught:
        value(text, field="target")
    assert str(caught.value).startswith("field `target`: the expression `")


def test_a_declared_field_that_a_record_does_not_have():
    with pytest.raises(Uncomputable, match=r"has no field `email`. `record.get\('email'\)` is null"):
        value("email.lower()", record={})


SECRET = "s3cret-value"
LEAKS = [
    "int(x)", "float(x)", "x + 1", "x[x]", "o[x]", "l[l[0]]", "x.index('zz')", "json.loads(x)", "o.zip", "x > 1",
    "datetime.date.fromisoformat(x)", "datetime.datetime.strptime(x, '%Y')", "datetime.datetime.strptime('2020', x)",
    "f'{x:{x}}'", "f'{1:{x}}'", "set([l])", "dict([x])", "x.ljust(n)", "'a' * n",
    "2 ** n", "1 << n", "x.zfill(n)", "f'{x:{n}}'", "{o: 1}", "x % 1", "l[1:].index(n)", "n.lower()", "x.split(n)",
    "bool(x) + o", "randint(x)", "d / 0", "d ** d", "json.dumps({(1,): x})", "int(x, 16)", "x.join(l)",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_errors_have_no_value(text):
    record = {"x": SECRET, "o": {"k": SECRET}, "l": [77777777, SECRET], "n": 77777777, "d": Decimal("77777777.5")}
    with pytest.raises(Uncomputable) as caught:
        value(text, record=record, scope=Scope({}, frozenset(record)))
    error = caught.value
    assert SECRET not in str(error)
    assert "77777777" not in str(error).replace(",", "")
    assert error.__cause__ is error.__context__ is None


NOT_ALLOWED = {
    "emial": ("stream declares no field", "did you mean `email`"),
    "undeclared": ("stream declares no field", r"record.get\('undeclared'\)"),
    "md5": ("it is a function", r"`md5\(...\)`"),
    "json": ("it is a module", "json.dumps"),
    "fake": ("not a value", "fake.first_name"),
    "email()": ("a value and not a function", "the functions are"),
    "len(tags)": ("not a function of expressions", "functions are"),
    "lower(email)": ("it is a method", r"`field.lower\(...\)`"),
    "md5(email, a)": ("2 arguments", "the function takes 1"),
    "int(a, bse=3)": ("no argument `bse`", "use `base`"),
    "md5(*tags)": (r"`\*` and `\*\*` are not possible", "one by one"),
    "dict(**address)": (r"`\*` and `\*\*` are not possible", "one by one"),
    "email.lowr()": ("`lowr` is not a method", "did you mean `lower`"),
    "tags.append('z')": ("`append` is not a method", "build a new one"),
    "'{}'.format(email)": ("`format` is not available", "f-string"),
    "'%s' % email": ("does not format strings", "f-string"),
    "email is 'x'": ("only compares with None", "use `==`"),
    "f'{email!r}'": ("`!r` is not part", "leave the conversion out"),
    "config['zz']": ("does not contain `zz`", "add `zz` to `stream_map_config`"),
    "datetime.date.zz()": ("not a function of a module", "datetime.date.today"),
    "datetime.date.today": ("not a value of a module", "call it"),
    "json.JSONEncoder": ("not a value of a module", "json.dumps"),
    "3j": ("are not values of JSON", "use a string or a number"),
    "b'x'": ("are not values of JSON", "use a string or a number"),
    "lambda: 1": ("a lambda is not part", "without statements"),
    "(x := 1)": ("an assignment is not part", "without statements"),
    "tags @ tags": ("this operator is not part", "operator for numbers"),
    "hash(email)": ("requires a key", "hash_key"),
    "encrypt(email)": ("requires a public key", "encrypt_key"),
    "mask(email, -1)": ("`keep` is negative", "set `keep`"),
    "[_x for _x in tags]": ("begin with an underscore", "another name"),
    "": ("an expression is empty", "null"),
    "a b": ("is not valid at character", "one Python expression"),
    "a; b": ("is not valid", "one Python expression"),
    "import os": ("is not valid", "one Python expression"),
    "a = 1": ("is not valid", "one Python expression"),
    "[x async for x in tags]": ("`async` is not part", "leave it out"),
    "a\x00": ("is not valid", ""),
}


@pytest.mark.parametrize("text", NOT_ALLOWED)
def test_what_is_not_allowed_is_named_with_what_to_use_instead(text):
    why, hint = NOT_ALLOWED[text]
    with pytest.raises(UsageError, match=why) as caught:
        compiled(text, SCOPE)
    assert re.search(hint, caught.value.hint or "")


def test_a_bare_word_that_means_nothing_is_an_error_of_its_own():
    """An alias that is not an expression is a name."""
    with pytest.raises(UnknownName):
        compiled("customers", Scope({}, frozenset()))
    with pytest.raises(UsageError) as caught:
        compiled("customers.__class__", Scope({}, frozenset()))
    assert not isinstance(caught.value, UnknownName)
