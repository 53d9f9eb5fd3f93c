"""Tests the pure functions of `scripts/bench`, and the small programs with which it measures."""

import ast
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAMS = SCRIPTS / "benchmarks" / "programs"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)


@pytest.fixture
def rows() -> Any:
    return importlib.import_module("benchmarks.rows")


def declared(*extras: str) -> set[str]:
    """Return the names of the packages that `scripts/venv` installs for these extras."""
    project = tomllib.loads((SCRIPTS.parent / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.split(r"[^\w.-]", requirement)[0].lower() for group in groups for requirement in group}


def test_all_that_it_imports_is_declared() -> None:
    """On another machine, an undeclared package may be missing."""
    providers = importlib.metadata.packages_distributions()
    imported: set[str] = set()
    for file in (SCRIPTS / "benchmarks").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    others = imported - {"benchmarks", "tapdock"} - set(sys.stdlib_module_names)
    undeclared = {name for name in others if not {found.lower() for found in providers[name]} & declared("bench")}
    assert others
    assert undeclared == set()


def test_on_a_fresh_clone_it_first_makes_what_it_needs(tmp_path: Path) -> None:
    """The called programs are stubs: each reports its arguments, and the stub of `scripts/venv` makes the Python."""
    stand_in = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n'
    make_python = 'mkdir -p "$BIN" && cp "$(dirname "$0")/engine" "$BIN/python"\n'
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPTS / "bench", tmp_path / "scripts")
    for name, more in (("engine", ""), ("venv", make_python)):
        script = tmp_path / "scripts" / name
        script.write_text(stand_in + more)
        script.chmod(0o755)
    log = tmp_path / "log"
    environ = {**os.environ, "LOG": str(log), "BIN": str(tmp_path / ".venv" / "bin")}
    subprocess.run([tmp_path / "scripts" / "bench", "--quick"], env=environ, check=True)
    assert log.read_text().replace(f"{tmp_path}/", "").splitlines() == [
        "engine ",
        "venv bench",
        "python scripts/benchmarks --quick",
    ]


@pytest.mark.long
def test_its_folder_runs_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / "benchmarks", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: scripts/bench ")


def test_a_ratio_is_that_of_medians(rows: Any) -> None:
    row = rows.Row(name="r", unit="s", ours=[1.0, 2.0, 90.0], floor=[4.0, 4.0, 1.0], budget=rows.Budget(0.5))
    assert row.ratio == 0.5
    assert row.verdict == "ok"


@pytest.mark.parametrize(
    ("limit", "of", "verdict"),
    [(0.99, "ratio", "missed"), (1.0, "ratio", "ok"), (2.0, "ours", "ok"), (1.9, "ours", "missed")],
)
def test_a_budget_limits_the_ratio_or_our_own_number(rows: Any, limit: float, of: str, verdict: str) -> None:
    row = rows.Row(name="r", unit="s", ours=[2.0], floor=[2.0], budget=rows.Budget(limit, of))
    assert row.verdict == verdict


def test_without_floor_and_budget_there_is_neither_ratio_nor_verdict(rows: Any) -> None:
    row = rows.Row(name="r", unit="MB/s", ours=[2.0])
    assert (row.ratio, row.verdict) == (None, None)


def test_spread(rows: Any) -> None:
    assert rows.spread([9.0, 10.0, 12.0]) == pytest.approx(0.3)
    assert rows.spread([10.0]) is None


def test_the_table_is_aligned(rows: Any) -> None:
    lines = rows.table(
        [
            rows.Row(name="wall", unit="s", ours=[16.0, 16.4], floor=[18.0, 18.0], budget=rows.Budget(1.0)),
            rows.Row(name="latency", unit="ms", ours=[0.1234], budget=rows.Budget(5, of="ours")),
        ]
    ).splitlines()
    assert lines == [
        "row      ours   floor  unit  ratio  budget  verdict  spread",
        "wall     16.2   18.0   s     0.90   1.00 x  ok       2% / 0%",
        "latency  0.123         ms           5 ms    ok",
    ]


def test_json_has_what_the_table_has(rows: Any) -> None:
    row = rows.Row(name="wall", unit="s", ours=[3.0, 1.0, 2.0], floor=[4.0], budget=rows.Budget(1.05))
    told = json.loads(json.dumps(rows.as_json([row], {"cores": 2})))
    assert told["machine"] == {"cores": 2}
    assert told["rows"] == [
        {
            "name": "wall",
            "ours": 2.0,
            "floor": 4.0,
            "unit": "s",
            "ratio": 0.5,
            "budget": 1.05,
            "budget_of": "ratio",
            "verdict": "ok",
            "rounds": {"ours": [3.0, 1.0, 2.0], "floor": [4.0]},
        }
    ]


def test_a_command_is_measured() -> None:
    processes = importlib.import_module("benchmarks.processes")
    cost = processes.measure([sys.executable, "-c", "print(bytearray(50_000_000).count(0))"], keep_output=True)
    assert cost.output == b"50000000\n"
    assert 50 < cost.megabytes < 150
    assert cost.seconds > 0


def test_a_command_that_fails_is_named_with_its_last_words() -> None:
    processes = importlib.import_module("benchmarks.processes")
    with pytest.raises(processes.BenchError, match=r"(?s)`sh -c .*failed: so it is"):
        processes.measure(["sh", "-c", "echo so it is >&2; exit 3"])


def test_a_package_weighs_more_than_what_it_requires() -> None:
    inside = importlib.import_module("benchmarks.inside")
    assert inside.installed_bytes("tapdock") > inside.installed_bytes("docker") > 100_000


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_null_target_finds_states_however_they_are_cut(size: int) -> None:
    record = b'{"type":"RECORD","stream":"s","record":{"a":"{\\"type\\":\\"STATE\\"}"}}\n'
    lines = b"".join([b'{"type":"STATE","value":{"seq":0}}\n', record, b'{"type":"STATE","value":{"seq":1}}\n', record])
    with subprocess.Popen(
        [sys.executable, PROGRAMS / "null_target.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as target:
        assert target.stdin
        assert target.stdout
        for start in range(0, len(lines), size):
            target.stdin.write(lines[start : start + size])
            target.stdin.flush()
        target.stdin.close()
        states = [json.loads(line)["seq"] for line in target.stdout]
    assert target.returncode == 0
    assert states[-1] == 1


def test_the_replay_source_repeats(tmp_path: Path) -> None:
    program = (PROGRAMS / "replay_source.sh").read_text().replace("/recording", str(tmp_path))
    (tmp_path / "messages.jsonl").write_text("one\n")
    (tmp_path / "config.json").write_text('{"times":3}')
    arguments = ["read", "--config", str(tmp_path / "config.json"), "--catalog", "none"]
    done = subprocess.run(["sh", "-c", program, "replay", *arguments], capture_output=True, check=True)
    assert done.stdout == b"one\n" * 3


def test_lone_records_say_how_long_they_were_under_way(tmp_path: Path) -> None:
    taken = tmp_path / "taken.json"
    (tmp_path / "source.json").write_text('{"records": 3, "gap_seconds": 0.01}')
    (tmp_path / "target.json").write_text(json.dumps({"path": str(taken)}))
    source = f"{sys.executable} {PROGRAMS}/lone_source.py read --config {tmp_path}/source.json"
    target = f"{sys.executable} {PROGRAMS}/lone_target.py --config {tmp_path}/target.json"
    subprocess.run(["sh", "-c", f"{source} | {target}"], check=True)
    assert len(json.loads(taken.read_text())) == 3
    assert all(0 < nanoseconds < 5e9 for nanoseconds in json.loads(taken.read_text()))


def test_all_that_a_paced_tap_prints_reaches_a_pausing_target(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"records": 120}')
    tap = [sys.executable, "-I", "-S", str(PROGRAMS / "paced_tap.py"), "--config", str(tmp_path / "config.json")]
    printed = subprocess.run(tap, capture_output=True, check=True).stdout
    records = [line for line in printed.splitlines() if b'"RECORD"' in line]
    assert [json.loads(line)["record"]["id"] for line in records] == [*range(1, 121)]
    assert {round(len(line), -2) for line in records} == {1000}
    target = [sys.executable, "-I", "-S", str(PROGRAMS / "pausing_target.py"), "--config", "none"]
    done = subprocess.run(target, input=printed, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"bookmarks": {"paced": {"id": 120}}}
