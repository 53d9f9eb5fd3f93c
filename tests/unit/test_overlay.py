"""Rotated configs beside the state."""

import json
import stat

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock import overlay
from tapdock.errors import StateError
from tapdock.overlay import Laid, Recorded
from tapdock.rotation import Rules
from tapdock.state.file import FileBackend

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
    assert overlay.merge(backend, KEY, USER, ALL) == USER
    assert overlay.record(backend, KEY, USER, USER, ALL) == Recorded()
    assert backend.names() == []


def test_a_rotated_value_is_used_from_then_on(backend):
    changes = {"refresh_token": "new", "expires": 30, "a/b~c": 2}
    pointers = overlay.record(backend, KEY, USER, rotated(**changes), ALL).changed
    assert set(pointers) == {TOKEN, "/credentials/expires", "/credentials/a~1b~0c"}
    assert overlay.merge(backend, KEY, USER, ALL) == rotated(**changes)
    assert USER["credentials"]["refresh_token"] == "old-refresh-token"


def test_only_what_changed_is_told(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1", expires=1), ALL)
    assert overlay.record(backend, KEY, USER, rotated(refresh_token="2", expires=1), ALL).changed == (TOKEN,)
    assert overlay.record(backend, KEY, USER, rotated(refresh_token="2", expires=1), ALL).changed == ()


def test_what_another_run_rotated_meanwhile_stays(backend):
    """Both began with the old token: the second one changed only its own access token."""
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS, given=USER)
    overlay.record(backend, KEY, USER, rotated(access_token="mine"), SECRETS, given=USER)
    assert overlay.merge(backend, KEY, USER, SECRETS) == rotated(refresh_token="new", access_token="mine")


def test_a_connector_that_was_given_a_rotated_value_changes_others(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1"), ALL)
    given = overlay.merge(backend, KEY, USER, ALL)
    assert overlay.record(backend, KEY, USER, {**given, "host": "other"}, ALL, given=given).changed == ("/host",)
    assert overlay.merge(backend, KEY, USER, ALL) == {**rotated(refresh_token="1"), "host": "other"}


def test_a_connector_that_goes_back_to_the_users_value(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1"), SECRETS)
    again = overlay.record(backend, KEY, USER, USER, SECRETS, given=rotated(refresh_token="1"))
    assert again == Recorded(changed=(TOKEN,))
    assert overlay.merge(backend, KEY, USER, SECRETS) == USER


def test_an_object_of_the_connectors_own_is_changed_once_more(backend):
    overlay.record(backend, KEY, USER, {**USER, "inner": {"a": 1, "b": 2}}, ALL)
    given = overlay.merge(backend, KEY, USER, ALL)
    overlay.record(backend, KEY, USER, {**USER, "inner": {"a": 3, "b": 2}}, ALL, given=given)
    assert overlay.merge(backend, KEY, USER, ALL)["inner"] == {"a": 3, "b": 2}
    overlay.record(backend, KEY, USER, {**USER, "inner": 5}, ALL, given=given)
    assert overlay.merge(backend, KEY, USER, ALL)["inner"] == 5


def test_an_object_that_becomes_a_value_takes_its_members_along(backend):
    overlay.record(backend, KEY, USER, rotated(expires=1), ALL)
    overlay.record(backend, KEY, USER, {**USER, "credentials": "none"}, ALL, given=rotated(expires=1))
    assert overlay.merge(backend, KEY, USER, ALL) == {**USER, "credentials": "none"}


def test_a_value_that_the_user_changes_is_the_users_again(backend):
    overlay.record(backend, KEY, USER, {**rotated(a=5), "host": "other"}, ALL)
    mine = {**USER, "host": "mine"}
    assert overlay.merge(backend, KEY, mine, ALL) == {**rotated(a=5), "host": "mine"}


@pytest.mark.parametrize("rules", [ALL, SECRETS])
def test_a_token_that_the_user_writes_anew_is_used_with_nothing_of_the_old_account(backend, rules):
    """An access token that is still valid would go on with the account that the user has left."""
    overlay.record(backend, KEY, USER, rotated(refresh_token="new", access_token="access", expires=30), rules)
    assert overlay.merge(backend, KEY, USER, rules)["credentials"]["access_token"] == "access"
    mine = rotated(refresh_token="typed by hand")
    assert overlay.merge(backend, KEY, mine, rules) == mine
    mine["credentials"].pop("refresh_token")
    assert overlay.merge(backend, KEY, mine, rules) == mine


def test_values_below_something_that_the_user_took_away_do_not_come_back(backend):
    overlay.record(backend, KEY, USER, rotated(expires=30), ALL)
    for config in ({"host": "h"}, {"host": "h", "credentials": "none"}):
        assert overlay.merge(backend, KEY, config, ALL) == config


def test_the_users_own_value_is_not_stored_and_the_file_is_private(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    (name,) = backend.names(overlay.PREFIX)
    assert b"old-refresh-token" not in backend.get(name).body
    (file,) = backend.folder.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_environments_do_not_share(backend):
    overlay.record(backend, overlay.overlay_key("faker", "prod"), USER, rotated(refresh_token="new"), SECRETS)
    assert overlay.merge(backend, overlay.overlay_key("faker", None), USER, SECRETS) == USER


def test_another_program_gets_none_of_the_tokens(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    other = Rules(rotate="all", program="image evil")
    assert overlay.laid(backend, KEY, USER, other) == Laid({}, foreign="image faker")
    assert overlay.merge(backend, KEY, USER, other) == USER
    overlay.record(backend, KEY, USER, rotated(refresh_token="of the other"), other)
    assert overlay.merge(backend, KEY, USER, other) == rotated(refresh_token="of the other")
    assert overlay.merge(backend, KEY, USER, SECRETS) == USER


@pytest.mark.parametrize(("rotate", "used"), [("secrets", [TOKEN]), ("none", [])])
def test_what_was_kept_under_other_rules_is_not_used_and_named(backend, rotate, used):
    """As an earlier version kept everything."""
    overlay.record(backend, KEY, USER, {**rotated(refresh_token="new"), "host": "evil", "batch": 1}, ALL)
    found = overlay.laid(backend, KEY, USER, Rules(rotate=rotate, program=ALL.program))
    assert list(found.values) == used
    assert {*found.values, *found.refused} == {TOKEN, "/host", "/batch"}
    overlay.record(backend, KEY, USER, rotated(refresh_token="newer"), SECRETS)
    assert overlay.kept(backend, KEY).pointers == (TOKEN,)


def test_what_an_earlier_version_wrote_is_used_and_bound_when_it_changes(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"), SECRETS)
    stored = backend.get(overlay.PREFIX + KEY)
    old = {name: value for name, value in json.loads(stored.body).items() if name not in ("key", "program")}
    backend.put(overlay.PREFIX + KEY, json.dumps(old).encode(), expected=stored.version)
    assert overlay.merge(backend, KEY, USER, SECRETS) == rotated(refresh_token="new")
    assert overlay.kept(backend, KEY) == (None, (TOKEN,))
    overlay.record(backend, KEY, USER, rotated(refresh_token="newer"), SECRETS)
    assert overlay.kept(backend, KEY) == ("image faker", (TOKEN,))
    assert overlay.merge(backend, KEY, USER, Rules(program="image evil")) == USER


def test_that_of_another_source_is_not_used(backend):
    """A file that was copied: the tokens of one account for the connector of another."""
    overlay.record(backend, "prod:shop", USER, rotated(refresh_token="new"), SECRETS)
    body = backend.get(f"{overlay.PREFIX}prod:shop").body
    for key, command in ((KEY, "faker"), ("prod:faker", "faker --environment prod")):
        backend.put(overlay.PREFIX + key, body, expected=None)
        for call in (
            lambda key=key: overlay.merge(backend, key, USER, SECRETS),
            lambda key=key: overlay.record(backend, key, USER, rotated(refresh_token="x"), SECRETS),
            lambda key=key: overlay.kept(backend, key),
        ):
            with pytest.raises(StateError, match=f"config of `{key}` in .* is that of `prod:shop`") as told:
                call()
            assert f"`tapdock config reset {command}`" in told.value.hint
        assert backend.get(overlay.PREFIX + key).body == body


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
def test_a_damaged_one_is_told(backend, body):
    backend.put(overlay.PREFIX + KEY, body, expected=None)
    with pytest.raises(StateError, match="damaged"):
        overlay.merge(backend, KEY, USER, ALL)


def test_it_does_not_grow_without_end(backend):
    """Each run adds settings: what is kept has a limit as a whole."""
    for number in range(4):
        found = overlay.record(backend, KEY, USER, {**USER, f"x{number}": "x" * 400_000}, ALL)
    assert found == Recorded(refused=("/x3",))
    assert overlay.kept(backend, KEY).pointers == ("/x0", "/x1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=5),
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
    overlay.record(backend, KEY, user, new, ALL)
    assert overlay.merge(backend, KEY, user, ALL) == laid_over(user, new)


def test_a_config_that_changes_more_values_than_anybody_renews_is_not_kept(backend):
    """Each value costs time, and a connector may write as many as it likes."""
    most = {f"value-{number}": "x" for number in range(overlay.MOST_CHANGES)}
    assert len(overlay.record(backend, KEY, USER, rotated(**most), ALL).changed) == overlay.MOST_CHANGES
    overlay.reset(backend, KEY)
    found = overlay.record(backend, KEY, USER, rotated(**most, one="more"), ALL)
    assert (found.changed, len(found.refused)) == ((), overlay.MOST_CHANGES + 1)
    assert overlay.merge(backend, KEY, USER, ALL) == USER
