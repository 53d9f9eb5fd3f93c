"""Tests damaged states: each command either works or names a command that works."""

import json
import re

import pytest

from tapdock.state.backends.base import Backend, Stored
from tapdock.state.envelope import Envelope, decode, encode

pytestmark = pytest.mark.long

KEY = "default:faker-to-lake"
STATE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":1}}}]'
OTHER = STATE.replace("users", "orders")


def saved(backend: Backend, text: str | None, **changes: object) -> bytes:
    """Save a state, as after a run."""
    values = {"key": KEY, "dialect": "airbyte", "state": text, "run_id": "r", "fence": 7, "nonce": "n", "saved_at": ""}
    return put(backend, KEY, encode(Envelope(**{**values, **changes})))


def put(backend: Backend, key: str, body: bytes) -> bytes:
    stored = backend.get(key)
    backend.put(key, body, expected=stored and stored.version)
    return body


def kept(backend: Backend) -> Envelope:
    stored = backend.get(KEY)
    assert isinstance(stored, Stored)
    return decode(stored.body, place="", key=KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"version":2}',
        b"[" * 100_000,
        encode(Envelope(key="a", run_id="", fence=1, nonce="", saved_at="")),
    ],
    ids=["torn", "text", "newer", "deep", "another"],
)
def test_a_damaged_state_is_replaced_by_set_and_stays_as_a_version(tapdock, backend, body):
    put(backend, KEY, body)
    ended = tapdock("state", "set", "demo", stdin=STATE)
    assert (ended.returncode, ended.stderr) == (0, f"state {KEY} is set (airbyte)\n")
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert backend.get(f"history/{KEY}/00000001").body == body


def test_set_keeps_what_belongs_to_the_target(tapdock, backend):
    saved(backend, STATE, generations={"users": 5}, names={"users": "people"})
    assert tapdock("state", "set", "demo", stdin=OTHER).returncode == 0
    assert kept(backend).state == OTHER
    assert (kept(backend).generations, kept(backend).names) == ({"users": 5}, {"users": "people"})
    assert kept(backend).fence == 8
    assert "users 5" in tapdock("state", "show", "demo").stdout


def test_the_hint_of_two_states_that_were_exchanged_is_a_command_that_works(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    tapdock("state", "set", "prod:faker-to-lake", stdin=OTHER)
    demo, prod = backend.get(KEY).body, backend.get("prod:faker-to-lake").body
    put(backend, KEY, prod)
    put(backend, "prod:faker-to-lake", demo)
    ended = tapdock("state", "get", "demo")
    assert ended.returncode == 6
    copy, _ = re.findall(r"`tapdock (state (?:copy|clear)[^`]+)`", ended.stderr)
    assert tapdock(*copy.split()).returncode == 0
    assert tapdock("state", "get", "demo").stdout == OTHER + "\n"


def test_the_hint_works_where_the_original_is_damaged(tapdock, backend):
    tapdock("state", "set", "prod:faker-to-lake", stdin=OTHER)
    put(backend, KEY, backend.get("prod:faker-to-lake").body)
    put(backend, "prod:faker-to-lake", b"{")
    copy, _ = re.findall(r"`tapdock (state (?:copy|clear)[^`]+)`", tapdock("state", "get", "demo").stderr)
    assert tapdock(*copy.split()).returncode == 0
    assert tapdock("state", "get", "demo").stdout == OTHER + "\n"


def test_no_version_is_offered_that_cannot_be_read(tapdock, backend):
    put(backend, KEY, b"{")
    put(backend, f"history/{KEY}/00000001", b"{")
    assert "rollback" not in tapdock("state", "get", "demo").stderr
    ended = tapdock("state", "rollback", "demo", "--yes")
    assert (ended.returncode, "no readable previous version" in ended.stderr) == (2, True)
    put(backend, f"history/{KEY}/00000002", saved(backend, STATE))
    put(backend, f"history/{KEY}/00000003", b"{")
    put(backend, KEY, b"{")
    assert "rollback" in tapdock("state", "get", "demo").stderr
    assert tapdock("state", "rollback", "demo", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"


LONE = "\\ud800"
DEEP = '{"a":' * 100_000
UNREADABLE = [
    STATE.replace("users", LONE),
    STATE.replace("1", f'"{LONE}"'),
    f'[{{"type":"STREAM","{LONE}":1}}]',
    '[{"type":"GLOBAL","global":{"stream_states":5}}]',
    "[3]",
    "[",
    f"[{DEEP}",
]


@pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_state_text_that_cannot_be_read_is_reported(tapdock, backend, text):
    saved(backend, text)
    tapdock("state", "set", "x-to-y", "--any-name", stdin=OTHER)
    listed = tapdock("state", "list", "--json")
    assert listed.returncode == 0
    assert [each["key"] for each in json.loads(listed.stdout)] == ["default:x-to-y"]
    assert f"error: state `{KEY}`: the saved state cannot be read: " in listed.stderr
    assert "default:x-to-y" in tapdock("state", "list").stdout
    for words in (("show", "demo"), ("show", "demo", "--json"), ("clear", "demo", "--stream", "users", "--yes")):
        ended = tapdock("state", *words)
        assert (ended.returncode, "`tapdock state set` replaces it" in ended.stderr) == (6, True), words
    assert tapdock("state", "get", "demo").stdout == text + "\n"
    assert tapdock("state", "clear", "demo", "--yes").returncode == 0


@pytest.mark.parametrize("text", [STATE.replace("1", f'"{LONE}"'), "[", f"[{DEEP}"], ids=["surrogate", "torn", "deep"])
def test_what_cannot_be_read_is_not_exported(tapdock, backend, text):
    saved(backend, text)
    ended = tapdock("state", "export", "demo", "--format", "meltano")
    assert (ended.returncode, "the saved state cannot be read" in ended.stderr) == (6, True)


@pytest.mark.parametrize("words", [("set", "demo"), ("import", "-", "demo", "--format", "airbyte")])
def test_half_of_a_surrogate_pair_is_refused_with_its_reason(tapdock, words):
    ended = tapdock("state", *words, stdin=STATE.replace("1", f'"{LONE}"'))
    assert ended.returncode == 2
    assert "one half of a surrogate pair" in ended.stderr


NULLS = [
    '[{"type":"GLOBAL","global":{"shared_state":{"n":1},"stream_states":null}}]',
    '[{"type":"GLOBAL","stream":null,"global":{"shared_state":null,"stream_states":null},"data":null}]',
    '[{"type":null,"data":{"n":1}}]',
    '[{"type":"LEGACY","data":null,"global":null,"stream":null}]',
]


@pytest.mark.parametrize("text", NULLS)
def test_null_is_the_same_as_nothing(tapdock, text):
    assert tapdock("state", "set", "demo", stdin=text).returncode == 0
    (listed,) = json.loads(tapdock("state", "list", "--json").stdout)
    assert listed["streams"] == []
    assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["state"] == json.loads(text)
    ended = tapdock("state", "clear", "demo", "--stream", "users", "--yes")
    assert (ended.returncode, "streams of this state: none" in ended.stderr) == (2, True)
    assert tapdock("state", "export", "demo", "--format", "meltano").returncode == 0


@pytest.mark.parametrize("text", ["null", '{"bookmarks":null}'])
def test_a_state_of_nulls_that_a_connector_sent(tapdock, backend, text):
    saved(backend, text, dialect="airbyte" if text == "null" else "singer")
    (listed,) = json.loads(tapdock("state", "list", "--json").stdout)
    assert listed["streams"] == []
    assert tapdock("state", "show", "demo").returncode == 0


def test_every_digit_of_a_state_is_shown(tapdock):
    text = '[{"type":"LEGACY","data":{"big":%s,"ratio":0.1234567890123456789,"far":1e400,"n":1.10}}]' % ("9" * 400)
    assert tapdock("state", "set", "demo", stdin=text).returncode == 0
    for words in (("show", "demo"), ("show", "demo", "--json"), ("get", "demo")):
        shown = tapdock("state", *words).stdout.replace(" ", "").replace("\n", "")
        assert text in shown, words


LEGACY = '{"users":{"n":1}}'


def test_an_object_has_the_protocol_of_the_state_before(tapdock, backend):
    """A LEGACY Airbyte state has the form of a Singer state. Its protocol is known, also after it was cleared."""
    saved(backend, LEGACY)
    assert tapdock("state", "set", "demo", stdin=LEGACY).stderr == f"state {KEY} is set (airbyte)\n"
    tapdock("state", "clear", "demo", "--yes")
    assert tapdock("state", "set", "demo", stdin=LEGACY).stderr == f"state {KEY} is set (airbyte)\n"
    assert tapdock("state", "set", "demo", "--dialect", "singer", stdin=LEGACY).returncode == 0
    assert kept(backend).dialect == "singer"


@pytest.mark.parametrize("key", ["demo", KEY, f"{KEY}:eu", "faker-to-lake"])
@pytest.mark.parametrize(
    ("source", "dialect"),
    [
        ("image: x, kind: airbyte", "airbyte"),
        ("image: x, kind: singer", "singer"),
        ("build: {airbyte: x==1}", "airbyte"),
        ("build: {singer: x==1}", "singer"),
    ],
)
def test_an_object_has_the_protocol_of_its_source(tapdock, folder, source, dialect, key):
    file = folder / "tapdock.yaml"
    text = file.read_text().replace("image: x", source, 1)
    eu = "pipelines: {eu: {source: faker, target: lake, state_suffix: eu}, "
    file.write_text(text.replace("pipelines: {", eu))
    ended = tapdock("state", "set", key, stdin=LEGACY)
    assert (ended.returncode, f"is set ({dialect})" in ended.stderr) == (0, True)
    other = "singer" if dialect == "airbyte" else "airbyte"
    ended = tapdock("state", "set", key, "--dialect", other, stdin=LEGACY)
    assert (ended.returncode, "but the source of" in ended.stderr) == (2, True)
    assert tapdock("state", "set", key, stdin=STATE).returncode == (2 if dialect == "singer" else 0)
