"""Tests what is stored of backfills, and the lease that keeps two of them apart."""

import pytest

from tapdock.errors import Conflict, LeaseHeld, StateError
from tapdock.project.state_keys import is_state
from tapdock.project.window import Window
from tapdock.state import backfills, store
from tapdock.state.backends.base import LeaseTerms
from tapdock.state.backends.file import FileBackend
from tapdock.state.backfills import PREFIX, Progress, without

KEY = "default:demo"
JANUARY, FEBRUARY, YEAR = (
    Window.of(*ends)
    for ends in (("2026-01-01", "2026-02-01"), ("2026-02-01", "2026-03-01"), ("2026-01-01", "2027-01-01"))
)


@pytest.fixture
def backend(tmp_path):
    return FileBackend(tmp_path)


def lease(backend, run_id="run", **more):
    return backfills.lease(
        backend, KEY, run_id=run_id, owner="", clock=lambda: 1767225600.0, terms=LeaseTerms(), **more
    )


def ends(windows):
    return [each.ends for each in windows]


def test_progress_is_kept_for_each_stream():
    progress = Progress(key=KEY).with_done(["users", "orders"], JANUARY).with_done(["users"], FEBRUARY)
    assert ends(progress.windows("users")) == [("2026-01-01", "2026-03-01")]
    assert ends(progress.done(["users", "orders"])) == [("2026-01-01", "2026-02-01")]
    assert progress.done(["users", "prices"]) == ()
    assert {name: ends(gaps) for name, gaps in progress.lagging(["users", "orders"], YEAR).items()} == {
        "orders": [("2026-02-01", "2026-03-01")]
    }
    assert progress.lagging(["users", "orders"], JANUARY) == {}
    assert list(progress.lagging(["users", "prices"], FEBRUARY)) == ["prices"]
    again = without(progress, ["users"], Window.of("2026-01-10", "2026-01-20"))
    assert ends(again.windows("users")) == [("2026-01-01", "2026-01-10"), ("2026-01-20", "2026-03-01")]
    assert ends(again.windows("orders")) == [("2026-01-01", "2026-02-01")]


def test_progress_is_no_state_and_is_found_again(backend):
    with lease(backend) as held:
        held.save(held.progress.with_done(["users"], JANUARY), run_id="a", places={"x": "y"})
        held.save(held.progress.with_done(["users"], FEBRUARY), run_id="b", places={"x": "y"})
    found = backfills.read(backend, KEY)
    assert (found.run_id, found.places, ends(found.windows("users"))) == (
        "b",
        {"x": "y"},
        [("2026-01-01", "2026-03-01")],
    )
    assert backend.names() == [f"{PREFIX}{KEY}"]
    assert store.keys(backend) == []
    assert not is_state(f"{PREFIX}{KEY}")


def test_two_backfills_of_a_pipeline_do_not_run_at_once(backend):
    match = "another backfill of `default:demo` is running: run first"
    with lease(backend, "first"), pytest.raises(LeaseHeld, match=match), lease(backend, "second"):
        pass
    with lease(backend, "third"):
        pass


def test_a_writer_that_lost_its_lease_changes_nothing(backend):
    with lease(backend) as held:
        backend.put(f"{PREFIX}{KEY}", b'{"key": "default:demo", "version": 1}', expected=None)
        with pytest.raises(Conflict):
            held.save(held.progress.with_done(["users"], JANUARY), run_id="a", places={})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"key": "default:other"}',
        b'{"key": "default:demo", "version": 2}',
        b'{"key": "default:demo", "streams": {"users": [["2026-02-01", "2026-01-01"]]}}',
        b'{"key": "default:demo", "streams": {"users": [["2026-02-01"]]}}',
    ],
)
def test_damaged_progress_is_an_error_unless_all_is_read_again(backend, body):
    backend.put(f"{PREFIX}{KEY}", body, expected=None)
    with pytest.raises(StateError, match="the progress of backfill `default:demo`"), lease(backend):
        pass
    with lease(backend, anew=True) as held:
        held.save(held.progress.with_done(["users"], JANUARY), run_id="a", places={})
    assert ends(backfills.read(backend, KEY).windows("users")) == [("2026-01-01", "2026-02-01")]
