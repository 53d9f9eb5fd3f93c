"""Tests the log of a run on disk. A flood is reduced to its beginning and its end."""

import json
import os
from pathlib import Path

import pytest

from tapdock.log import Log
from tapdock.runs.archive import Archive
from tapdock.runs.log_file import LogFile, log_to
from tapdock.runs.records import RunRecord, Seconds, StateRecord, log_file, log_lines
from tapdock.state.backends.file import FileBackend

LIMIT = 4000


def line(number: int) -> str:
    return (
        json.dumps({"time": f"t{number}", "event": "line", "message": f"{number:06} {'x' * 20}"}, separators=(",", ":"))
        + "\n"
    )


def numbers(lines: list[str]) -> list[int]:
    return [int(json.loads(each)["message"][:6]) for each in lines if "message" in each]


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def read(path: Path) -> list[str]:
    return list(log_lines(path.parents[2], path.parent.name))


@pytest.fixture
def path(tmp_path) -> Path:
    return log_file(tmp_path, "20261122T112233Z-ab12cd")


def test_a_short_log_is_one_file_as_it_was_written(path):
    with log_to(path, limit=LIMIT) as file:
        for number in range(10):
            file.write(line(number))
    assert path.read_text() == "".join(map(line, range(10)))
    assert files(path.parent).keys() == {"log.jsonl"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_of_a_flood_the_beginning_and_the_end_are_kept(path):
    with log_to(path, limit=LIMIT) as file:
        for number in range(5000):
            file.write(line(number))
            if not number % 100:
                assert sum(files(path.parent).values()) <= LIMIT
        assert all((path.parent / name).stat().st_mode & 0o777 == 0o600 for name in files(path.parent))
    assert files(path.parent).keys() == {"log.jsonl"}
    assert path.stat().st_size <= LIMIT + 200
    assert path.stat().st_mode & 0o777 == 0o600
    lines = read(path)
    kept = numbers(lines)
    (gap,) = [number for number, each in enumerate(lines) if "log shortened" in each]
    left_out = json.loads(lines[gap])["lines_left_out"]
    assert kept[:gap] == list(range(gap))
    assert kept[gap:] == list(range(gap + left_out, 5000))
    assert len(kept) + left_out == 5000
    assert gap * len(line(0)) > LIMIT / 2 - 100
    assert (5000 - kept[gap]) * len(line(0)) > LIMIT / 4 - 100
    assert json.loads(lines[gap])["time"] == f"t{kept[gap]}"


@pytest.mark.parametrize("count", [30, 40, 60, 61, 62, 300])
def test_a_run_that_is_killed_leaves_the_same_log(tmp_path, count):
    ended, killed = (log_file(tmp_path, f"20261122T112233Z-{name}") for name in ("ended", "killed"))
    with log_to(ended, limit=LIMIT) as file:
        for number in range(count):
            file.write(line(number))
    file = LogFile(killed, limit=LIMIT)
    for number in range(count):
        file.write(line(number))
    assert read(killed) == read(ended)
    assert numbers(read(ended))[-1] == count - 1


@pytest.mark.parametrize("count", [35, 60, 300])
def test_pieces_that_were_joined_and_not_removed_count_once(path, count):
    file = LogFile(path, limit=LIMIT)
    for number in range(count):
        file.write(line(number))
    copies = {piece: piece.read_bytes() for piece in path.parent.iterdir() if piece != path}
    file.close()
    expected = read(path)
    for piece, content in copies.items():
        piece.write_bytes(content)
    assert read(path) == expected


def test_where_a_log_cannot_be_joined_it_is_read_all_the_same(path):
    with log_to(path, limit=LIMIT) as file:
        for number in range(300):
            file.write(line(number))
        (path.parent / ".log.jsonl.joined").mkdir()  # nothing can be written to this path
    assert numbers(read(path))[-1] == 299


def test_a_line_may_be_longer_than_a_piece(path):
    with log_to(path, limit=LIMIT) as file:
        for number in range(100):
            file.write(line(number))
        file.write(json.dumps({"message": f"000100 {'y' * LIMIT}"}) + "\n")
    assert numbers(read(path))[-1] == 100


def test_a_log_writes_through_it(path):
    with log_to(path, limit=LIMIT) as file:
        log = Log("r1", file=file)
        for number in range(300):
            log.line("source", "info", f"{number:06} {'x' * 20}")
    assert numbers(read(path))[-1] == 299
    assert sum("log shortened" in each for each in read(path)) == 1


def test_the_archive_keeps_the_end_of_a_flood(path, tmp_path):
    with log_to(path, limit=LIMIT) as file:
        for number in range(5000):
            file.write(line(number))
    record = RunRecord(
        run_id=path.parent.name,
        pipeline="demo",
        state_id="default:demo",
        started_at="2026-11-22T11:22:33Z",
        status="failed",
        exit_code=3,
        state=StateRecord(committed=0, backend="/s"),
        seconds=Seconds(total=1.0),
    )
    archive = Archive(FileBackend(tmp_path / "elsewhere"))
    archive.close(record, path)
    assert list(archive.log_lines(record.run_id)) == read(path)


def test_a_full_disk_is_reported_once_and_ends_no_run():
    shown: list[str] = []
    with log_to(Path("/dev/full")) as file:
        log = Log("r1", write=shown.append, file=file)
        log.info("one")
        log.info("two")
    assert [text for text in shown if "no longer written" in text] == [shown[0]]
    assert len(shown) == 3
    assert os.stat("/dev/full").st_rdev
