"""What every state backend does."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from tapdock.errors import Conflict, LeaseHeld, UsageError
from tapdock.state.base import holder_here, open_backend

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


def test_only_the_expected_version_is_removed(backend):
    first = backend.put("a", b"1", expected=None)
    second = backend.put("a", b"2", expected=first)
    with pytest.raises(Conflict):
        backend.delete("a", expected=first)
    backend.delete("a", expected=second)
    assert backend.get("a") is None
    backend.delete("a", expected=None)
    with pytest.raises(Conflict):
        backend.put("a", b"3", expected=second)


def test_of_many_writers_each_step_has_one_winner(backend, reopened):
    won: list[int] = []
    version = backend.put("a", b"0", expected=None)
    for step in range(1, 20):
        gate = threading.Barrier(4)

        def write(writer: int, version: str = version, step: int = step, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                reopened().put("a", b"%d by %d" % (step, writer), expected=version)
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


def test_a_second_holder_is_told_who_where_and_since_when(backend, reopened):
    with backend.hold("a", HOLDER), pytest.raises(LeaseHeld) as told, reopened().hold("a", HOLDER):
        pass
    assert told.value.message == (
        f"state `a` is in use by run r1 (process {os.getpid()} on {HOLDER.host}, since 2026-11-22 11:22:33Z)"
    )
    assert f"kill {os.getpid()}" in told.value.hint


def test_names_are_held_one_by_one_and_given_back(backend, reopened):
    with backend.hold("a", HOLDER), reopened().hold("b", HOLDER):
        pass
    with pytest.raises(RuntimeError), backend.hold("a", HOLDER):
        raise RuntimeError
    with reopened().hold("a", HOLDER):
        assert backend.names() == []


def race(uri: str, folder: str, gate, gone, results, rounds: int) -> None:
    """In each round, hold if possible until both have tried; tells (round, held)."""
    from pathlib import Path

    backend = open_backend(uri, Path(folder))
    for number in range(rounds):
        gate.wait(30)
        try:
            with backend.hold("a", holder_here(f"r{number}", since=0.0)):
                results.put((number, True))
                gone.wait(30)
        except LeaseHeld:
            results.put((number, False))
            gone.wait(30)


def test_two_processes_race_and_exactly_one_wins(uri, tmp_path):
    rounds = 50
    gate, gone, results = SPAWN.Barrier(2), SPAWN.Barrier(2), SPAWN.Queue()
    racers = [SPAWN.Process(target=race, args=(uri, str(tmp_path), gate, gone, results, rounds)) for _ in range(2)]
    for racer in racers:
        racer.start()
    outcomes = [results.get(timeout=30) for _ in range(2 * rounds)]
    for racer in racers:
        racer.join(30)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert sorted(outcomes) == [(number, held) for number in range(rounds) for held in (False, True)]


HOLD_FOREVER = """
import sys, time
from pathlib import Path
from tapdock.state.base import holder_here, open_backend
with open_backend(sys.argv[1], Path(sys.argv[2])).hold("a", holder_here("r1", since=0.0)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_lets_go_at_once(uri, tmp_path, backend):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_FOREVER, uri, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeld), backend.hold("a", HOLDER):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        with backend.hold("a", HOLDER):
            pass


@pytest.mark.parametrize("uri", ["s3://bucket/x", "azblob://c/x", "gs://b", "postgresql+psycopg://u:pa55@h/d"])
def test_backends_of_later_versions_are_refused_without_their_passwords(uri, tmp_path):
    with pytest.raises(UsageError, match="comes with a later version") as told:
        open_backend(uri, tmp_path)
    assert "pa55" not in told.value.message


def test_an_unknown_scheme_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"no state backend `ftp://`"):
        open_backend("ftp://x", tmp_path)
