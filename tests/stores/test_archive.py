"""Tests records and logs of runs in the state backend, on every backend."""

import gzip
import subprocess
import sys
import threading

import pytest

from engines.project import wait_for
from tapdock.errors import StateError, UsageError
from tapdock.runs import records
from tapdock.runs.archive import Archive
from tapdock.runs.records import RunRecord, Seconds, StateRecord


def record(number: int, *, status: records.Status = "succeeded") -> RunRecord:
    return RunRecord(
        run_id=records.new_run_id(1795346553 + number, "ab12cd"),
        pipeline="demo",
        state_id="default:faker-to-lake",
        started_at="2026-11-22T11:22:33Z",
        status=status,
        exit_code=None if status == "running" else 0,
        state=StateRecord(committed=2, backend="/state"),
        seconds=Seconds(total=1.5),
    )


def test_a_run_is_read_from_elsewhere(backend, reopened, tmp_path):
    archive = Archive(backend)
    archive.write(record(0, status="running"))
    assert Archive(reopened()).read(record(0).run_id).status == "running"
    (tmp_path / "log.jsonl").write_text('{"event": "ä"}\n{"event": "b"}\n')
    archive.close(record(0), tmp_path / "log.jsonl")
    elsewhere = Archive(reopened())
    assert elsewhere.ids() == [record(0).run_id]
    assert elsewhere.read(record(0).run_id) == record(0)
    assert list(elsewhere.log_lines(record(0).run_id)) == ['{"event": "ä"}', '{"event": "b"}']
    assert elsewhere.read("20200101T000000Z-nobody") is None
    with pytest.raises(UsageError, match="has no log"):
        list(elsewhere.log_lines("20200101T000000Z-nobody"))


def test_the_record_of_another_run_is_none(backend):
    Archive(backend).write(record(0))
    backend.put(f"runs/{record(1).run_id}", backend.get(f"runs/{record(0).run_id}").body, expected=None)
    assert Archive(backend).read(record(1).run_id) is None


def test_of_a_long_log_the_end_is_kept_in_whole_lines(backend, tmp_path):
    lines = [f"{number:>100}" for number in range(20_000)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    Archive(backend).close(record(0), tmp_path / "log.jsonl")
    kept = list(Archive(backend).log_lines(record(0).run_id))
    assert kept == lines[-len(kept) :]
    assert 10_000 < len(kept) < 10_500


def test_the_last_hundred_runs_are_kept(backend, kind, tmp_path):
    if kind not in ("file", "sqlite"):
        pytest.skip("the same code as over the quick ones")
    (tmp_path / "log.jsonl").write_text("x\n")
    for number in range(103):
        Archive(backend).close(record(number), tmp_path / "log.jsonl")
    assert Archive(backend).ids() == [record(number).run_id for number in range(102, 2, -1)]
    assert len(backend.names("runs/")) == 200


def test_what_is_no_run_is_not_listed_and_not_removed(backend, tmp_path):
    for name in ("runs/zzz", "runs/\x1b[31m", f"runs/{record(0).run_id}/more", f"runs/{record(0).run_id}"):
        backend.put(name, b"{}", expected=None)
    assert Archive(backend).ids() == [record(0).run_id]
    Archive(backend).close(record(1), tmp_path / "no log")
    assert "runs/zzz" in backend.names("runs/")


def test_many_old_runs_are_removed_in_small_parts(backend, kind, tmp_path):
    if kind not in ("file", "sqlite"):
        pytest.skip("the same code as over the quick ones")
    for number in range(150):
        backend.put(f"runs/{record(number).run_id}", b"{}", expected=None)
    counts = []
    for number in range(150, 154):
        Archive(backend).close(record(number), tmp_path / "no log")
        counts.append(len(Archive(backend).ids()))
    assert counts == [131, 112, 100, 100]


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 100)[:-12]], ids=["other", "torn"])
def test_a_damaged_log_is_reported(backend, body):
    backend.put(f"runs/{record(0).run_id}/log", body, expected=None)
    with pytest.raises(StateError, match="is damaged"):
        list(Archive(backend).log_lines(record(0).run_id))


def test_a_log_is_unpacked_to_its_limit(backend):
    """Compressed, ten million lines have only a few kilobytes."""
    bomb = gzip.compress(b"x\n" * 10_000_000)
    backend.put(f"runs/{record(0).run_id}/log", bomb, expected=None)
    assert len(list(Archive(backend).log_lines(record(0).run_id))) == 1 << 19


class Stuck:
    """A backend that does not answer one kind of request before the test ends."""

    def __init__(self, backend, call: str) -> None:
        self.over = threading.Event()
        self._backend = backend
        self._call = call

    def __getattr__(self, name):
        if name == self._call:
            return lambda *_, **__: self.over.wait() and None
        return getattr(self._backend, name)


@pytest.mark.parametrize("call", ["get", "put", "names"])
def test_a_run_does_not_wait_for_an_archive_that_does_not_answer(backend, tmp_path, call):
    """One example is an endless listing."""
    stuck = Stuck(backend, call)
    with pytest.raises(StateError, match=r"took longer than 0.2 s"):
        Archive(stuck, seconds=0.2).close(record(0), tmp_path / "no log")
    stuck.over.set()
    if call == "names":
        wait_for(lambda: Archive(backend).read(record(0).run_id) == record(0), "the record, which is written meanwhile")


SIGNALLED = """
import os, signal, threading
from tapdock.errors import Interrupted
from tapdock.state.backends.limits import within

def stop(number, frame):
    raise Interrupted("stopped", exit_code=143)

signal.signal(signal.SIGTERM, stop)

def never():
    os.kill(os.getpid(), signal.SIGTERM)  # handled by the main thread, as all are
    threading.Event().wait()

try:
    within(600, never)
except Interrupted:
    print("ended", flush=True)
"""


def test_a_signal_ends_the_wait_and_the_process():
    ended = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "ended\n"


def test_inside_a_projects_own_folder_records_are_kept_anyway(tmp_path):
    from tapdock.state.backends.base import open_backend

    assert Archive.beside(open_backend(".tapdock/state", tmp_path), tmp_path / ".tapdock") is None
    assert Archive.beside(open_backend("../state", tmp_path), tmp_path / ".tapdock") is not None
