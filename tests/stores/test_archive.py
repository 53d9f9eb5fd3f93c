"""Records and logs of runs beside their states, on every backend."""

import pytest

from tapdock import history
from tapdock.archive import Archive
from tapdock.errors import UsageError
from tapdock.history import RunRecord, Seconds, StateRecord


def record(number: int, *, status: history.Status = "succeeded") -> RunRecord:
    return RunRecord(
        run_id=history.new_run_id(1795346553 + number, "ab12cd"),
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
    with pytest.raises(UsageError, match="left no log"):
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


def test_inside_a_projects_own_folder_records_are_kept_anyway(tmp_path):
    from tapdock.state.base import open_backend

    assert Archive.beside(open_backend(".tapdock/state", tmp_path), tmp_path / ".tapdock") is None
    assert Archive.beside(open_backend("../state", tmp_path), tmp_path / ".tapdock") is not None
