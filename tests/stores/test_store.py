"""Tests a pipeline's state during a run, on every backend."""

import json

import msgspec
import pytest

from tapdock.errors import Conflict, LeaseHeld, StateError
from tapdock.state import versions
from tapdock.state.backends.base import LeaseTerms, Stored
from tapdock.state.envelope import Envelope, decode, encode, state_key
from tapdock.state.store import is_empty, lease, read, replacing

KEY = "default:faker-to-lake"
STATE = '[{"type": "STREAM",  "n": 12345678901234567890123, "f": 1.10}]'


def clock() -> float:
    return 1795346553.0


def test_the_first_run_starts_from_nothing(backend):
    with lease(backend, KEY, run_id="r1", clock=clock) as held:
        assert held.envelope is None
    assert read(backend, KEY) is None


def test_a_state_comes_back_byte_for_byte(backend, reopened):
    with lease(backend, KEY, run_id="r1", clock=clock) as held:
        held.save(STATE, dialect="airbyte", generations={"users": 2}, names={"users": "main-users"})
    with lease(reopened(), KEY, run_id="r2", clock=clock) as held:
        envelope = held.envelope
    assert (envelope.state, envelope.dialect) == (STATE, "airbyte")
    assert (envelope.generations, envelope.names) == ({"users": 2}, {"users": "main-users"})
    assert envelope.saved_at == "2026-11-22T11:22:33Z"


def test_what_is_not_given_stays(backend):
    with lease(backend, KEY, run_id="r1", clock=clock) as held:
        held.save("[]", dialect="airbyte", generations={"users": 2})
        held.save(STATE, dialect="airbyte")
        assert held.envelope.generations == {"users": 2}
    assert read(backend, KEY).state == STATE


def test_every_run_takes_over_with_a_higher_fence(backend):
    fences = []
    for run in ("r1", "r2", "r3"):
        with lease(backend, KEY, run_id=run, clock=clock):
            envelope = decode(backend.get(KEY).body, place="", key=KEY)
            fences.append((envelope.run_id, envelope.fence))
    assert fences == [("r1", 1), ("r2", 2), ("r3", 3)]


def test_whoever_was_overtaken_cannot_save(backend):
    with lease(backend, KEY, run_id="r1", clock=clock) as held:
        stored = backend.get(KEY)
        envelope = decode(stored.body, place="", key=KEY)
        backend.put(KEY, encode(msgspec.structs.replace(envelope, fence=9)), expected=stored.version)
        with pytest.raises(Conflict):
            held.save(STATE, dialect="airbyte")
    assert read(backend, KEY) is None


def test_a_second_run_is_refused_and_changes_nothing(backend, reopened):
    with lease(backend, KEY, run_id="r1", clock=clock) as held:
        with (
            pytest.raises(LeaseHeld, match="in use by run r1"),
            lease(reopened(), KEY, run_id="r2", clock=clock),
        ):
            pass
        held.save(STATE, dialect="airbyte")
    assert read(backend, KEY).run_id == "r1"


def test_a_holder_that_sleeps_while_another_takes_over_cannot_save(backend, reopened, kind):
    """This also holds before the other run has saved anything, because the takeover itself is a write."""
    if kind == "file":
        pytest.skip("a process that sleeps still has its file locked")
    terms = LeaseTerms(is_over=lambda holder: holder.run_id == "r1")
    with (
        lease(backend, KEY, run_id="r1", clock=clock) as sleeper,
        lease(reopened(), KEY, run_id="r2", clock=clock, terms=terms) as held,
    ):
        with pytest.raises(Conflict):
            sleeper.save("[]", dialect="airbyte")
        held.save(STATE, dialect="airbyte")
        with pytest.raises(Conflict):
            sleeper.save("[]", dialect="airbyte")
    assert read(backend, KEY).state == STATE


def test_previous_versions_are_kept_and_not_too_many(backend, kind):
    if kind in ("azurite", "gcs"):
        pytest.skip("the same code as over moto")
    for number in range(versions.KEPT + 3):
        with lease(backend, KEY, run_id=f"r{number}", clock=clock) as held:
            held.save(f"[{number}]", dialect="airbyte")
    kept = versions.numbers(backend, KEY)
    assert len(kept) == versions.KEPT
    assert [versions.get(backend, KEY, number).state for number in kept[-2:]] == [
        f"[{versions.KEPT}]",
        f"[{versions.KEPT + 1}]",
    ]
    assert read(backend, KEY).state == f"[{versions.KEPT + 2}]"
    with lease(backend, KEY, run_id="idle", clock=clock):
        pass
    with lease(backend, KEY, run_id="idle", clock=clock):
        pass


def test_a_damaged_state_is_replaced_and_the_message_names_the_way_back(backend):
    for text in ("[1]", "[2]"):
        with lease(backend, KEY, run_id="r", clock=clock) as held:
            held.save(text, dialect="airbyte")
    backend.put(KEY, b"{", expected=backend.get(KEY).version)
    with pytest.raises(StateError) as told:
        read(backend, KEY)
    assert f"`tapdock state rollback {KEY}` restores one" in told.value.hint
    with replacing(backend, KEY, run_id="by hand", clock=clock) as held:
        assert backend.get(KEY).body == b"{", "what fails on the way leaves it as it was"
        held.save("[3]", dialect="airbyte")
    assert (read(backend, KEY).state, read(backend, KEY).run_id) == ("[3]", "by hand")


OTHER = "default:shop-to-lake"


@pytest.fixture
def copied(backend):
    """Copy the object of one state to the name of another, like `cp` or a restored backup."""
    with lease(backend, OTHER, run_id="r1", clock=clock) as held:
        held.save(STATE, dialect="airbyte")
    backend.put(KEY, backend.get(OTHER).body, expected=None)
    return backend


def test_a_run_writes_to_the_state_that_it_asked_for_and_reads_nothing_else(copied):
    before = copied.get(OTHER), copied.get(KEY)
    with pytest.raises(StateError) as told, lease(copied, KEY, run_id="r2", clock=clock):
        pass
    assert told.value.message == f"the object of state `{KEY}` in {copied.uri} contains the state `{OTHER}`"
    assert f"`tapdock state copy {OTHER} {KEY} --yes`" in told.value.hint
    with pytest.raises(StateError, match="contains the state"):
        read(copied, KEY)
    assert not is_empty(copied, KEY)
    assert read(copied, OTHER, at=KEY).state == STATE
    assert (copied.get(OTHER), copied.get(KEY)) == before
    assert versions.numbers(copied, KEY) == versions.numbers(copied, OTHER) == []


def test_another_states_object_gives_way_to_what_replaces_it(copied):
    with replacing(copied, KEY, run_id="by hand", clock=clock) as held:
        held.save("[3]", dialect="airbyte")
    assert (read(copied, KEY).state, read(copied, OTHER).state) == ("[3]", STATE)
    with pytest.raises(StateError, match="contains the state"):
        versions.get(copied, KEY, 1)


def test_what_replaces_a_state_keeps_its_own_name_whatever_it_is_a_copy_of(copied):
    with replacing(copied, KEY, run_id="by hand", clock=clock) as held:
        held.become(read(copied, OTHER))
        held.clear()
    with lease(copied, KEY, run_id="r2", clock=clock) as held:
        assert held.envelope is None
    assert read(copied, OTHER).state == STATE


def test_a_previous_version_of_another_state_is_none_of_this_one(copied):
    copied.put(f"history/{KEY}/00000001", copied.get(OTHER).body, expected=None)
    with pytest.raises(StateError, match=f"contains the state `{OTHER}`"):
        versions.get(copied, KEY, 1)


def test_what_is_no_version_is_not_counted(copied):
    for name in ("\u00b2", "1", "9" * 30, "latest", "-0000001"):
        copied.put(f"history/{OTHER}/{name}", b"{}", expected=None)
    with lease(copied, OTHER, run_id="r2", clock=clock):
        pass
    assert versions.numbers(copied, OTHER) == [1]


def test_a_name_inside_an_object_is_harmless_in_a_message_and_in_a_command(backend):
    name = "x:\x1b[31mred\n::error::; rm -rf ~`date`" + "y" * 1000
    body = encode(Envelope(key=name, run_id="r", fence=1, nonce="", saved_at=""))
    backend.put(KEY, body, expected=None)
    with pytest.raises(StateError) as told:
        read(backend, KEY)
    assert "\x1b" not in told.value.message
    assert "\n" not in told.value.message + told.value.hint
    assert "state copy 'x:red " in told.value.hint, "quoted as a shell wants it"
    assert len(told.value.message) < 500


class Trouble:
    """A backend that fails in some of its writes, before or after they are executed."""

    def __init__(self, backend, failures: list[tuple[str, StateError]]) -> None:
        self._backend = backend
        self._failures = failures

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        when, error = self._failures.pop(0) if self._failures else ("never", None)
        if when == "before":
            raise error
        version = self._backend.put(name, body, expected=expected)
        if when == "after":
            raise error
        return version


PASSING = StateError("input/output error", retryable=True)
LASTING = StateError("no space left", retryable=False)


only_a_folder = pytest.mark.parametrize("kind", ["file"])
"""Backends on a server retry themselves: see test_leases.py."""


@only_a_folder
@pytest.mark.parametrize("when", ["before", "after"])
def test_passing_trouble_is_tried_again_even_when_the_write_had_happened(backend, when):
    waits: list[float] = []
    with lease(backend, KEY, run_id="r0", clock=clock):
        pass
    trouble = Trouble(backend, [("never", None), (when, PASSING)])
    with lease(trouble, KEY, run_id="r1", clock=clock, sleep=waits.append) as held:
        held.save(STATE, dialect="airbyte")
        held.save("[]", dialect="airbyte")
    assert read(backend, KEY).state == "[]"
    assert len(waits) == 1


@only_a_folder
def test_a_lasting_failure_is_reported_after_three_tries(backend):
    trouble = Trouble(backend, [("never", None), *[("before", PASSING)] * 3])
    with lease(trouble, KEY, run_id="r1", clock=clock, sleep=lambda _: None) as held:
        with pytest.raises(StateError, match="input/output error"):
            held.save(STATE, dialect="airbyte")
        held.save("[]", dialect="airbyte")
    assert read(backend, KEY).state == "[]"


def test_a_refusal_is_reported_at_once(backend):
    trouble = Trouble(backend, [("never", None), ("before", LASTING)])
    waits: list[float] = []
    with (
        pytest.raises(StateError, match="no space"),
        lease(trouble, KEY, run_id="r1", clock=clock, sleep=waits.append) as held,
    ):
        held.save(STATE, dialect="airbyte")
    assert waits == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "is damaged"),
        (b'{"version": 1}', "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b'{"version": 1, "key": "\xff"}', "is damaged"),
        (b'{"version": 1, "more": ' + b"[" * 100_000, "is damaged"),
        (b'{"version": 2, "key": "x"}', "has format version 2, but this tapdock reads only version 1"),
    ],
)
def test_a_state_that_cannot_be_read_is_reported_and_not_changed(backend, body, message):
    backend.put(KEY, body, expected=None)
    with pytest.raises(StateError) as told, lease(backend, KEY, run_id="r1", clock=clock):
        pass
    assert message in told.value.message
    assert backend.uri in told.value.message
    assert told.value.hint
    assert backend.get(KEY).body == body


def test_the_name_of_a_state():
    assert state_key("faker", "lake") == "default:faker-to-lake"
    assert state_key("faker", "lake", environment="prod", suffix="eu") == "prod:faker-to-lake:eu"


def test_what_is_stored_says_whose_it_is(backend):
    with lease(backend, KEY, run_id="r1", clock=clock, nonce=lambda: "n") as held:
        held.save(STATE, dialect="airbyte")
    stored: Stored = backend.get(KEY)
    assert json.loads(stored.body) == {
        "version": 1,
        "key": KEY,
        "dialect": "airbyte",
        "state": STATE,
        "generations": {},
        "names": {},
        "places": {},
        "run_id": "r1",
        "fence": 1,
        "nonce": "n",
        "saved_at": "2026-11-22T11:22:33Z",
    }
