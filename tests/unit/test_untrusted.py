"""Tests that nothing that a connector, an environment or a file contains is reported as a bug of tapdock.

Whatever is wrong in it, the functions that read it raise a TapdockError or nothing.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from support.damaged import NONSENSE, damaged
from tapdock.cli.spec_rows import spec_rows
from tapdock.connectors import masking, rotation_rules, settings
from tapdock.connectors.selection import select_streams
from tapdock.connectors.spec_checks import cleaned, flaw
from tapdock.errors import TapdockError, UsageError
from tapdock.project import meltano
from tapdock.project.connector_values import Config
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import selected_catalog, singer_streams
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog

pytestmark = pytest.mark.long

NAMES = ("", 'a"b', "\x00", "\ud800", "<<")
WRITABLE = tuple(value for value in NONSENSE if value not in (10**400, "\ud800"))
"""What JSON can contain."""
SPEC = {
    "type": "object",
    "required": ["count"],
    "additionalProperties": False,
    "definitions": {"d": {"type": "integer"}},
    "properties": {
        "count": {"type": "integer", "minimum": 1, "multipleOf": 1},
        "names": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        "ref": {"$ref": "#/definitions/d"},
        "since": {"type": "string", "pattern": "^a", "description": "d", "airbyte_secret": True},
        "login": {"oneOf": [{"properties": {"auth": {"const": "o"}, "e": {"type": "integer"}}}, {"required": ["k"]}]},
        "all": {"allOf": [{"properties": {"z": {"type": "integer"}}}], "additionalProperties": {"type": "integer"}},
    },
}
GIVEN = {"count": Secret("5"), "names": [Secret("a")], "ref": Secret("7"), "login": {"auth": "o", "e": Secret("4")}}
GIVEN |= {"since": Secret("b"), "all": {"z": Secret("1"), "y": Secret("2")}, "more": Secret("[1]")}
PLAIN = {"count": 0, "names": ["z"], "ref": "q", "since": "b", "login": {"auth": "x"}, "all": {"z": "1"}, "more": 1}
CIRCLES = (
    {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"anyOf": [{"$ref": "#"}]},
    {"oneOf": [{"$ref": "#"}]},
    {"properties": {"count": {"anyOf": [{"$ref": "#/properties/ref"}]}, "ref": {"$ref": "#/properties/count"}}},
    {"properties": {"login": {"oneOf": [{"$ref": "#/properties/login"}]}}},
    {"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}},
)  # fmt: skip


def read_spec(schema: Any) -> None:
    if flaw(schema) or not isinstance(schema, dict):
        return  # refused
    schema = cleaned(schema)
    settings.coerce(Config(GIVEN), schema)
    settings.violations(PLAIN, schema)
    masking.masked(GIVEN, schema)
    spec_rows(schema)
    rules = rotation_rules.Rules(schema=schema, program="x")
    rotation_rules.allowed({"/since": "x", "/count": 1}, {"since": "y"}, rules)


def test_a_spec_can_be_wrong_anywhere():
    for schema in (*damaged(SPEC, values=WRITABLE, names=NAMES[:3]), *CIRCLES):
        read_spec(schema)


def test_a_cleaned_spec_still_checks_what_is_right_in_it():
    wrong = {"required": True, "properties": {"n": {"type": "integer", "required": True, "minimum": "x"}, "m": None}}
    schema = cleaned(wrong)
    assert schema == {"properties": {"n": {"type": "integer"}, "m": {}}}
    assert settings.violations({"n": "x", "m": 1}, schema) == ["`n` is text, not integer"]
    assert settings.coerce(Config({"n": Secret("5")}), schema) == {"n": 5}
    choices = {"properties": {"a": {"anyOf": ["null", {"type": "string"}]}}}
    assert settings.violations({"a": None}, cleaned(choices)) == []
    assert settings.violations({"a": 5}, cleaned(choices)) == ["`a` matches none of its 2 forms (null or string)"]
    assert cleaned(SPEC) == SPEC


def test_a_missing_setting_is_named_whatever_its_name_is():
    for name in ('a"b', "a'b", "a`b", "a\nb", ""):
        schema = {"required": [name, "other"], "properties": {name: {}, "other": {}}}
        assert len(settings.violations({}, schema)) == 2


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": ["null", "integer"]},
        "b": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "c": {"type": "array", "items": {"type": "object", "properties": {"z": {"$ref": "#/definitions/d"}}}},
    },
    "definitions": {"d": {"type": "number"}},
}
AIRBYTE_STREAM = {
    "name": "s",
    "namespace": "n",
    "json_schema": SCHEMA,
    "supported_sync_modes": ["full_refresh", "incremental"],
    "default_cursor_field": ["a"],
    "source_defined_primary_key": [["a"]],
}
ROOT = {"schema-name": "n", "table-key-properties": ["a"], "valid-replication-keys": ["a"], "replication-key": "a"}
SINGER_STREAM = {
    "tap_stream_id": "n-s",
    "stream": "s",
    "schema": SCHEMA,
    "key_properties": ["a"],
    "replication_key": "a",
    "metadata": [
        {"breadcrumb": [], "metadata": {**ROOT, "forced-replication-method": "INCREMENTAL"}},
        {"breadcrumb": ["properties", "a"], "metadata": {"inclusion": "automatic"}},
    ],
}


def read_catalog(content: bytes, kind: str) -> None:
    streams = parse_catalog(content) if kind == "airbyte" else singer_streams(content, namespaced=True)
    chosen = select_streams(streams, ("*.*",), {})
    if kind == "airbyte":
        configured_catalog(chosen)
        selected_streams(msgspec.json.encode(singer_catalog(streams)))
    else:
        selected_catalog(streams, chosen, legacy=True)
    for name, route in ROUTES.items():
        if name.startswith(kind):
            options = TranslateOptions(validate_records=True)
            route(streams=chosen, saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=options)


@pytest.mark.parametrize(("kind", "stream"), [("airbyte", AIRBYTE_STREAM), ("singer", SINGER_STREAM)])
def test_a_catalog_can_be_wrong_anywhere(kind, stream):
    read_catalog(json.dumps({"streams": [stream]}).encode(), kind)
    for catalog in damaged({"streams": [stream]}, values=WRITABLE, names=NAMES[:3]):
        with suppress(TapdockError):
            read_catalog(msgspec.json.encode(catalog), kind)


def test_a_key_that_is_not_a_list_of_names_is_refused():
    for member, value in (("table-key-properties", "id"), ("table-key-properties", [1]), ("replication-key", ["a"])):
        metadata = [{"breadcrumb": [], "metadata": {member: value}}]
        catalog = {"streams": [{"stream": "s", "metadata": metadata}]}
        with pytest.raises(TapdockError, match=f"`{member}` of"):
            singer_streams(json.dumps(catalog).encode())


def test_names_that_json_escapes_are_checked_as_well():
    from tapdock.translate.schemas.validate import checker

    for name in ('a"b', "a\\b", "a\nb"):
        check = checker({"properties": {name: {"type": "integer"}, "c": {"type": "string"}}})
        assert check
        assert check(json.dumps({name: 1, "c": "x"}).encode()) is None
        assert check(json.dumps({"c": "x"}).encode()) is None
        assert "Expected `int" in str(check(json.dumps({name: "x"}).encode()))
        assert "Expected `str" in str(check(json.dumps({name: 1, "c": 5}).encode()))


PROJECT: dict[str, Any] = {
    "version": 1,
    "state_backend": {"uri": "state"},
    "defaults": {"memory": "512m", "env": {"A": "b"}, "cpus": 1, "pids": 5, "idle_timeout": "5m"},
    "sources": {
        "s": {
            "image": "x",
            "config": {"a": 1, "n": {"b": [1]}},
            "select": ["a.*"],
            "streams": {"u": {"sync_mode": "incremental", "primary_key": ["a", ["b", "c"]], "flatten_keys": True}},
            "command": "b c",
            "max_line": "8m",
        },
        "q": {"build": {"singer": "tap-x==1", "executable": "tap-x"}, "catalog": "c.json"},
    },
    "targets": {"t": {"image": "y", "mounts": ["./data:/data:ro", {"source": "./a", "target": "/a"}]}},
    "pipelines": {"p": {"source": "s", "target": "t", "retries": 1, "prefix": "p"}},
    "environments": {"prod": {"sources": {"s": {"config": {"a": 2}}}}},
}
MISTAKES = (None, True, 2**64, 10**400, 1e308, "", "a\0", "9" * 5000, [None], {"": None})


def loaded(folder: Path, content: str | bytes, environ: dict[str, str] | None = None) -> Project | None:
    """Load a project file. Return None if it is refused."""
    (folder / "c.json").write_text('{"streams": []}')
    file = folder / "tapdock.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        return load(file, environment=None, environ=environ or {})
    except UsageError:
        return None


def test_a_project_file_can_be_wrong_anywhere(tmp_path):
    assert loaded(tmp_path, json.dumps(PROJECT))
    for document in damaged(PROJECT, values=MISTAKES, names=NAMES):
        loaded(tmp_path, json.dumps(document))


@pytest.mark.parametrize("place", ["config: {a: %s}", "config: {%s: a}", "image: %s", "%s: a", "%s"])
def test_yaml_that_only_some_readers_understand(tmp_path, place):
    values = ["!!binary aGk=", "!!binary '*'", "!!timestamp 2024-01-01", "!!timestamp x", "!!set {a}", "!!omap [a: 1]"]
    values += ["!!python/object:os.system x", "!!int x", "!!int ''", "!!int '-'", "!!int [1]", "!!int 1:9999999"]
    values += ["!!float x", "!!float '_'", "!!bool x", "!!null x", "!foo bar", "!!map [a]", "!!seq {a: 1}", "!!str [a]"]
    values += [
        "&a [*a]",
        "*b",
        "!!merge x",
        "<<",
        "!!value x",
        "=",
        "@a",
        "%a",
        "\x00",
        "\x85",
        "0x",
        "0x" + "f" * 9000,
    ]
    values += ["9" * 5000, "1.0e999", ".inf", "[" * 5000, "{" * 5000]
    for value in values:
        loaded(tmp_path, f"version: 1\nsources:\n  s:\n    image: x\n    {place % value}\n")


@pytest.mark.parametrize("tag", ["!!binary aGk=", "!!timestamp 2024-01-01", "!!set {a}", "!!omap [a: 1]"])
def test_a_value_with_another_tag_is_refused_with_its_line(tmp_path, tag):
    file = tmp_path / "tapdock.yaml"
    file.write_text(f"version: 1\nsources: {{s: {{image: x, config: {{\n  a: {tag}}}}}}}\n")
    with pytest.raises(UsageError, match=r"^tapdock\.yaml:3: .*`!"):
        load(file, environment=None, environ={})


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, each in inner for path in paths(each, (*at, str(key))))]


def test_a_variable_of_the_environment_can_be_anything(tmp_path):
    named = ["TAPDOCK_" + "__".join(path).upper() for path in paths(PROJECT) if path]
    named += ["TAPDOCK_SOURCES__S__CONFIG__\udcff", "TAPDOCK_SOURCES__", "TAPDOCK___", "TAPDOCK_\udcff__X"]
    values = ["", "\udcff", "[", '{"a": 1e999}', "[1,\udcff]", "9" * 5000, "nan", "[" * 100_000, "9" * 400 + "g"]
    for name in named:
        for value in values:
            loaded(tmp_path, json.dumps(PROJECT), {name: value})


def test_a_reference_can_have_any_value(tmp_path):
    source = {"image": "${I}", "config": {"a": "${A}"}, "mounts": ["${M}:/x"], "env": {"E": "${A}"}}
    pipeline = {"source": "s", "target": "t", "retries": "${R}"}
    text = json.dumps({**PROJECT, "sources": {"s": source}, "pipelines": {"p": pipeline}})
    usual = {"I": "x", "A": "a", "M": "./m", "R": "1"}
    assert loaded(tmp_path, text, usual)
    for name in (*usual, "A_FILE", "TAPDOCK_HOME"):
        for value in ("", "\udcff", "\0", "[", "9" * 5000, "a\nb", "nan"):
            environ = {**usual, name: value}
            loaded(tmp_path, text, {key: value for key, value in environ.items() if key != name.removesuffix("_FILE")})
            loaded(tmp_path, text, environ)


def test_an_empty_state_backend_is_the_default(tmp_path):
    for written in (None, {}, {"uri": None}):
        text = json.dumps({**PROJECT, "state_backend": written})
        for environ, wanted in (({}, ".tapdock/state"), ({"TAPDOCK_HOME": "/h"}, "/h/state")):
            project = loaded(tmp_path, text, environ)
            assert project
            assert project.state_uri == wanted


MELTANO: dict[str, Any] = {
    "include_paths": ["./x/*.yml"],
    "plugins": {
        "extractors": [
            {
                "name": "tap-x",
                "pip_url": "tap-x==1",
                "config": {"a": "$X", "b.c": 1},
                "select": ["a.*"],
                "env": {"A": "b"},
                "settings": [{"name": "k", "kind": "password"}],
            },
            {"name": "tap-air", "inherit_from": "tap-x", "config": {"airbyte_spec": {"image": "x", "tag": 1.5}}},
        ],
        "loaders": [{"name": "target-z", "pip_url": "target-z"}],
        "utilities": [{"name": "dbt"}],
    },
    "jobs": [{"name": "j", "tasks": ["tap-x target-z", ["tap-x", "target-z"]]}],
    "schedules": [{"name": "s", "interval": "@daily", "extractor": "tap-x", "loader": "target-z"}],
    "environments": [
        {"name": "d", "config": {"plugins": {"extractors": [{"name": "tap-x", "config": {"a": 2}}]}}, "env": {"A": "b"}}
    ],
    "env": {"A": "1"},
    "state_backend": {"uri": "s3://x"},
}
LOCK = {"name": "tap-x", "pip_url": "x", "executable": "e", "settings": [{"name": "k", "sensitive": True}]}


@pytest.mark.slow
def test_a_meltano_project_can_be_wrong_anywhere(tmp_path):
    file = tmp_path / "meltano.yml"
    lock = tmp_path / "plugins" / "extractors" / "tap-x--v.lock"
    lock.parent.mkdir(parents=True)
    values = (None, True, "", "x", "/", "\ud800", "a\0", [None], ["x", 5], [[]], {"": None}, {"x": [5]})
    for which, whole in ((file, MELTANO), (lock, LOCK)):
        lock.write_text(json.dumps(LOCK))
        file.write_text(json.dumps(MELTANO))
        for document in damaged(whole, values=values, names=("", "\ud800")):
            which.write_text(json.dumps(document))
            with suppress(UsageError):
                meltano.permissions(file)
                yaml.safe_dump(meltano.read(file).project).encode()


def test_bytes_that_are_not_text(tmp_path):
    for content in (b"\xff\xfe", b"\x00", b"version: 1\n\xff", b"[" * 100_000, b"- " * 100_000, os.urandom(200)):
        assert loaded(tmp_path, content) is None
