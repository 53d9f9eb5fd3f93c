"""Tests values of the project file that environment variables override."""

import pytest

from tapdock.connectors.settings import coerce
from tapdock.errors import UsageError
from tapdock.project.connector_values import Config
from tapdock.project.load import load

PROJECT = """\
version: 1
sources:
  s:
    image: x
    config: {hosts: [a, b], nested: [{port: 1, name: n}, [1, 2]], n: 5, apiKey: k}
    select: ["a.*"]
    env: {MY_VAR: x}
targets: {t: {image: y, mounts: ["./a:/a", {source: ./b, target: /b}]}}
"""


@pytest.fixture
def source(tmp_path):
    """source(NAME=value, …) -> the source, with variables whose names begin with `TAPDOCK_SOURCES__S__`."""

    def loaded(text=PROJECT, **variables):
        file = tmp_path / "tapdock.yaml"
        file.write_text(text)
        environ = {f"TAPDOCK_SOURCES__S__{name}": value for name, value in variables.items()}
        return load(file, environment=None, environ=environ).sources["s"]

    return loaded


@pytest.mark.parametrize(
    ("variables", "key", "value"),
    [
        ({"CONFIG__HOSTS__0": "z"}, "hosts", ["z", "b"]),
        ({"CONFIG__HOSTS__1": "z"}, "hosts", ["a", "z"]),
        ({"CONFIG__HOSTS__2": "z"}, "hosts", ["a", "b", "z"]),
        ({"CONFIG__HOSTS__2": "y", "CONFIG__HOSTS__3": "z"}, "hosts", ["a", "b", "y", "z"]),
        ({"CONFIG__HOSTS": '["q"]', "CONFIG__HOSTS__0": "z"}, "hosts", ["z"]),
        ({"CONFIG__NESTED__0__PORT": "7"}, "nested", [{"port": 7, "name": "n"}, [1, 2]]),
        ({"CONFIG__NESTED__1__0": "8"}, "nested", [{"port": 1, "name": "n"}, [8, 2]]),
        ({"CONFIG__NESTED__2__PORT": "7"}, "nested", [{"port": 1, "name": "n"}, [1, 2], {"port": "7"}]),
        ({"CONFIG__APIKEY": "z"}, "apiKey", "z"),
        ({"CONFIG__otherKey": "z"}, "otherKey", "z"),
        ({"CONFIG__OTHER": "z"}, "other", "z"),
        ({"CONFIG__N": "nan"}, "n", "nan"),
        ({"CONFIG__N": "inf"}, "n", "inf"),
        ({"CONFIG__N": "1e999"}, "n", "1e999"),
        ({"CONFIG__N": "[NaN]"}, "n", "[NaN]"),
        ({"CONFIG__N": '{"a": -Infinity}'}, "n", '{"a": -Infinity}'),
    ],
)
def test_a_variable_replaces_what_it_names(source, variables, key, value):
    assert coerce(source(**variables).config, {})[key] == value


@pytest.mark.parametrize("word", ["3", "X", "-1", "01x", "9" * 30])
def test_an_item_that_a_list_cannot_have_is_refused(source, word):
    with pytest.raises(UsageError, match=f"`TAPDOCK_SOURCES__S__CONFIG__HOSTS__{word}` names the item `{word}`") as no:
        source(**{f"CONFIG__HOSTS__{word}": "z"})
    assert no.value.hint == "write a number from 0 to 2, or the whole list as JSON"


def test_lists_of_tapdocks_own_keys_have_items_as_well(source, tmp_path):
    assert source(SELECT__0="b.*", SELECT__1="c.*").select == ("b.*", "c.*")
    environ = {"TAPDOCK_TARGETS__T__MOUNTS__1__TARGET": "/c", "TAPDOCK_TARGETS__T__MOUNTS__0": "./z:/z:ro"}
    mounts = load(tmp_path / "tapdock.yaml", environment=None, environ=environ).targets["t"].mounts
    assert [(mount.source, mount.target) for mount in mounts] == [
        (f"{tmp_path}/z", "/z"),
        (f"{tmp_path}/b", "/c"),
    ]


def test_names_of_variables_keep_their_letters(source):
    connector = source(ENV__HTTP_PROXY="p", ENV__MY_VAR="y")
    assert coerce(Config(connector.env), {}) == {"MY_VAR": "y", "HTTP_PROXY": "p"}


@pytest.mark.parametrize("name", ["MY-VAR", "a b", "1A", "A.B", "é"])
def test_what_a_shell_cannot_export_is_refused_as_a_variable(source, name):
    with pytest.raises(UsageError, match="is not the name of a variable"):
        source(PROJECT.replace("MY_VAR", name))
    with pytest.raises(UsageError, match="is not the name of a variable"):
        source(PROJECT.replace("env: {MY_VAR: x}", "env: {}"), **{f"ENV__{name}": "x"})


@pytest.mark.parametrize("value", ["!!float .inf", "!!float .nan", "!!float -.inf", "1.0e999"])
def test_a_number_that_json_does_not_have_is_refused(source, value):
    with pytest.raises(UsageError, match=r"^tapdock\.yaml:5: "):
        source(PROJECT.replace("n: 5", f"n: {value}"))


EXTENDED = """\
version: 1
sources:
  eu:
    image: x
    build: {singer: tap-x, python: "3.11"}
    config: {apiKey: abc12345, tables: [a, b], count: 5, zone: {a: 1}}
    select: [users.*, "!users.ssn"]
    streams: {users: {cursor_field: [a]}, orders: {cursor_field: [b]}}
  s: {extends: eu, config: {zone: {b: 2}}}
"""


def test_what_a_connector_inherits_is_changed_as_its_own(source):
    changed = source(
        EXTENDED, CONFIG__APIKEY="NEWKEY99", CONFIG__TABLES__1="zz", CONFIG__COUNT="7", CONFIG__ZONE__A="3"
    )
    expected = {"apiKey": "NEWKEY99", "tables": ["a", "zz"], "count": 7, "zone": {"a": 3, "b": 2}}
    assert coerce(changed.config, {}) == expected
    plain = source(EXTENDED)
    changed = source(EXTENDED, SELECT__0="orders.*", STREAMS__USERS__CURSOR_FIELD='["c"]', BUILD__PYTHON="3.12")
    assert changed.select == ("orders.*", "!users.ssn")
    assert changed.streams["orders"] == plain.streams["orders"]
    assert changed.streams["users"] != plain.streams["users"]
    assert (changed.image, changed.build.package, changed.build.python) == ("x", "tap-x", "3.12")


def test_what_a_variable_lets_a_connector_extend_is_inherited_as_well(source):
    text = EXTENDED.replace("extends: eu, ", "image: y, ")
    assert coerce(source(text, CONFIG__TABLES__0="q", EXTENDS="eu").config, {})["tables"] == ["q", "b"]


def test_maps_of_a_connector_do_not_replace_those_that_it_inherits(source):
    """A rule that protects people holds for a source that adds a map of its own."""
    base = EXTENDED.replace(
        "    select:", '    maps: {"*.email": hash, users: {__filter__: id > 1, name: null}}\n    select:'
    )
    assert source(base).maps == {"*.email": "hash", "users": {"__filter__": "id > 1", "name": None}}
    own = base.replace("{extends: eu,", "{extends: eu, maps: {users: {name: id, big: null}, orders: null},")
    expected = {"*.email": "hash", "users": {"__filter__": "id > 1", "name": "id", "big": None}, "orders": None}
    assert source(own).maps == expected
    assert source(base.replace("{extends: eu,", "{extends: eu, maps: null,")).maps == {}
