"""Tests that a run which is still active after 100 later runs keeps its log and its record."""

import os
import signal
import subprocess
import sys

import pytest

from tapdock.runs import records, rotation
from tapdock.runs.archive import Archive
from tapdock.runs.records import RunRecord, Seconds, StateRecord
from tapdock.state.backends.base import holder_here
from tapdock.state.backends.file import FileBackend

BEGAN = 1795346553
DAY = 24 * 3600


def record(at: float, *, status: records.Status = "succeeded", seconds: float = 1.0, state: str = "x") -> RunRecord:
    """Return the record of a run that started this many seconds after the first run."""
    return RunRecord(
        run_id=records.new_run_id(BEGAN + at, "ab12cd"),
        pipeline="demo",
        state_id=state,
        started_at="2026-11-22T11:22:33Z",
        status=status,
        exit_code=None if status == "running" else 0,
        state=StateRecord(committed=2, backend="/state"),
        seconds=Seconds(total=seconds),
    )


LONG = record(0, status="running")


class TestInTheProject:
    def test_a_run_outlasts_a_hundred_later_ones(self, tmp_path):
        with records.going_on(tmp_path, LONG.run_id):
            records.log_file(tmp_path, LONG.run_id).write_text("{}\n")
            records.write(tmp_path, LONG)
            for number in range(1, 121):
                records.write(tmp_path, record(number))
            assert len(records.ids(tmp_path)) == 101
            assert list(records.log_lines(tmp_path, LONG.run_id)) == ["{}"]
            file = records.write(tmp_path, record(0, seconds=130))
            assert file.exists()
        records.write(tmp_path, record(140))
        assert records.record(tmp_path, LONG.run_id) == record(0, seconds=130), "no hundred runs began since it ended"
        for number in range(141, 240):
            records.write(tmp_path, record(number))
        assert records.ids(tmp_path)[-1] == record(140).run_id

    def test_what_is_written_now_stays_also_without_a_lock(self, tmp_path):
        for number in range(1, 121):
            records.write(tmp_path, record(number))
        assert records.write(tmp_path, record(0)).exists()

    def test_a_run_that_was_killed_is_forgotten(self, tmp_path):
        program = (
            "import sys, time; from pathlib import Path; from tapdock.runs import records\n"
            f"with records.going_on(Path(sys.argv[1]), {LONG.run_id!r}):\n"
            "    print('going on', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout.readline() == "going on\n"
            records.write(tmp_path, LONG)
            for number in range(1, 102):
                records.write(tmp_path, record(number))
            assert LONG.run_id in records.ids(tmp_path)
            assert records.record(tmp_path, LONG.run_id).status == "running"
            run.send_signal(signal.SIGKILL)
            run.wait()
        assert records.record(tmp_path, LONG.run_id).status == "killed"
        records.write(tmp_path, record(102))
        assert LONG.run_id not in records.ids(tmp_path)

    def test_nothing_is_left_of_the_lock(self, tmp_path):
        with records.going_on(tmp_path, LONG.run_id):
            file = records.write(tmp_path, LONG)
        assert os.listdir(file.parent) == ["record.json"]

    def test_a_run_without_a_place_for_its_record_goes_on(self, tmp_path):
        (tmp_path / "runs").write_text("")
        with records.going_on(tmp_path, LONG.run_id):
            pass


class TestBesideTheState:
    @pytest.fixture
    def backend(self, tmp_path) -> FileBackend:
        return FileBackend(tmp_path / "state")

    @pytest.fixture
    def close(self, backend, tmp_path):
        """close(record) does the same as the end of a run."""
        (tmp_path / "log").write_text("{}\n")
        return lambda record: Archive(backend).close(record, tmp_path / "log")

    @pytest.mark.long
    def test_a_run_outlasts_a_hundred_later_ones(self, backend, close):
        archive = Archive(backend)
        archive.write(LONG)
        for number in range(1, 121):
            close(record(number))
        assert archive.read(LONG.run_id) == LONG
        close(record(0, seconds=130))
        close(record(140))
        assert archive.read(LONG.run_id) == record(0, seconds=130)
        assert list(archive.log_lines(LONG.run_id)) == ["{}"]
        for number in range(141, 240):
            close(record(number))
        assert archive.ids()[-1] == record(140).run_id

    @pytest.mark.long
    def test_a_run_that_was_killed_is_forgotten_after_seven_days(self, backend, close):
        archive = Archive(backend)
        archive.write(LONG)
        for number in range(1, 102):
            close(record(6 * DAY + number))
        assert LONG.run_id in archive.ids()
        close(record(7 * DAY))
        assert LONG.run_id not in archive.ids()

    def test_a_run_that_has_its_lease_is_going_on(self, backend, close):
        archive = Archive(backend)
        archive.write(LONG)
        with backend.acquire("x", holder_here(LONG.run_id, since=0.0)):
            for number in range(1, 102):
                close(record(30 * DAY + number))
            assert LONG.run_id in archive.ids()
        close(record(30 * DAY + 102))
        assert LONG.run_id not in archive.ids()


def test_an_id_without_a_time_began_never():
    assert rotation.began("20261122T112233Z-ab12cd") == BEGAN
    assert rotation.began("99999999T999999Z-a") is None
