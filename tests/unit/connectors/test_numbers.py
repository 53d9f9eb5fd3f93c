"""Tests numbers of a config: each reaches the connector unchanged.

Values that JSON does not support are refused with their place.
"""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.cache import Cache
from tapdock.connectors import known_specs
from tapdock.connectors.kinds.base import config_file
from tapdock.connectors.settings import coerce, violations
from tapdock.connectors.wrap.files import keep_rotated, merged
from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.connector_values import Config
from tapdock.project.load import load
from tapdock.project.model import Connector
from tapdock.project.secret import Secret
from tapdock.project.values import flaw, number, parse_json

BIG = 123456789012345678901234567890
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def exact(value: object) -> str:
    """Return a text that distinguishes 1 from 1.0, -0.0 from 0.0, and True from 1."""
    return repr(value)


@pytest.mark.long
@given(st.dictionaries(st.text(), VALUES))
def test_a_config_is_read_as_it_was_written(config):
    assert exact(json.loads(config_file(config).content)) == exact(config)


LIMITS = [BIG, -BIG, 1 << 64, -(1 << 63) - 1, 10**4000, 1.7976931348623157e308, 5e-324, 0.1]


@pytest.mark.parametrize("value", LIMITS, ids=range(len(LIMITS)))
def test_a_number_at_the_limits(value, tmp_path):
    assert exact(json.loads(config_file({"n": value}).content)["n"]) == exact(value)
    cache = Cache(tmp_path)
    assert cache.fingerprint({"n": value}) == cache.fingerprint({"n": value}) != cache.fingerprint({"n": 7})
    connector = Connector(name="s", role="source", image="x")
    known_specs.remember(cache, connector, {"maximum": value})
    assert exact(known_specs.remembered(cache, connector)) == exact({"maximum": value})


CONNECTOR = """#!%s
import json, pathlib, sys
spec = {"properties": {"n": {"type": "integer", "enum": [%s]}}}
if sys.argv[1] == "spec":
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": spec}}))
else:
    given = json.loads(pathlib.Path(sys.argv[3]).read_text())["n"]
    status = "SUCCEEDED" if given == %s else "FAILED"
    print(json.dumps({"type": "CONNECTION_STATUS", "connectionStatus": {"status": status}}))
"""


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """project(config, *words, **environ) -> code, stdout and stderr of a command in a project with such a source."""
    from tapdock.cli import main

    program = tmp_path / "connector"
    program.write_text(CONNECTOR % (sys.executable, BIG, BIG))
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    def ended(config: str, *words: str, **environ: str) -> tuple[int, str, str]:
        source = f"{{image: {program}, kind: airbyte, config: {config}}}"
        (tmp_path / "tapdock.yaml").write_text(f"version: 1\nsources:\n  s: {source}\n")
        for name, value in {"TAPDOCK_ENGINE": "local", **environ}.items():
            monkeypatch.setenv(name, value)
        code = main(words)
        return (code, *capsys.readouterr())

    return ended


def test_a_connector_is_given_every_digit(project):
    assert project(f"{{n: {BIG}}}", "check", "s")[0] == 0
    assert project("{n: '${N}'}", "check", "s", N=str(BIG))[0] == 0, "by its spec"
    assert project("{n: 5}", "check", "s", TAPDOCK_SOURCES__S__CONFIG__N=str(BIG))[0] == 0


def test_config_show_has_every_digit(project):
    config = f"{{n: {BIG}, ratio: 0.12345678901234568, whole: 5.0}}"
    code, out, _ = project(config, "config", "show", "s", "--json")
    shown = {row["path"]: row["value"] for row in json.loads(out)}
    assert (code, shown["sources.s.config.n"], shown["sources.s.config.ratio"]) == (0, BIG, 0.12345678901234568)
    rows = {line.split()[0]: line.split()[1] for line in project(config, "config", "show", "s")[1].splitlines()}
    assert rows["sources.s.config.n"] == str(BIG)
    assert rows["sources.s.config.ratio"] == "0.12345678901234568"
    assert rows["sources.s.config.whole"] == "5"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1.0e999", "is larger than any number"),
        ("-1.0e999", "is larger than any number"),
        ("0x" + "F" * 5000, "has more than 4300 digits"),
        ('"\\uD800"', "is not Unicode text"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_line(text, problem):
    with pytest.raises(UsageError, match=r"^tapdock\.yaml:2: ") as told:
        document.parse(f"a: 1\nb: {text}", "tapdock.yaml")
    assert problem in told.value.message
    assert len(told.value.message) < 250


def test_a_key_that_is_not_text_is_refused():
    with pytest.raises(UsageError, match=r"^f:1: a key is not Unicode text"):
        document.parse('"\\uD800": 1', "f")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999", "", "x", "9" * 5000])
def test_what_is_no_number_stays_text(project, text):
    with pytest.raises(ValueError, match=r".+"):
        number(text)
    for types in ("number", ["integer", "null"]):
        spec = {"properties": {"n": {"type": types}}}
        config = coerce(Config({"n": Secret(text)}), spec)
        assert config == {"n": text}
        assert violations(config, spec)
    code, _, err = project("{n: 5}", "check", "s", TAPDOCK_SOURCES__S__CONFIG__N=text)
    assert (code, "`n` is text, not integer" in err) == (2, True)


@pytest.mark.parametrize("text", ["[NaN]", "[1e999]", '["\\ud800"]', "[" * 100_000, '{"a": -Infinity}', "["])
def test_json_that_only_python_reads_is_none(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)
    assert coerce(Config({"n": Secret(text)}), {"properties": {"n": {"type": ["array", "object"]}}}) == {"n": text}


@pytest.mark.parametrize("variable", ["N", "TAPDOCK_SOURCES__S__CONFIG__N"])
def test_a_variable_that_is_not_text_is_named(tmp_path, variable):
    (tmp_path / "tapdock.yaml").write_text("version: 1\nsources: {s: {image: x, config: {n: '${N:-1}'}}}\n")
    with pytest.raises(UsageError, match=f"variable `{variable}`,? (which )?is not Unicode text"):
        load(tmp_path / "tapdock.yaml", environment=None, environ={variable: "a\udcff"})


def test_what_a_wrapped_connector_renews_keeps_the_digits_of_the_rest(tmp_path):
    file, own = tmp_path / "given.json", tmp_path / "config.json"
    for around in ("%s", '{"airbyte_config":%s,"other":1.50}'):
        file.write_text(around % '{"n":1}')
        own.write_text(f'{{"n":{BIG},"ratio":0.1234567890123456789,"token":"new"}}')
        keep_rotated([str(file)], own, b"{}", None)
        assert file.read_text() == around % f'{{"n":{BIG},"ratio":0.1234567890123456789,"token":"new"}}'
        assert merged([str(file)])["n"] == BIG


@pytest.mark.parametrize("text", ['{"n": NaN}', '{"n": 1e999}', '{"n": "\\ud800"}', '{"n": ' * 100_000])
def test_a_wrapped_tap_is_given_no_config_that_is_not_json(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="is not JSON"):
        merged([str(tmp_path / "config.json")])


def test_a_manifest_may_have_keys_that_are_no_text(tmp_path):
    """For the connector's YAML parser, `on` is a boolean."""
    manifest = (
        "version: 6.1.0\ntype: DeclarativeSource\nspec:\n  connection_specification: {properties: {on: {}, 5: {}}}\n"
    )
    (tmp_path / "low.yaml").write_text(manifest)
    (tmp_path / "tapdock.yaml").write_text("version: 1\nsources: {low: {manifest: low.yaml}}\n")
    low = load(Path(tmp_path / "tapdock.yaml"), environment=None, environ={}).sources["low"]
    assert low.manifest.spec == {"properties": {"true": {}, "5": {}}}
    known_specs.remember(Cache(tmp_path), low, low.manifest.spec)


def test_what_is_written_is_fine():
    assert [flaw(value) for value in (BIG, 1e308, "ä", True, None, [])] == [None] * 6
