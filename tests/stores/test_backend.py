"""Tests the behavior that every state backend must have."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from tapdock.errors import Conflict, LeaseHeld, UsageError
from tapdock.state.backends.base import LeaseTerms, holder_here, open_backend
from tapdock.state.store import keys

SPAWN = multiprocessing.get_context("spawn")
HOLDER = holder_here("r1", since=1795346553.0)
NAMES = ["default:faker-to-lake", "prod:a-to-b:eu/west", "overlay/default:faker", "..", "%41", "ä ö"]


def test_what_was_put_is_there(backend, reopened):
    version = backend.put("a", b"1", expected=None)
    assert reopened().get("a") == (b"1", version)
    assert backend.get("b") is None


def test_names_come_back_as_they_were(backend):
    for name in NAMES:
        backend.put(name, name.encode(), expected=None)
    assert backend.names() == sorted(NAMES)
    assert backend.names("overlay/") == ["overlay/default:faker"]
    assert [backend.get(name).body.decode() for name in NAMES] == NAMES


def test_create_only_where_nothing_is(backend):
    backend.put("a", b"1", expected=None)
    with pytest.raises(Conflict):
        backend.put("a", b"2", expected=None)
    assert backend.get("a").body == b"1"


def test_only_the_expected_version_is_replaced(backend, reopened):
    first = backend.put("a", b"1", expected=None)
    second = reopened().put("a", b"2", expected=first)
    with pytest.raises(Conflict):
        backend.put("a", b"3", expected=first)
    assert backend.get("a") == (b"2", second)


def test_what_is_removed_is_gone(backend):
    first = backend.put("a", b"1", expected=None)
    backend.delete("a")
    backend.delete("a")
    assert backend.get("a") is None
    with pytest.raises(Conflict):
        backend.put("a", b"2", expected=first)
    assert backend.put("a", b"3", expected=None)


def test_bytes_come_back_as_they_were(backend):
    body = bytes(range(256)) * 4000
    backend.put("a", body, expected=None)
    assert backend.get("a").body == body


def test_of_many_writers_each_step_has_one_winner(backend, reopened):
    won: list[int] = []
    writers = [reopened() for _ in range(4)]
    version = backend.put("a", b"0", expected=None)
    for step in range(1, 20):
        gate = threading.Barrier(4)

        def write(writer: int, version: str = version, step: int = step, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                writers[writer].put("a", b"%d by %d" % (step, writer), expected=version)
                won.append(step)
            except Conflict:
                pass

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        version = backend.get("a").version
    assert won == list(range(1, 20))


def test_a_second_holder_gets_who_where_and_since_when(backend, reopened):
    with backend.acquire("a", HOLDER), pytest.raises(LeaseHeld) as told, reopened().acquire("a", HOLDER):
        pass
    assert told.value.message == (
        f"state `a` is in use by run r1 (process {os.getpid()} on {HOLDER.host}, since 2026-11-22 11:22:33Z)"
    )
    assert f"stop it with `kill {os.getpid()}`" in told.value.hint


def test_names_are_held_one_by_one_and_given_back(backend, reopened):
    with backend.acquire("a", HOLDER), reopened().acquire("b", HOLDER):
        pass
    with pytest.raises(RuntimeError), backend.acquire("a", HOLDER):
        raise RuntimeError
    with reopened().acquire("a", HOLDER):
        assert keys(backend) == [], "what a hold leaves is no state"


def test_who_holds_a_name(backend, reopened):
    assert backend.holder("a") is None
    with backend.acquire("a", HOLDER):
        assert reopened().holder("a") == HOLDER
    assert reopened().holder("a") is None


def race(uri: str, folder: str, gate, gone, results, rounds: int) -> None:
    """In each round, take the lease if possible, and keep it until both have tried. Report (round, held)."""
    from pathlib import Path

    backend = open_backend(uri, Path(folder))
    for number in range(rounds):
        gate.wait(30)
        try:
            with backend.acquire("a", holder_here(f"r{number}", since=0.0)):
                results.put((number, True))
                gone.wait(30)
        except LeaseHeld:
            results.put((number, False))
            gone.wait(30)


@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_two_processes_race_and_exactly_one_wins(uri, tmp_path, rounds):
    gate, gone, results = SPAWN.Barrier(2), SPAWN.Barrier(2), SPAWN.Queue()
    racers = [SPAWN.Process(target=race, args=(uri, str(tmp_path), gate, gone, results, rounds)) for _ in range(2)]
    for racer in racers:
        racer.start()
    outcomes = [results.get(timeout=120) for _ in range(2 * rounds)]
    for racer in racers:
        racer.join(30)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert sorted(outcomes) == [(number, held) for number in range(rounds) for held in (False, True)]


HOLD_FOREVER = """
import sys, time
from pathlib import Path
from tapdock.state.backends.base import holder_here, open_backend
from tapdock.state.store import keys
with open_backend(sys.argv[1], Path(sys.argv[2])).acquire("a", holder_here("r1", since=0.0)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_is_followed_at_once_by_whoever_knows(uri, tmp_path, backend):
    """The kernel releases a lock in a folder. A lease on a server needs a caller that knows that the holder is gone."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_FOREVER, uri, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeld), backend.acquire("a", HOLDER):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        with backend.acquire("a", HOLDER, LeaseTerms(is_over=lambda holder: holder.pid == child.pid)):
            pass


def test_an_unknown_scheme_is_reported(tmp_path):
    with pytest.raises(UsageError, match=r"no state backend `ftp://`"):
        open_backend("ftp://x", tmp_path)


@pytest.mark.parametrize("scheme", ["s3", "azblob", "gs"])
def test_a_uri_that_names_no_bucket(tmp_path, scheme):
    with pytest.raises(UsageError, match="does not name a bucket"):
        open_backend(f"{scheme}:///prefix", tmp_path)
    with pytest.raises(UsageError, match="has no option `regoin`"):
        open_backend(f"{scheme}://bucket/prefix?regoin=x", tmp_path)


@pytest.mark.parametrize("scheme", ["s3", "azblob", "gs"])
def test_credentials_in_a_uri_are_refused_and_not_said_again(tmp_path, scheme):
    with pytest.raises(UsageError, match="contains credentials") as told:
        open_backend(f"{scheme}://AKIA:pa55word@bucket/prefix", tmp_path)
    assert "pa55word" not in told.value.message + told.value.hint


def test_what_stands_behind_a_question_mark_is_in_no_message(tmp_path):
    backend = open_backend("postgresql://me@host/db?password=pa55word", tmp_path)
    assert backend.uri == "postgresql+psycopg://me@host/db"


MISSING = """
import builtins, sys
from pathlib import Path
real = builtins.__import__
def without(name, *rest):
    if name.partition(".")[0] in ("boto3", "azure", "google", "sqlalchemy"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real(name, *rest)
builtins.__import__ = without
from tapdock.errors import UsageError
from tapdock.state.backends.base import open_backend
try:
    open_backend(sys.argv[1], Path("."))
except UsageError as error:
    print(error.message, error.hint, sep="|")
"""


@pytest.mark.parametrize(
    ("uri", "extra"),
    [("s3://b", "s3"), ("azblob://b", "azure"), ("gs://b", "gcs"), ("sqlite:///x", "sql"), ("mssql://h/d", "mssql")],
)
def test_a_missing_extra_is_named(uri, extra):
    told = subprocess.run([sys.executable, "-c", MISSING, uri], capture_output=True, text=True, check=True).stdout
    assert told.startswith("state in `")
    assert told.strip().endswith(f"|install it with `pip install 'tapdock[{extra}]'`")
