"""Rotated configs beside the state."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock import overlay
from tapdock.errors import StateError
from tapdock.state.file import FileBackend

USER = {"host": "h", "credentials": {"client": "c", "refresh_token": "old-refresh-token", "a/b~c": 1}}
KEY = "default:faker"


@pytest.fixture
def backend(tmp_path):
    return FileBackend(tmp_path / "state")


def rotated(**changes):
    return {**USER, "credentials": {**USER["credentials"], **changes}}


def test_without_rotation_the_config_is_the_users(backend):
    assert overlay.merge(backend, KEY, USER) == USER
    assert overlay.record(backend, KEY, USER, USER) == ()
    assert backend.names() == []


def test_a_rotated_value_is_used_from_then_on(backend):
    changes = {"refresh_token": "new", "expires": 30, "a/b~c": 2}
    pointers = overlay.record(backend, KEY, USER, rotated(**changes))
    assert set(pointers) == {"/credentials/refresh_token", "/credentials/expires", "/credentials/a~1b~0c"}
    assert overlay.merge(backend, KEY, USER) == rotated(**changes)
    assert USER["credentials"]["refresh_token"] == "old-refresh-token"


def test_only_what_changed_is_told(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1", expires=1))
    assert overlay.record(backend, KEY, USER, rotated(refresh_token="2", expires=1)) == ("/credentials/refresh_token",)
    assert overlay.record(backend, KEY, USER, rotated(refresh_token="2", expires=1)) == ()


def test_what_another_run_rotated_meanwhile_stays(backend):
    """Both began with the old token: the second one changed only its own access token."""
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"), given=USER)
    overlay.record(backend, KEY, USER, rotated(access="mine"), given=USER)
    assert overlay.merge(backend, KEY, USER) == rotated(refresh_token="new", access="mine")


def test_a_connector_that_was_given_a_rotated_value_changes_others(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1"))
    given = overlay.merge(backend, KEY, USER)
    assert overlay.record(backend, KEY, USER, {**given, "host": "other"}, given=given) == ("/host",)
    assert overlay.merge(backend, KEY, USER) == {**rotated(refresh_token="1"), "host": "other"}


def test_a_connector_that_goes_back_to_the_users_value(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="1"))
    assert overlay.record(backend, KEY, USER, USER, given=rotated(refresh_token="1")) == ("/credentials/refresh_token",)
    assert overlay.merge(backend, KEY, USER) == USER


def test_a_value_that_the_user_changes_is_the_users_again(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="new", expires=30))
    mine = rotated(refresh_token="typed by hand")
    assert overlay.merge(backend, KEY, mine) == {
        **mine,
        "credentials": {**mine["credentials"], "expires": 30},
    }


def test_values_below_something_that_the_user_took_away_do_not_come_back(backend):
    overlay.record(backend, KEY, USER, rotated(expires=30))
    for config in ({"host": "h"}, {"host": "h", "credentials": "none"}):
        assert overlay.merge(backend, KEY, config) == config


def test_the_users_own_value_is_not_stored_and_the_file_is_private(backend):
    overlay.record(backend, KEY, USER, rotated(refresh_token="new"))
    (name,) = backend.names(overlay.PREFIX)
    assert b"old-refresh-token" not in backend.get(name).body
    (file,) = backend.folder.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_environments_do_not_share(backend):
    overlay.record(backend, overlay.overlay_key("faker", "prod"), USER, rotated(refresh_token="new"))
    assert overlay.merge(backend, overlay.overlay_key("faker", None), USER) == USER


def test_a_damaged_one_is_told(backend):
    backend.put(overlay.PREFIX + KEY, b"{", expected=None)
    with pytest.raises(StateError, match="damaged"):
        overlay.merge(backend, KEY, USER)


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
    overlay.record(backend, KEY, user, new)
    assert overlay.merge(backend, KEY, user) == laid_over(user, new)
