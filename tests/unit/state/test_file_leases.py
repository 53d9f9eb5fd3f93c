"""Tests leases in a folder: commands that read a lease do not block runs that take it."""

import fcntl
import os
import threading
from contextlib import suppress

import pytest

from tapdock.errors import LeaseHeld, StateError
from tapdock.state.backends.base import Holder, holder_here, stop_line
from tapdock.state.backends.file import FileBackend

FIRST, SECOND = (holder_here(f"r{number}", since=0.0) for number in (1, 2))


@pytest.fixture
def backend(tmp_path) -> FileBackend:
    return FileBackend(tmp_path / "state")


@pytest.mark.long
def test_a_run_starts_while_others_ask_who_has_the_lease(backend):
    over = threading.Event()

    def ask() -> None:
        mine = FileBackend(backend.folder)
        while not over.is_set():
            mine.holder("a")
            with suppress(StateError):  # the lease is held
                mine.unlock("b")

    with backend.acquire("a", FIRST), backend.acquire("b", FIRST):
        pass  # both lease files exist
    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(100):
            with backend.acquire("a", FIRST), backend.acquire("b", FIRST):
                pass
    finally:
        over.set()
        for asker in askers:
            asker.join()


@pytest.mark.long
def test_a_run_starts_although_somebody_was_stopped_while_asking(backend):
    with backend.acquire("a", FIRST):
        sign = next(backend.folder.glob(".leases/*+held"))
    stopped = os.open(sign, os.O_RDONLY)
    fcntl.flock(stopped, fcntl.LOCK_SH)
    try:
        with backend.acquire("a", FIRST), pytest.raises(LeaseHeld), FileBackend(backend.folder).acquire("a", SECOND):
            pass
    finally:
        os.close(stopped)


PLACE, CONTAINER = "boot.4026531836", "0123456789abcdef" * 4


def held(owner: str, host: str, *, here: str) -> str:
    other = Holder(run_id="r1", pid=71, host=host, since="", owner=owner)
    return stop_line(other, Holder(run_id="r2", pid=5, host="laptop", since="", owner=here))


@pytest.mark.parametrize(
    ("owner", "host", "here", "line"),
    [
        (f"{PLACE}/71/9/", "laptop", f"{PLACE}/5/9/", "stop it with `kill 71`"),
        (f"{PLACE}/71/9//engine", "laptop", f"{PLACE}/5/9//engine", "stop it with `kill 71`"),
        (f"boot.7/71/9/{CONTAINER}/e", "0123456789ab", f"{PLACE}/5/9//e", "docker stop 0123456789ab`"),
        (f"boot.7/71/9/{CONTAINER}/e", "laptop", f"{PLACE}/5/9//e", "docker stop 0123456789ab`"),
        (f"boot.7/71/9/{CONTAINER}/e", "laptop", "", "docker stop 0123456789ab`"),
        (f"boot.7/71/9/{CONTAINER}/e", "laptop", f"boot.7/5/9/{CONTAINER}/e", "stop it with `kill 71`"),
        ("other.4026531836/71/9//e", "server", f"{PLACE}/5/9//e", "stop it on server, where it is process 71"),
        ("boot.7/71/9//e", "pod-x", f"{PLACE}/5/9//e", "stop it on pod-x, where it is process 71"),
        ("boot.7/71/9//e", "laptop", f"{PLACE}/5/9//e", "in another container of laptop, where it is process 71"),
        ("", "laptop", f"{PLACE}/5/9//e", "stop it with `kill 71`"),
        ("", "server", "", "stop it on server, where it is process 71"),
    ],
)
def test_a_holder_is_stopped_where_it_runs(owner, host, here, line):
    """A process number means nothing in another container or on another machine."""
    found = held(owner, host, here=here)
    assert found.endswith(line)
    assert ("kill" in found) == ("kill" in line)


def test_who_has_a_lease(backend):
    assert backend.holder("a") is None
    with backend.acquire("a", FIRST):
        assert backend.holder("a") == FIRST
        assert FileBackend(backend.folder).holder("a") == FIRST
    assert backend.holder("a") is None


def test_a_lease_whose_holder_was_killed_is_not_reported(backend):
    """The facts of the killed holder are still in the lease file."""
    with backend.acquire("a", FIRST):
        kept = (backend.folder / ".leases" / "a").read_bytes()
    (backend.folder / ".leases" / "a").write_bytes(kept)
    assert kept
    assert backend.holder("a") is None
