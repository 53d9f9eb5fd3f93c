"""Tests rotated configs that only the holder of a key can read, on every backend."""

import secrets
from base64 import urlsafe_b64encode

import pytest

from tapdock.connectors import rotated_config
from tapdock.connectors.rotation_rules import Rules
from tapdock.errors import StateError, UsageError
from tapdock.state.backends.sealed import sealed
from tapdock.state.store import lease, read

KEY, OTHER = (urlsafe_b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
SOURCE = "default:faker"
CONFIG = {"token": "old", "count": 1}
RULES = Rules(rotate="all", program="image faker")


def test_what_rests_is_unreadable(backend, reopened):
    rotated_config.record(sealed(backend, KEY), SOURCE, CONFIG, {"token": "fresh-token"}, RULES)
    assert b"fresh-token" not in reopened().get(rotated_config.PREFIX + SOURCE).body
    assert rotated_config.merge(sealed(reopened(), KEY + "\n"), SOURCE, CONFIG, RULES) == {
        "token": "fresh-token",
        "count": 1,
    }
    with pytest.raises(StateError, match="is encrypted") as told:
        rotated_config.merge(sealed(reopened(), None), SOURCE, CONFIG, RULES)
    assert "TAPDOCK_STATE_KEY" in told.value.hint
    with pytest.raises(StateError, match="with another key"):
        rotated_config.merge(sealed(reopened(), OTHER), SOURCE, CONFIG, RULES)


def test_what_was_kept_in_the_clear_is_sealed_when_it_is_written_again(backend):
    rotated_config.record(sealed(backend, None), SOURCE, CONFIG, {"token": "first-token"}, RULES)
    both = sealed(backend, KEY)
    assert rotated_config.merge(both, SOURCE, CONFIG, RULES)["token"] == "first-token"
    rotated_config.record(both, SOURCE, CONFIG, {"token": "second-token"}, RULES)
    assert b"second-token" not in backend.get(rotated_config.PREFIX + SOURCE).body
    assert rotated_config.merge(both, SOURCE, CONFIG, RULES)["token"] == "second-token"


def test_states_are_left_as_they_are(backend):
    with lease(sealed(backend, KEY), "default:a-to-b", run_id="r", clock=lambda: 0.0) as held:
        held.save("[]", dialect="airbyte")
    assert read(backend, "default:a-to-b").state == "[]"


def test_what_is_forgotten_is_gone(backend):
    rotated_config.record(backend, SOURCE, CONFIG, {"token": "fresh", "inner": {"a": 1}}, RULES)
    assert set(rotated_config.kept(backend, SOURCE).pointers) == {"/token", "/inner"}
    assert rotated_config.reset(backend, SOURCE)
    assert rotated_config.merge(backend, SOURCE, CONFIG, RULES) == CONFIG
    assert not rotated_config.reset(backend, SOURCE)


def test_a_key_that_is_none(backend):
    with pytest.raises(UsageError, match="32 bytes"):
        sealed(backend, "hunter2")
