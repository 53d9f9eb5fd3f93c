"""Tests rotated configs in the state backend."""

import json
import stat

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.connectors import rotated_config, rotation_rules
from tapdock.connectors.kinds.base import config_file
from tapdock.connectors.rotated_config import Laid, Recorded
from tapdock.connectors.rotation_rules import Rules
from tapdock.errors import StateError
from tapdock.protocol import airbyte
from tapdock.state.backends.file import FileBackend

USER = {"host": "h", "credentials": {"client": "c", "refresh_token": "old-refresh-token", "a/b~c": 1}}
KEY = "default:faker"
ALL = Rules(rotate="all", program="image faker")
SECRETS = Rules(program="image faker")
TOKEN = "/credentials/refresh_token"


@pytest.fixture
def backend(tmp_path):
    return FileBackend(tmp_path / "state")


def rotated(**changes):
    return {**USER, "credentials": {**USER["credentials"], **changes}}


def test_without_rotation_the_config_is_the_users(backend):
    assert rotated_config.merge(backend, KEY, USER, ALL) == USER
    assert rotated_config.record(backend, KEY, USER, USER, ALL) == Recorded()
    assert backend.names() == []


def test_a_rotated_value_is_used_from_then_on(backend):
    changes = {"refresh_token": "new", "expires": 30, "a/b~c": 2}
    pointers = rotated_config.record(backend, KEY, USER, rotated(**changes), ALL).changed
    assert set(pointers) == {TOKEN, "/credentials/expires", "/credentials/a~1b~0c"}
    assert rotated_config.merge(backend, KEY, USER, ALL) == rotated(**changes)
    assert USER["credentials"]["refresh_token"] == "old-refresh-token"


def test_only_what_changed_is_reported(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="1", expires=1), ALL)
    assert rotated_config.record(backend, KEY, USER, rotated(refresh_token="2", expires=1), ALL).changed == (TOKEN,)
    assert rotated_config.record(backend, KEY, USER, rotated(refresh_token="2", expires=1), ALL).changed == ()


def test_what_another_run_rotated_meanwhile_stays(backend):
    """Both runs started with the old token. The second run changed only its own access token."""
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS, given=USER)
    rotated_config.record(backend, KEY, USER, rotated(access_token="mine"), SECRETS, given=USER)
    assert rotated_config.merge(backend, KEY, USER, SECRETS) == rotated(refresh_token="new", access_token="mine")


def test_a_connector_that_was_given_a_rotated_value_changes_others(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="1"), ALL)
    given = rotated_config.merge(backend, KEY, USER, ALL)
    assert rotated_config.record(backend, KEY, USER, {**given, "host": "other"}, ALL, given=given).changed == ("/host",)
    assert rotated_config.merge(backend, KEY, USER, ALL) == {**rotated(refresh_token="1"), "host": "other"}


def test_a_connector_that_goes_back_to_the_users_value(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="1"), SECRETS)
    again = rotated_config.record(backend, KEY, USER, USER, SECRETS, given=rotated(refresh_token="1"))
    assert again == Recorded(changed=(TOKEN,))
    assert rotated_config.merge(backend, KEY, USER, SECRETS) == USER


def test_an_object_of_the_connectors_own_is_changed_once_more(backend):
    rotated_config.record(backend, KEY, USER, {**USER, "inner": {"a": 1, "b": 2}}, ALL)
    given = rotated_config.merge(backend, KEY, USER, ALL)
    rotated_config.record(backend, KEY, USER, {**USER, "inner": {"a": 3, "b": 2}}, ALL, given=given)
    assert rotated_config.merge(backend, KEY, USER, ALL)["inner"] == {"a": 3, "b": 2}
    rotated_config.record(backend, KEY, USER, {**USER, "inner": 5}, ALL, given=given)
    assert rotated_config.merge(backend, KEY, USER, ALL)["inner"] == 5


def test_an_object_that_becomes_a_value_takes_its_members_along(backend):
    rotated_config.record(backend, KEY, USER, rotated(expires=1), ALL)
    rotated_config.record(backend, KEY, USER, {**USER, "credentials": "none"}, ALL, given=rotated(expires=1))
    assert rotated_config.merge(backend, KEY, USER, ALL) == {**USER, "credentials": "none"}


def test_a_value_that_the_user_changes_is_the_users_again(backend):
    rotated_config.record(backend, KEY, USER, {**rotated(a=5), "host": "other"}, ALL)
    mine = {**USER, "host": "mine"}
    assert rotated_config.merge(backend, KEY, mine, ALL) == {**rotated(a=5), "host": "mine"}


@pytest.mark.parametrize("rules", [ALL, SECRETS])
def test_a_token_that_the_user_writes_anew_is_used_with_nothing_of_the_old_account(backend, rules):
    """An access token that is still valid would continue with the account that the user has left."""
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="new", access_token="access", expires=30), rules)
    assert rotated_config.merge(backend, KEY, USER, rules)["credentials"]["access_token"] == "access"
    mine = rotated(refresh_token="typed by hand")
    assert rotated_config.merge(backend, KEY, mine, rules) == mine
    mine["credentials"].pop("refresh_token")
    assert rotated_config.merge(backend, KEY, mine, rules) == mine


def test_values_below_something_that_the_user_took_away_do_not_come_back(backend):
    rotated_config.record(backend, KEY, USER, rotated(expires=30), ALL)
    for config in ({"host": "h"}, {"host": "h", "credentials": "none"}):
        assert rotated_config.merge(backend, KEY, config, ALL) == config


def test_the_users_own_value_is_not_stored_and_the_file_is_private(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    (name,) = backend.names(rotated_config.PREFIX)
    assert b"old-refresh-token" not in backend.get(name).body
    (file,) = backend.folder.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_environments_do_not_share(backend):
    rotated_config.record(
        backend, rotated_config.overlay_key("faker", "prod"), USER, rotated(refresh_token="new"), SECRETS
    )
    assert rotated_config.merge(backend, rotated_config.overlay_key("faker", None), USER, SECRETS) == USER


def test_another_program_gets_none_of_the_tokens(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    other = Rules(rotate="all", program="image evil")
    assert rotated_config.laid(backend, KEY, USER, other) == Laid({}, foreign="image faker")
    assert rotated_config.merge(backend, KEY, USER, other) == USER
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="of the other"), other)
    assert rotated_config.merge(backend, KEY, USER, other) == rotated(refresh_token="of the other")
    assert rotated_config.merge(backend, KEY, USER, SECRETS) == USER


@pytest.mark.parametrize(("rotate", "used"), [("secrets", [TOKEN]), ("none", [])])
def test_what_was_kept_under_other_rules_is_not_used_and_named(backend, rotate, used):
    """An earlier version kept every value."""
    rotated_config.record(backend, KEY, USER, {**rotated(refresh_token="new"), "host": "evil", "batch": 1}, ALL)
    found = rotated_config.laid(backend, KEY, USER, Rules(rotate=rotate, program=ALL.program))
    assert list(found.values) == used
    assert {*found.values, *found.refused} == {TOKEN, "/host", "/batch"}
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="newer"), SECRETS)
    assert rotated_config.kept(backend, KEY).pointers == (TOKEN,)


def test_what_an_earlier_version_wrote_is_used_and_bound_when_it_changes(backend):
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    stored = backend.get(rotated_config.PREFIX + KEY)
    old = {name: value for name, value in json.loads(stored.body).items() if name not in ("key", "program")}
    backend.put(rotated_config.PREFIX + KEY, json.dumps(old).encode(), expected=stored.version)
    assert rotated_config.merge(backend, KEY, USER, SECRETS) == rotated(refresh_token="new")
    assert rotated_config.kept(backend, KEY) == (None, (TOKEN,))
    rotated_config.record(backend, KEY, USER, rotated(refresh_token="newer"), SECRETS)
    assert rotated_config.kept(backend, KEY) == ("image faker", (TOKEN,))
    assert rotated_config.merge(backend, KEY, USER, Rules(program="image evil")) == USER


def test_that_of_another_source_is_not_used(backend):
    """The file was copied: it has the tokens of one account under the name of another connector."""
    rotated_config.record(backend, "prod:shop", USER, rotated(refresh_token="new"), SECRETS)
    body = backend.get(f"{rotated_config.PREFIX}prod:shop").body
    for key, command in ((KEY, "faker"), ("prod:faker", "faker --environment prod")):
        backend.put(rotated_config.PREFIX + key, body, expected=None)
        for call in (
            lambda key=key: rotated_config.merge(backend, key, USER, SECRETS),
            lambda key=key: rotated_config.record(backend, key, USER, rotated(refresh_token="x"), SECRETS),
            lambda key=key: rotated_config.kept(backend, key),
        ):
            with pytest.raises(StateError, match=f"config of `{key}` in .* belongs to `prod:shop`") as told:
                call()
            assert f"`tapdock config forget-rotated {command}`" in told.value.hint
        assert backend.get(rotated_config.PREFIX + key).body == body


def stored(**changes) -> bytes:
    entry = {"value": "5", "user": "x"}
    return msgspec.json.encode({"version": 1, "salt": "00", "entries": {"/a": entry}, **changes})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        stored(salt="no hex"),
        stored(entries={"no slash": {"value": "5", "user": "x"}}),
        stored(entries={"/a": {"value": "{", "user": "x"}}),
        stored(entries={"/a": {"value": "[" * 100_000, "user": "x"}}),
        b'{"more": ' + b"[" * 100_000,
    ],
    ids=["torn", "salt", "pointer", "value", "deep", "deeper"],
)
def test_a_damaged_one_is_reported(backend, body):
    backend.put(rotated_config.PREFIX + KEY, body, expected=None)
    with pytest.raises(StateError, match="damaged"):
        rotated_config.merge(backend, KEY, USER, ALL)


def test_it_does_not_grow_without_end(backend):
    """Each run adds settings, so the total size of kept values is limited."""
    for number in range(4):
        found = rotated_config.record(backend, KEY, USER, {**USER, f"x{number}": "x" * 400_000}, ALL)
    assert found == Recorded(refused=("/x3",))
    assert rotated_config.kept(backend, KEY).pointers == ("/x0", "/x1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CONFIGS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


def laid_over(old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: laid_over(old.get(key), value) for key, value in new.items()}}
    return new


@settings(max_examples=50, deadline=None)
@given(user=CONFIGS, new=CONFIGS)
def test_whatever_was_recorded_comes_back(tmp_path_factory, user, new):
    backend = FileBackend(tmp_path_factory.mktemp("overlay"))
    rotated_config.record(backend, KEY, user, new, ALL)
    assert rotated_config.merge(backend, KEY, user, ALL) == laid_over(user, new)


def test_a_config_that_changes_more_values_than_anybody_renews_is_not_kept(backend):
    """Each value costs time, and a connector can write any number of values."""
    most = {f"value-{number}": "x" for number in range(rotated_config.MOST_CHANGES)}
    assert len(rotated_config.record(backend, KEY, USER, rotated(**most), ALL).changed) == rotated_config.MOST_CHANGES
    rotated_config.reset(backend, KEY)
    found = rotated_config.record(backend, KEY, USER, rotated(**most, one="more"), ALL)
    assert (found.changed, len(found.refused)) == ((), rotated_config.MOST_CHANGES + 1)
    assert rotated_config.merge(backend, KEY, USER, ALL) == USER


@pytest.mark.parametrize("value", [12345678901234567890123, -(1 << 70), 10**400, 0.1, 1e22])
def test_a_renewed_number_reaches_the_connector_as_it_was_written(backend, value):
    """It is read from a CONTROL, kept in the backend, and written into the config of the next run."""
    line = b'{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{"config":%s}}}'
    (part,) = airbyte.DIALECT.parts(line % json.dumps(rotated(account=value, token="new")).encode())
    text = airbyte.control_config(part.message.control)
    recorded = rotated_config.record(backend, KEY, USER, rotation_rules.parsed(text), ALL)
    assert set(recorded.changed) == {"/credentials/account", "/credentials/token"}
    given = config_file(rotated_config.merge(backend, KEY, USER, ALL)).content
    assert repr(json.loads(given)["credentials"]["account"]) == repr(value)
