"""Tests which changes of a connector in its own config are kept."""

import json
from pathlib import Path

import pytest

from tapdock.connectors.rotation_rules import Rules, allowed, described, name_of, parsed, program
from tapdock.errors import UsageError
from tapdock.project.connector_values import Manifest
from tapdock.project.load import load
from tapdock.project.model import Build, Connector
from tapdock.project.secret import Secret

TOKEN = {"type": "string", "airbyte_secret": True}
SPEC = {
    "properties": {
        "start_date": {"type": "string"},
        "count": {"type": "integer"},
        "host": {"type": "string"},
        "session": TOKEN,
        "webhook": TOKEN,
        "credentials": {
            "oneOf": [
                {
                    "properties": {
                        "kind": {"const": "oauth"},
                        "refresh_token": TOKEN,
                        "access_token": TOKEN,
                        "token_expiry_date": {"type": "string"},
                    }
                },
                {"properties": {"kind": {"const": "key"}, "code": TOKEN}},
            ]
        },
    }
}
USER = {
    "start_date": "2020-01-01",
    "count": 5,
    "session": "abc",
    "credentials": {"kind": "oauth", "refresh_token": "r"},
}
EXPIRY = "/credentials/token_expiry_date"
ACCESS = "/credentials/access_token"
REFRESH = "/credentials/refresh_token"


def kept(*pointers, user=USER, spec=SPEC, rotate="secrets", value="new"):
    rules = Rules(rotate=rotate, schema=spec or {})
    return allowed(dict.fromkeys(pointers, value), user, rules)


@pytest.mark.parametrize("pointer", [REFRESH, ACCESS, "/session"])
def test_secrets_of_the_spec_are_kept(pointer):
    assert kept(pointer) == {pointer}


@pytest.mark.parametrize(
    "pointer", ["/token", "/access_token", "/apiKey", "/password", "/server_token", "/key_id", "/oauth_token_secret"]
)
def test_without_a_spec_names_show_which_values_are_secret(pointer):
    assert kept(pointer, user={}, spec=None) == {pointer}


@pytest.mark.parametrize(
    "pointer",
    [
        *("/batch_config", "/state", "/stream_maps", "/stream_map_config", "/flattening_enabled"),
        *("/start_date", "/host", "/count", "/url", "/streams", "/load_method", "/end_date", "/created_after"),
        *("/token_url", "/auth/token", "/token_endpoint", "/secret_host", "/private_key_path", "/secret_name"),
        *("/connection_string", "/conn_str", "/dsn", "/password_file", "/key", "/tokens"),
    ],
)
@pytest.mark.parametrize("spec", [SPEC, None])
def test_nothing_else_is_kept_by_default(pointer, spec):
    value = {"/auth/token": "https://evil/token", "/key": ["a"], "/tokens": {"token": "x"}}.get(pointer, "new")
    user = {"auth": {}, "token_url": "https://a", "host": "a", "key": ["b"], **USER}
    assert kept(pointer, "/session", user=user, spec=spec, value=value) <= {"/session"}


def test_a_setting_that_neither_the_user_nor_the_spec_has_is_not_added():
    assert kept("/other_token") == set()
    assert kept("/other_token", user={**USER, "other_token": "mine"}) == {"/other_token"}


def test_a_secret_of_the_spec_that_is_an_address_is_not_kept():
    assert kept("/webhook", user={**USER, "webhook": "https://a"}, value="https://evil") == set()


@pytest.mark.parametrize("name", ["expires", "expires_in", "expires_at", "tokenExpiryDate", "created_at", "issued_at"])
def test_a_token_takes_its_expiry_along(name):
    assert kept("/token", f"/{name}", user={}, spec=None) == {"/token", f"/{name}"}
    assert kept(f"/{name}", user={}, spec=None) == set(), "alone it says nothing"
    assert kept("/token", f"/auth/{name}", user={"auth": {}}, spec=None) == {"/token"}, "it is another object's"


def test_an_expiry_does_not_outlive_a_token_that_is_not_kept():
    assert kept(REFRESH, ACCESS, EXPIRY) == {REFRESH, ACCESS, EXPIRY}
    unknown = "/credentials/another_token"
    assert kept(REFRESH, unknown, EXPIRY) == {REFRESH}


def test_all_and_none():
    pointers = ("/start_date", "/host", "/other", REFRESH)
    assert kept(*pointers, rotate="all") == set(pointers)
    assert kept(*pointers, rotate="none") == set()


@pytest.mark.parametrize("rotate", ["all", "secrets", "none"])
@pytest.mark.parametrize("pointer", ["/batch_config", "/batch_config/token", "/__injected_declarative_manifest"])
@pytest.mark.parametrize("spec", [SPEC, None, {"properties": {"batch_config": TOKEN}}])
def test_only_the_users_own_config_switches_on_what_tapdock_acts_on(rotate, pointer, spec):
    assert kept(pointer, rotate=rotate, spec=spec, user={"batch_config": {"token": "mine"}}) == set()


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        *(("1e400", False), ("-1e400", False), ("1e-400", False), ("12345678901234567890.123", False)),
        *(("123456789012345678901234", True), ("18446744073709551616", True), ("-9223372036854775809", True)),
        *(("9" * 5000, False), ("1e-99999999999999999999", False), ("0." + "1" * 5000, False)),
        *(("NaN", False), ("Infinity", False), ("-Infinity", False), ('"\\ud800"', False), ('{"\\udfff": 1}', False)),
        *(("[1, [1e400]]", False), ('{"a": NaN}', False)),
        *(("18446744073709551615", True), ("-9223372036854775808", True), ("0.1", True), ("1.10", True)),
        *(("1E5", True), ("-0", True), ("-0.0", True), ("1e22", True), ('"\\ud83d\\ude00"', True)),
        *(('{"__proto__": 1}', True), ('"1e400"', True)),
    ],
)
def test_what_would_come_back_as_something_else_is_not_kept(written, exact):
    config = parsed(f'{{"x": {written}}}')
    assert (allowed({"/x": config["x"]}, {}, Rules(rotate="all")) == {"/x"}) == exact
    if exact:
        assert json.loads(json.dumps(config["x"])) == json.loads(written)


def test_a_name_that_cannot_be_written_is_not_kept():
    (name,) = parsed('{"\\ud800": 1}')
    assert allowed({f"/{name}": 1}, {}, Rules(rotate="all")) == set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 1_000_000, "nested more than 100 levels"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested more than 100 levels"),
        ('{"a": "' + "x" * (1 << 20) + '"}', "more than 1,048,576 bytes"),
        ('{"a": 1', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ("", "is not JSON"),
    ],
    ids=["open", "deep", "long", "torn", "list", "text", "empty"],
)
def test_what_is_no_config(text, reason):
    with pytest.raises(ValueError, match=reason):
        parsed(text)


def test_brackets_in_text_are_no_depth():
    text = json.dumps({"a": '[{"\\' * 500, "b": {"c": "\n"}})
    assert parsed(text) == json.loads(text)


@pytest.mark.parametrize(("said", "found"), [("", "secrets"), ("rotate: none", "none"), ("rotate: all", "all")])
def test_the_project_file_says_what_is_kept(tmp_path, said, found):
    file = tmp_path / "tapdock.yaml"
    file.write_text(f"version: 1\nsources: {{a: {{image: x, {said}}}, b: {{image: x}}}}\ndefaults: {{{said}}}\n")
    project = load(file, environment=None, environ={})
    assert [source.rotate for source in project.sources.values()] == [found, found]
    file.write_text("version: 1\nsources: {a: {image: x, rotate: secret}}\n")
    with pytest.raises(UsageError, match=r"`sources\.a\.rotate` is `secret`") as told:
        load(file, environment=None, environ={})
    assert told.value.hint == "did you mean `secrets`?"


def connector(image="x", **changes) -> Connector:
    return Connector(name="shop", role="source", image=image, **changes)


def built(package, **changes) -> Connector:
    return connector(build=Build(family="singer", package=package), **changes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (connector("airbyte/source-x:1.0"), connector("docker.io/airbyte/source-x:2.0")),
        (connector("host:5000/a/x:1"), connector("host:5000/a/x@sha256:" + "0" * 64)),
        (connector("x"), connector("x:latest")),
        (built("tap-x==1.0"), built("tap_x==2.0 requests<3")),
        (built("tap-x[s3]>=1"), built("Tap-X")),
        (built("git+https://h/tap-x@v1"), built("git+https://h/tap-x@v2")),
    ],
)
def test_another_version_is_the_same_program(one, other):
    assert program(one) == program(other)


def test_another_program_is_another():
    manifests = [built("p", manifest=Manifest(file=Path(name), content=b"{}")) for name in ("a.yaml", "b.yaml")]
    found = [
        *map(connector, ("x", "y/x", "evil.example/y/x", "y/x2", "host:5000/x", "host:6000/x")),
        *(built("tap-x"), built("tap-y"), connector(build=Build(family="airbyte-python", package="tap-x"))),
        *manifests,
        connector(manifest=manifests[0].manifest),
    ]
    assert len({program(each) for each in found}) == len(found)


def test_the_label_of_an_image_says_nothing_of_whose_tokens_it_gets():
    """Only the project file defines the program of a connector: `program` does not read the image."""
    assert program(connector("evil/x")) == "image evil/x"


def test_secrets_are_not_shown_and_neither_is_text_that_may_be_one():
    values = {
        "/session": "s3cret",
        ACCESS: "s3cret",
        "/unknown": "s3cret",
        "/host": "other\n::error::x",
        "/count": 7,
        "/list": ["s3cret"],
        "/inner": {"a": "s3cret"},
        "/on": True,
        "/pin": 1234,
    }
    shown = described(values, USER, Rules(rotate="all", schema=SPEC), written={"pin": Secret("4321")})
    assert shown == [
        "/session = [secret]",
        f"{ACCESS} = [secret]",
        "/unknown = [text]",
        '/host = "other\\n::error::x"',
        "/count = 7",
        "/list = [list]",
        "/inner = [object]",
        "/on = true",
        "/pin = [secret]",
    ]


def test_a_name_is_harmless_in_a_message():
    assert name_of("/a\x1b[31mb\n::error::c\ud800" + "d" * 1000).startswith("/ab\\n: :error::c")
    assert len(name_of("/" + "d" * 1000)) == 100
