"""Rows without containers: CPU of the translation, latency, and the command line itself."""

import importlib.metadata
import importlib.util
import json
import os
import shlex
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from packaging.requirements import Requirement

from benchmarks.bench import TAPDOCK, Bench
from benchmarks.processes import PROGRAMS, BenchError, measure
from benchmarks.routes import without_a_field
from benchmarks.rows import Budget, Row
from benchmarks.runs import translator
from tapdock.project.maps import MapKeys
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.relay.pump import Pump
from tapdock.translate.maps.settings import MapSettings, checked

__all__ = ["cli", "cpu", "installed_bytes", "latency", "program"]

_LONE = {"gap_seconds": 0.2}
_REPEATS = 5
"""Measurements of less than a second are repeated in a round."""


def cpu(bench: Bench) -> list[Row]:
    """Measure CPU time per record, read and written: with bodies spliced, and with a field excluded.

    Of the last row, one stream with few records has a map. The others are spliced as without it.
    """
    spliced = bench.recording.streams
    rewritten = tuple(without_a_field(stream) for stream in spliced)
    maps = checked(MapKeys(maps={"products": {"make": "make.upper()"}}))
    works = {
        "spliced": lambda: _pumped(bench, spliced),
        "beside": lambda: _pumped(bench, spliced, maps),
        "rewritten": lambda: _pumped(bench, rewritten),
    }
    values = bench.interleaved(works, rounds=bench.rounds * _REPEATS)
    name = "CPU per record, Airbyte to Singer"
    return [
        Row(name=f"{name}: spliced", unit="us", ours=values["spliced"], budget=Budget(2.5, of="ours")),
        Row(name=f"{name}: rewritten", unit="us", ours=values["rewritten"], budget=Budget(8, of="ours")),
        Row(
            name=f"{name}, a map on another stream: without",
            unit="us",
            ours=values["beside"],
            floor=values["spliced"],
            budget=Budget(1.1),
        ),
    ]


class _File:
    """A file instead of a connector's pipe, to read from or to write to."""

    def __init__(self, fd: int) -> None:
        self.out = self.input = fd

    def taken(self) -> bool:
        return True

    def end_input(self) -> None:
        pass


def _pumped(bench: Bench, streams: tuple[ConfiguredStream, ...], maps: MapSettings | None = None) -> float:
    """Return microseconds per record in the pump of a run, which reads batches of the same size."""
    translation = translator(streams, maps)
    with bench.recording.messages.open("rb") as source, Path(os.devnull).open("wb") as target:
        ends: tuple[Any, Any] = (_File(source.fileno()), _File(target.fileno()))
        pump = Pump(ends[0], ends[1], translation, time.monotonic)
        pump.ending.tell(complete=True)
        started = time.process_time()
        pump.run(lambda: None)
        seconds = time.process_time() - started
    if pump.error:
        raise BenchError(str(pump.error))
    return seconds / sum(report.records for report in translation.counts.reports()) * 1e6


def latency(bench: Bench) -> list[Row]:
    """Measure the latency of single records. The floor is the same two programs with only a pipe between them."""
    source, target = (program(bench.folder, name) for name in ("lone_source", "lone_target"))
    taken = bench.folder / "taken.json"
    config, settings = {"records": bench.sizes.lone_records, **_LONE}, {"path": str(taken)}
    project = bench.project(
        "latency",
        source={"image": str(source), "kind": "airbyte", "config": config},
        target={"image": str(target), "kind": "singer", "config": settings},
        local=True,
    )
    given, told = bench.file("lone.json", config), bench.file("lone-target.json", settings)
    bare = f"{source} read --config {given} | {target} --config {told}"

    def milliseconds() -> float:
        return float(median(json.loads(taken.read_text()))) / 1e6

    def ours() -> float:
        project.run(records=bench.sizes.lone_records)
        return milliseconds()

    def floor() -> float:
        measure(["sh", "-c", bare])
        return milliseconds()

    values = bench.interleaved({"ours": ours, "pipe": floor})
    name = "latency of a lone record: bare pipe"
    return [Row(name=name, unit="ms", ours=values["ours"], floor=values["pipe"], budget=Budget(5, of="ours"))]


def program(folder: Path, name: str) -> Path:
    """Write a program that starts one of `programs/` with this Python, and return its path."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {PROGRAMS / name}.py "$@"\n')
    path.chmod(0o755)
    return path


def cli(bench: Bench) -> list[Row]:
    """Measure the start of the command line, in comparison with a Python that does nothing."""
    rows = []
    for flag in ("--version", "--help"):
        ours, floor = [], []
        for _ in range(bench.rounds * _REPEATS):
            ours.append(measure([TAPDOCK, flag]))
            floor.append(measure([sys.executable, "-c", "pass"]))
        name = f"tapdock {flag}"
        seconds = [cost.seconds for cost in ours], [cost.seconds for cost in floor]
        megabytes = [cost.megabytes for cost in ours], [cost.megabytes for cost in floor]
        rows.append(Row(name=name, unit="s", ours=seconds[0], floor=seconds[1], budget=Budget(0.25, of="ours")))
        rows.append(Row(name=name, unit="MB", ours=megabytes[0], floor=megabytes[1], budget=Budget(45, of="ours")))
    size = installed_bytes("tapdock") / 1e6
    rows.append(Row(name="installed, without extras", unit="MB", ours=[size], budget=Budget(40, of="ours")))
    return rows


def installed_bytes(package: str) -> int:
    """Return the bytes on disk of a package and all its requirements, including bytecode that exists."""
    files: set[Path] = set()
    for name in _closure(package):
        for file in importlib.metadata.files(name) or ():
            path = Path(str(file.locate()))
            files |= {path, Path(importlib.util.cache_from_source(str(path)))} if path.suffix == ".py" else {path}
    spec = importlib.util.find_spec(package)
    if spec and spec.origin:  # an editable install does not list its own files
        files |= set(Path(spec.origin).parent.rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())


def _closure(package: str) -> set[str]:
    found: set[str] = set()
    left = [Requirement(package)]
    while left:
        wanted = left.pop()
        if wanted.name in found:
            continue
        found.add(wanted.name)
        extras = wanted.extras or {""}
        for text in importlib.metadata.requires(wanted.name) or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(needed)
    return found
