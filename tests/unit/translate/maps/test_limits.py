"""Tests that an expression cannot leave its language, and cannot use up memory or time."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import Scope, Uncomputable, compiled

RECORD = {
    "x": "s3cret",
    "n": 918273,
    "d": Decimal("918.273"),
    "l": ["s3cret", 918273],
    "o": {"k": "s3cret"},
    "huge": Decimal("1E+999999999"),
}
SCOPE = Scope({"seed": "s"}, frozenset(RECORD), hash_key=b"k" * 32)

# From the security advisories and the tests of simpleeval, and from lists of ways out of Python and out of formats.
ESCAPES = [
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__",
    "x.__class__.__mro__",
    "x.__init__.__globals__",
    "record.__class__",
    "record.get.__self__",
    "_.__class__",
    "config.__class__",
    "self.__class__",
    "__import__('os').system('true')",
    "__builtins__",
    "__builtins__['open']",
    "__class__",
    "__loader__",
    "datetime.sys",
    "datetime.sys.modules['os']",
    "datetime.datetime_CAPI",
    "datetime.__builtins__",
    "datetime.datetime.__class__",
    "datetime.datetime.__subclasses__()",
    "datetime.datetime.mro()",
    "datetime.date.today.__self__",
    "json.codecs",
    "json.codecs.open('/etc/passwd')",
    "json.codecs.builtins",
    "json.decoder",
    "json.scanner.re",
    "json.load(x)",
    "json.loads(x, object_hook=str)",
    "json.loads(x, cls=str)",
    "json.dumps(x, default=str)",
    "json.dumps(x, cls=str)",
    "json.dumps(x, indent=1000000000)",
    "fake.__class__",
    "fake._factories",
    "fake.factories",
    "fake.random",
    "fake.random.__class__",
    "fake.add_provider(str)",
    "fake.seed_instance(1)",
    "fake.generator",
    "fake.unique.name()",
    "fake.enum(str)",
    "fake.pyobject(str)",
    "fake.binary(10)",
    "fake.json(data_columns={'a': '__class__'})",
    "fake.csv()",
    "fake.pystr_format('{{name}}')",
    "fake.format('name')",
    "fake.parse('{{name}}')",
    "'{0.__class__}'.format(x)",
    "'{0.__class__.__init__.__globals__}'.format(record)",
    "'{x}'.format_map(record)",
    "x.format(x)",
    "x.format",
    "o.format_map",
    "'%s' % x",
    "'%1000000000d' % 1",
    "f'{x.__class__}'",
    "f'{x!r}'",
    "f'{().__class__.__bases__}'",
    "f'{x:{x.__class__}}'",
    "f'{(lambda: 1)()}'",
    "x.mro()",
    "x.func_globals",
    "x.gi_frame",
    "(y for y in l).gi_frame",
    "(y for y in l).gi_frame.f_back.f_globals",
    "x.tb_frame",
    "x.cr_frame",
    "x.ag_frame",
    "x.f_globals",
    "x.co_code",
    "[c for c in ().__class__.__bases__]",
    "[__class__ for __class__ in l]",
    "{k.__class__: 1 for k in l}",
    "getattr(x, '__class__')",
    "setattr(x, 'a', 1)",
    "eval('1')",
    "exec('1')",
    "compile('1', '', 'eval')",
    "open('/etc/passwd')",
    "globals()",
    "locals()",
    "vars(x)",
    "dir(x)",
    "type(x)",
    "type('X', (), {})",
    "isinstance(x, str)",
    "object()",
    "repr(x)",
    "help()",
    "input()",
    "print(x)",
    "breakpoint()",
    "memoryview(b'x')",
    "bytes(1000000000)",
    "range(1000000000)",
    "map(str, l)",
    "sum(l)",
    "str.format('{}', x)",
    "str.__class__",
    "int.from_bytes(x)",
    "dict.fromkeys(l)",
    "str.maketrans(x)",
    "list.append",
    "(lambda: 1)()",
    "(lambda x: x)(1)",
    "(y := 1)",
    "[y := 1]",
    "l.append(1)",
    "l.extend(l)",
    "o.update(o)",
    "o.pop('k')",
    "o.clear()",
    "o.setdefault('a', 1)",
    "record.update(a=1)",
    "config.clear()",
    "x.encode()",
    "x.translate({120: 'y' * 100000})",
    "x()",
    "o['k']()",
    "record['x']()",
    "md5(x)()",
    "x.lower()()",
    "[str][0](x)",
    "(str or int)(x)",
    "datetime(1)",
    "await x",
    "yield x",
    "yield from l",
    "print(*l)",
    "md5(*l)",
    "md5(**o)",
    "del x",
    "x = 1",
    "x; x",
    "x\nx",
    "import os",
    "assert x",
    "raise x",
    "lambda: x",
    "async def f(): pass",
    "(*l)",
    "l[0] = 1",
    "...",
    "b'x'",
    "1j",
    "@x",
    "x @ x",
    "x if x",
    "print(x) #",
    "x # \x00",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_ways_out_of_the_language_are_refused_before_the_run(text):
    with pytest.raises(UsageError):
        compiled(text, SCOPE)
    with pytest.raises(UsageError):
        compiled(f"[{text}]", SCOPE) if "\n" not in text else compiled(text, SCOPE)


@pytest.mark.parametrize("text", [text for text in ESCAPES if "__" in text or "frame" in text])
def test_private_names_are_refused_too_if_the_fields_are_not_known(text):
    with pytest.raises(UsageError):
        compiled(text, Scope({}))


TOO_MUCH = [
    "'a' * 10 ** 9",
    "10 ** 9 * 'a'",
    "[1] * 10 ** 9",
    "(1,) * 10 ** 9",
    "[[1] * 10000] * 10000",
    "str([['a' * 1000000] * 1000] * 1000)",
    "json.dumps([['a' * 1000000] * 1000] * 1000)",
    "f'{[[1] * 10000] * 10000}'",
    "hash([['a' * 1000000] * 1000] * 1000)",
    "[['a' * 1000000] * 1000] * 1000",
    "2 ** 10 ** 9",
    "2 ** 2 ** 2 ** 2 ** 2 ** 2",
    "(2 ** 13000) ** 2",
    "(2 ** 13000) * (2 ** 13000)",
    "1 << 10 ** 9",
    "1 << 2 ** 13000",
    "1.1 ** 2.0 ** 1000",
    "int(huge)",
    "int(1e400000)",
    "huge + 1",
    "huge // 3",
    "huge % 3",
    "f'{huge:f}'",
    "f'{1:1000000000}'",
    "f'{x:>1000000000}'",
    "f'{x:{10 ** 9}}'",
    "f'{1.5:.1000000000f}'",
    "f'{d:.1000000000f}'",
    "f'{datetime.datetime.now():%1000000000Y}'",
    "datetime.datetime.now().strftime('%1000000000Y')",
    "datetime.date.today().strftime('%Y' * 1000000)",
    "datetime.datetime.strptime(x, '%Y' * 1000)",
    "datetime.datetime.strptime('1' * 1001, '%Y')",
    "x.ljust(10 ** 9)",
    "x.rjust(10 ** 9, 'a')",
    "x.center(10 ** 9)",
    "x.zfill(10 ** 9)",
    "'\\t'.expandtabs(10 ** 9)",
    "'\\t'.expandtabs(tabsize=10 ** 9)",
    "('\\t' * 1000000).expandtabs(10000)",
    "('a' * 1000000).replace('a', 'b' * 1000)",
    "('a' * 1000000).replace('', 'b' * 1000)",
    "('a' * 1000).join(['a'] * 1000000)",
    "'a'.join(['a' * 1000000] * 1000)",
    "fake.pystr(min_chars=10 ** 9, max_chars=10 ** 9)",
    "fake.text(10 ** 9)",
    "fake.text(max_nb_chars=10 ** 9)",
    "fake.words(1e9)",
    "fake.password(length=10 ** 9)",
    "fake.random_elements('a' * 1000000)",
    "[a for a in 'a' * 10001]",
    "[a for a in 'a' * 101 for b in 'b' * 101]",
    "[[b for b in 'b' * 1000] for a in 'a' * 1000]",
    "{a: b for a in 'a' * 1000 for b in 'b' * 1000}",
    "{(a, b) for a in 'a' * 1000 for b in 'b' * 1000}",
    "['a' * 1000000 for a in 'a' * 1000]",
    "[f'{a}' + 'a' * 999999 for a in 'a' * 1000]",
    "[list('a' * 1000000) for a in 'a' * 1000]",
    "[x.ljust(10000) for a in 'a' * 10000 for b in 'b' * 10000]",
    "['%s'.lower() + 'a' * 1000000 for a in 'a' * 1000]",
    "[*'a' * 1000000, *'a' * 1000000][:1] + [y for y in 'a' * 10001]",
    "json.loads('[' * 100000)",
    "json.loads('9' * 10000)",
    "int('9' * 10000)",
    "int('f' * 10000, 16)",
    "str(int('f' * 10000, 16))",
]


@pytest.mark.parametrize("text", TOO_MUCH)
def test_what_has_no_limit_is_not_computed(text):
    with pytest.raises(Uncomputable):
        compiled(text, SCOPE)(RECORD, stream="s", original_stream="s")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 150 + "1" + ")" * 150 + " +",
        "(" * 5000 + "1" + ")" * 5000,
        "-" * 9000 + "1",
        "x" + ".k" * 4000,
        "[" * 150 + "]" * 150,
        "not " * 2000 + "x",
        "1 + " * 2000 + "1",
        "f'{" * 20 + "x" + "}'" * 20,
        "'" + "a" * 10_000 + "'",
    ],
    ids=lambda text: text[:20],
)
def test_long_and_deep_texts_are_refused_before_the_run(text):
    with pytest.raises(UsageError):
        compiled(text, SCOPE)


def test_a_long_value_of_a_record_has_no_limit_of_an_expression():
    long = {"x": "a\t" * 2_000_000}
    for text in ("x.lower()", "x + 'end'", "x.replace('a', 'b')", "f'{x}.'", "x.split('\\t')[0]", "md5(x)", "mask(x)"):
        assert compiled(text, Scope({}, frozenset(long)))(long, stream="s", original_stream="s")


def test_ten_thousand_rounds_are_possible():
    made = compiled("[y for y in x]", Scope({}))({"x": list(range(10_000))}, stream="s", original_stream="s")
    assert made == list(range(10_000))


NAMES = ["x", "n", "d", "l", "o", "record", "_", "config", "self", "__class__", "fake", "json", "datetime", "str", "zz"]
ATTRIBUTES = ["lower", "k", "__class__", "format", "date", "get", "join", "datetime", "dumps", "mro", "items"]
LITERALS = ["1", "2.5", "'a'", "None", "True", "[]", "{}", "b''", "..."]
TEXTS = st.recursive(
    st.sampled_from(NAMES + LITERALS),
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, st.sampled_from(ATTRIBUTES)),
        st.builds("{}({})".format, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "*", "**", "%", "in", "is", "<", "or"]), inner),
        st.builds("[{} for x in {}]".format, inner, inner),
        st.builds("f'{{{}:{{{}}}}}'".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


def only_values_and_our_errors(text, fields):
    try:
        expression = compiled(text, Scope({"k": 1}, fields, hash_key=b"k" * 32))
    except UsageError:
        return
    record = {key: RECORD[key] for key in "xndlo"}
    failed = None
    try:
        made = expression(record, stream="s", original_stream="s", own="own")
    except Uncomputable as error:
        failed = error
    if failed is None:
        assert type(made) in (type(None), bool, int, float, str, list, dict, Decimal)
    else:
        assert not [value for value in ("s3cret", "918") if value in str(failed)]
        assert failed.__context__ is None


@given(TEXTS, st.sampled_from([None, frozenset("xndlo")]))
@settings(max_examples=100, deadline=None)
def test_each_text_is_refused_or_gives_values_of_json(text, fields):
    only_values_and_our_errors(text, fields)


@pytest.mark.slow
@given(TEXTS, st.sampled_from([None, frozenset("xndlo")]))
@settings(max_examples=1_000, deadline=None)
def test_many_texts_are_refused_or_give_values_of_json(text, fields):
    only_values_and_our_errors(text, fields)
