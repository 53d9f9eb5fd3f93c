"""Tests records and logs of runs."""

import json
import stat

import pytest

from tapdock.errors import UsageError
from tapdock.events import StreamReport
from tapdock.runs import records
from tapdock.runs.records import ContainerRecord, ErrorRecord, RunRecord, Seconds, StateRecord


def record(number: int, **changes) -> RunRecord:
    values = {
        "run_id": records.new_run_id(1795346553 + number, "ab12cd"),
        "pipeline": "demo",
        "state_id": "default:faker-to-lake",
        "started_at": "2026-11-22T11:22:33Z",
        "status": "failed",
        "exit_code": 3,
        "error": ErrorRecord(side="source", message="it broke", hint="mend it"),
        "streams": (
            StreamReport(namespace=None, stream="users", records=5, bytes=60, status="complete", path="splice"),
        ),
        "state": StateRecord(committed=2, backend="/state"),
        "containers": (ContainerRecord(role="source", image="x", exit_code=1),),
        "seconds": Seconds(total=1.5, to_first_record=0.4),
        "relay": "runner",
    }
    return RunRecord(**{**values, **changes})


def read(folder, run: str) -> RunRecord | None:
    return records.record(folder, records.found_in(records.ids(folder), run))


def test_the_record_is_the_object_of_the_command_line():
    value = json.loads(records.to_json(record(0)))
    assert value["run_id"] == "20261122T112233Z-ab12cd"
    assert set(value) == {
        *("version", "run_id", "pipeline", "state_id", "started_at", "status", "exit_code", "error"),
        *("streams", "state", "containers", "seconds", "relay", "schema_changes", "labels", "annotations", "mapper"),
        *("limit", "kind", "window", "options", "schedule", "scheduled_for"),
    }
    assert set(value["error"]) == {"side", "message", "hint", "retryable"}
    assert set(value["streams"][0]) == {
        *("namespace", "stream", "records", "bytes", "status", "path", "reason"),
        *("empty", "set_aside", "rejected", "excluded", "undeclared", "filtered", "written"),
    }
    assert set(value["state"]) == {"committed", "backend", "cleared", "earlier"}
    assert set(value["containers"][0]) == {
        *("role", "image", "digest", "exit_code", "oom_killed", "peak_memory_bytes", "cpu_seconds"),
    }
    assert set(value["seconds"]) == {"total", "to_first_record"}


def test_a_record_comes_back_and_is_for_its_owner_only(tmp_path):
    file = records.write(tmp_path, record(0))
    assert read(tmp_path, "latest") == record(0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_the_record_of_another_run_is_none(tmp_path):
    file = records.write(tmp_path, record(0))
    other = records.write(tmp_path, record(1))
    other.write_bytes(file.read_bytes())
    assert records.record(tmp_path, record(1).run_id) is None


@pytest.mark.parametrize(
    "body", [b"{", b'{"run_id": "\xff"}', b'{"more": ' + b"[" * 100_000], ids=["torn", "text", "deep"]
)
def test_a_damaged_record_is_none(tmp_path, body):
    records.write(tmp_path, record(0)).write_bytes(body)
    assert records.record(tmp_path, record(0).run_id) is None


def test_a_record_can_be_written_again(tmp_path):
    records.write(tmp_path, record(0, status="running", exit_code=None))
    records.write(tmp_path, record(0))
    assert [read(tmp_path, run_id).status for run_id in records.ids(tmp_path)] == ["failed"]


def test_the_last_hundred_are_kept_newest_first(tmp_path):
    for number in range(105):
        records.write(tmp_path, record(number))
    kept = records.ids(tmp_path)
    assert kept == [record(number).run_id for number in range(104, 4, -1)]
    assert len(list((tmp_path / "runs").iterdir())) == 100


def test_a_run_is_found_by_its_beginning_or_end(tmp_path):
    for number in (0, 1):
        records.write(tmp_path, record(number))
    assert read(tmp_path, "20261122T112233").run_id == record(0).run_id
    assert read(tmp_path, "latest").run_id == record(1).run_id
    with pytest.raises(UsageError, match="matches 2 runs"):
        read(tmp_path, "2026")
    with pytest.raises(UsageError, match="no run `2025`"):
        read(tmp_path, "2025")


def test_no_run_yet(tmp_path):
    assert records.ids(tmp_path) == []
    with pytest.raises(UsageError, match="no run yet"):
        read(tmp_path, "latest")


def test_a_killed_run_leaves_its_log(tmp_path):
    run_id = record(0).run_id
    records.log_file(tmp_path, run_id).write_text('{"a": 1}\n{"b"')
    assert list(records.log_lines(tmp_path, run_id)) == ['{"a": 1}', '{"b"']
    assert records.ids(tmp_path) == [run_id]
    assert read(tmp_path, "latest") is None


def test_runs_of_one_second_are_sorted_by_time():
    """The newest run is the last one by its id, also if the one before it took less than a second."""
    moments = [1795346553 + place / 100 for place in range(100)]
    ids = [records.new_run_id(now, records.run_token(now)) for now in moments]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    assert all(records.RUN_ID.fullmatch(each) for each in ids)
