"""Tests what a person sees of a run: tables of a narrow terminal, the live table, and the order of the last lines."""

import json
import os
import pty
import subprocess
import sys

import msgspec
import pytest

from tapdock.cli.display import most_urgent
from tapdock.events import StreamReport
from tapdock.runs.records import ErrorRecord, RunRecord, Seconds, StateRecord, to_json

LONG = [
    ["public-a_very_long_name_of_a_stream_that_goes_on_and_on", "12,345,678", "1.2 GB", "complete: everything arrived"]
]


def on_terminal(code: str, *, columns: int = 80) -> list[str]:
    """Return the lines that a program prints on a terminal of that width."""
    ours, its = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    program = subprocess.Popen([sys.executable, "-c", code], stdout=its, stderr=its, env=environ)
    os.close(its)
    found = b""
    try:
        while chunk := os.read(ours, 4096):
            found += chunk
    except OSError:
        pass  # the program has closed the terminal
    os.close(ours)
    assert program.wait() == 0
    return found.decode().splitlines()


@pytest.mark.parametrize("columns", [120, 80, 60])
def test_a_table_is_wrapped_and_never_cut(columns):
    names = ["stream", "records", "size", "status"]
    code = f"from tapdock.text.output import print_table; print_table({names!r}, {LONG!r})"
    lines = on_terminal(code, columns=columns)
    assert all(len(line) <= columns or len(line.split()) == 2 for line in lines)
    words = lambda text: sorted(text.split())  # noqa: E731
    assert words(" ".join(lines)) == words(" ".join([*names, *LONG[0]])), "each word is whole"


def test_a_table_that_is_not_on_a_terminal_has_whole_lines():
    code = f"from tapdock.text.output import print_table; print_table(['a','b','c','d'], {LONG!r})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[1].split("  ") == LONG[0]


def report(name: str, status: str) -> StreamReport:
    return StreamReport(namespace=None, stream=name, records=1, bytes=9, status=status, path="splice")


def test_the_live_table_shows_first_what_needs_attention():
    reports = [report("a", "complete"), report("b", "running"), report("c", "failed"), report("d", "complete")]
    assert [each.stream for each in most_urgent(reports, 10)[0]] == ["c", "b", "a", "d"]
    shown, left_out = most_urgent(reports, 3)
    assert [each.stream for each in shown] == ["c", "b"]
    assert left_out == 2


@pytest.mark.parametrize(("status", "color"), [("succeeded", "32"), ("failed", "31")])
def test_the_reason_and_its_hint_are_the_last_lines(status, color):
    record = RunRecord(
        run_id="r1",
        pipeline="demo",
        state_id="default:a-to-b",
        started_at="2026-01-01T00:00:00Z",
        status=status,
        exit_code=0 if status == "succeeded" else 3,
        error=ErrorRecord(side="source", message="no such host", hint="check `host`") if status == "failed" else None,
        streams=(report("users", "complete"),),
        state=StateRecord(committed=0, backend="/s"),
        seconds=Seconds(total=1.5),
    )
    code = f"""
import msgspec
from tapdock.cli.display import Display, Screen, View
from tapdock.runs.records import RunRecord
record = msgspec.json.decode({to_json(record)!r}, type=RunRecord)
Display('demo', View(several=False), Screen()).ended(record)"""
    lines = on_terminal(code)
    results = [
        place for place, line in enumerate(lines) if line.startswith(f"demo \x1b[{color}m{status}\x1b[0m in 1.5 s")
    ]
    assert results == [2]
    assert lines[3:] == (["error: no such host", "hint: check `host`"] if status == "failed" else [])


TAP = """#!%s
import json, sys
schema = {"properties": {"id": {"type": "integer"}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"tap_stream_id": "users", "stream": "users", "schema": schema}]}))
elif "--about" in sys.argv:
    sys.exit(2)
else:
    print(json.dumps({"type": "SCHEMA", "stream": "users", "schema": schema, "key_properties": []}))
"""
TARGET = """#!%s
import sys
if "--about" in sys.argv:
    sys.exit(2)
sys.stdin.read()
for number in range(30):
    print(f"INFO line {number}", file=sys.stderr)
sys.exit(1)
"""


@pytest.mark.long
def test_the_lines_of_the_side_that_failed_precede_the_end_of_the_run(tapdock, folder):
    for name, text in (("tap", TAP), ("target", TARGET)):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
    sources = {"shop": {"image": str(folder / "tap"), "kind": "singer"}}
    targets = {"lake": {"image": str(folder / "target"), "kind": "singer"}}
    (folder / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": sources, "targets": targets}))
    ended = tapdock("run", "shop", "lake", TAPDOCK_ENGINE="local")
    assert ended.returncode == 4
    *_, line, run_ended, lines, error = [line for line in ended.stderr.splitlines() if not line.startswith("hint: ")]
    assert "target | INFO line 29" in line
    assert "run ended  status=failed  exit_code=4" in run_ended
    assert lines.startswith("30 lines of target are in the log: `tapdock runs logs ")
    assert error == "error: the target exited with 1", "a line for information is no reason"
    *lines, run_ended = tapdock("runs", "logs").stdout.splitlines()
    assert "run ended" in run_ended
    assert any("target | INFO line 29" in line for line in lines)


def test_undeclared_fields_are_counted_in_words():
    counts = {"plan": 1200, "tags": 1, **{f"x{number}": 2 for number in range(5)}}
    said = msgspec.structs.replace(report("users", "complete"), undeclared=counts).undeclared_fields
    assert said.startswith("`plan` in 1,200 records, `tags` in 1 record, `x0` in 2 records")
    assert said.endswith(", 2 more")
    assert report("users", "complete").undeclared_fields == ""
