"""Tests `runs logs --follow`: every line once, in order, until the run has ended, however it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tapdock.cli import main
from tapdock.runs import rotation
from tapdock.runs.growing_log import GrowingLog, followed
from tapdock.runs.log_file import LogFile, log_lines
from tapdock.runs.records import RunRecord, Seconds, StateRecord, log_file, write

RUN = "20261122T112233Z-ab12cd"
LIMIT = 4000


def line(number: int) -> str:
    return json.dumps({"time": f"t{number}", "event": "line", "message": f"{number:06} {'x' * 20}"}) + "\n"


def numbers(lines: list[str]) -> list[int]:
    return [int(json.loads(each)["message"][:6]) for each in lines if "message" in each]


@pytest.fixture
def path(tmp_path) -> Path:
    return log_file(tmp_path, RUN)


@pytest.mark.parametrize("turn", [1, 7, 50, 61, 1000])
@pytest.mark.parametrize("count", [10, 61, 300])
def test_each_line_is_read_once_although_pieces_are_joined(path, turn, count):
    """A reader that is slower than the pieces are removed reports how many lines it has missed."""
    growing, written, found = GrowingLog(path), LogFile(path, limit=LIMIT), []
    for number in range(count):
        if not number % turn:
            found += growing.new(is_over=False)
        written.write(line(number))
    written.close()
    found += growing.new(is_over=True)
    left_out = sum(json.loads(each).get("lines_left_out", 0) for each in found)
    assert numbers(found) == sorted(set(numbers(found)))
    assert len(numbers(found)) + left_out == count
    assert numbers(found)[-1] == count - 1
    if turn <= 7:
        assert left_out == 0
    if turn == 1000:
        assert found == list(log_lines(path))


def test_the_log_of_a_killed_run_is_read_to_its_incomplete_end(path):
    growing = GrowingLog(path)
    path.write_text(line(0) + '{"half')
    assert numbers(list(growing.new(is_over=False))) == [0]
    assert list(growing.new(is_over=True)) == ['{"half']


def test_a_log_that_does_not_exist_yet_is_waited_for(path):
    happening = iter([lambda: None, lambda: path.write_text(line(0)), lambda: path.write_text(line(0) + line(1))])
    over = iter([True, False, False, True, True])
    turns = followed(
        GrowingLog(path), tail=None, is_over=lambda: next(over), wait=lambda: next(happening, lambda: None)()
    )
    assert numbers([each for each in turns if each]) == [0, 1]
    assert list(over) == []


def test_the_last_lines_and_those_that_follow(path):
    path.write_text("".join(map(line, range(9))))
    turns = followed(
        GrowingLog(path), tail=2, is_over=lambda: True, wait=lambda: path.write_text("".join(map(line, range(11))))
    )
    assert numbers([each for each in turns if each]) == [7, 8, 9, 10]


# --- the command -----------------------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from tapdock.runs.rotation import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    (tmp_path / "tapdock.yaml").write_text("version: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tail_prints_the_last_entries(project, capsys):
    log_file(project / ".tapdock", RUN).write_text("".join(map(line, range(9))))
    assert main(["runs", "logs", "--tail", "2", "--json"]) == 0
    assert numbers(capsys.readouterr().out.splitlines()) == [7, 8]
    assert main(["runs", "logs", "--tail", "0"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.long
def test_following_ends_with_the_process_of_the_run(project):
    """No record says that a killed run has ended."""
    path = log_file(project / ".tapdock", RUN)
    path.write_text(line(0))
    state = StateRecord(committed=0, backend="x")
    write(
        project / ".tapdock",
        RunRecord(
            run_id=RUN,
            pipeline="demo",
            state_id="default:a-to-b",
            started_at="2026-11-22T11:22:33.000+00:00",
            status="running",
            exit_code=None,
            state=state,
            seconds=Seconds(total=0.0),
        ),
    )
    run = [sys.executable, "-c", HOLDER, str(path.parent)]
    follow = [sys.executable, "-m", "tapdock", "runs", "logs", "--follow", "--json"]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
            assert numbers([reader.stdout.readline()]) == [0]
            with path.open("a") as more:
                more.write(line(1))
            assert numbers([reader.stdout.readline()]) == [1], "printed at once, also into a pipe"
            assert rotation.is_going_on(path.parent)
            with path.open("a") as more:
                more.write(line(2))
            holder.kill()
            output, errors = reader.communicate()
        assert (numbers(output.splitlines()), errors, reader.returncode) == ([2], "", 0)


@pytest.mark.long
def test_ctrl_c_ends_following_quietly(project):
    path = log_file(project / ".tapdock", RUN)
    path.write_text(line(0))
    follow = [sys.executable, "-m", "tapdock", "runs", "logs", "--follow", "--json"]
    with (
        rotation.locked(path.parent),
        subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader,
    ):
        reader.stdout.readline()
        reader.send_signal(signal.SIGINT)
        assert (*reader.communicate(), reader.returncode) == ("", "", 130)
