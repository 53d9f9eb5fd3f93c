"""Rows of the four routes: seconds per gigabyte between two processes, in comparison with a pump that copies bytes."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.bench import Bench
from benchmarks.processes import BenchError
from benchmarks.rows import Budget, Row
from tapdock.connectors.selection import select_streams
from tapdock.events import Event, StreamReport
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.relay.pump import Pump
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.catalogs.wrapped_tap import singer_catalog
from tapdock.translate.counts import Counts
from tapdock.translate.notices import Notices

__all__ = ["routes", "without_a_field"]

_UNTOUCHED = ("airbyte-airbyte", "singer-singer")


def routes(bench: Bench) -> list[Row]:
    """Measure each route with spliced and with rewritten bodies."""
    works: dict[str, Callable[[], float]] = {}
    for dialect, file in (("airbyte", bench.recording.messages), ("singer", _as_singer(bench))):
        times = max(1, bench.sizes.replays)
        works[f"copy {dialect}"] = lambda file=file, times=times: _seconds(_Copy(), file, times)
        for route in (name for name in ROUTES if name.startswith(f"{dialect}-")):
            for path in ("spliced", "rewritten"):
                works[f"{route} {path}"] = lambda r=route, p=path, f=file, t=times: _seconds(_made(bench, r, p), f, t)
    values = bench.interleaved(works)
    rows = []
    for route in ROUTES:
        floor = values[f"copy {route.partition('-')[0]}"]
        for path in ("spliced", "rewritten"):
            budget = Budget(1.2) if route in _UNTOUCHED and path == "spliced" else None
            name = f"route {route}, {path}: a copy of the bytes"
            rows.append(Row(name=name, unit="s/GB", ours=values[f"{route} {path}"], floor=floor, budget=budget))
    return rows


def _as_singer(bench: Bench) -> Path:
    """Write the recording as the messages of a tap, and return the file."""
    path = bench.folder / "tap.jsonl"
    translation = ROUTES["airbyte-singer"](
        streams=bench.recording.streams,
        saved=None,
        emit=_silent,
        clock=time.monotonic,
        translation=TranslateOptions(baseline=False),
    )
    with path.open("wb") as file:
        file.write(translation.opening())
        for batch in bench.recording.batches():
            file.write(translation.feed(batch))
        file.write(translation.closing(complete=True))
    return path


def _silent(event: Event) -> None: ...


def _made(bench: Bench, route: str, path: str) -> Any:
    streams = bench.recording.streams
    if route.startswith("singer"):
        catalog = msgspec.json.encode(singer_catalog(stream.stream for stream in streams))
        streams = select_streams(singer_streams(catalog), [], {})
    namespacing = Namespacing()
    if path == "rewritten" and route == "airbyte-airbyte":
        namespacing = Namespacing(prefix="raw_")
    elif path == "rewritten":
        streams = tuple(without_a_field(stream) for stream in streams)
    translation = TranslateOptions(namespacing=namespacing)
    return ROUTES[route](streams=streams, saved=None, emit=_silent, clock=time.monotonic, translation=translation)


def without_a_field(stream: ConfiguredStream) -> ConfiguredStream:
    """Return the stream without a field that is neither key nor cursor, so that every body is rewritten."""
    needed = {field for path in (stream.cursor_field, *stream.primary_key) for field in path}
    field = next(name for name in stream.stream.json_schema["properties"] if name not in needed)
    return msgspec.structs.replace(stream, excluded=(field,))


class _Copy:
    """A translator that returns its input unchanged."""

    def __init__(self) -> None:
        notices = Notices(_silent)
        self.counts = Counts({}, notices)

    def opening(self) -> bytes:
        return b""

    def feed(self, lines: bytes) -> bytes:
        return lines

    def due(self) -> float | None:
        return None

    def closing(self, *, complete: bool) -> bytes:
        return b""


class _End:
    """A process at the end of a pipe, instead of a connector."""

    def __init__(self, fd: int) -> None:
        self.out = self.input = fd

    def taken(self) -> bool:
        return True

    def end_input(self) -> None:
        os.close(self.input)


def _seconds(translation: Any, file: Path, times: int) -> float:
    """Return the seconds per gigabyte of input, from `cat` into `cat`."""
    with (
        subprocess.Popen(["cat", *[str(file)] * times], stdout=subprocess.PIPE) as source,
        Path(os.devnull).open("wb") as nowhere,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=nowhere) as target,
    ):
        assert source.stdout is not None, "piped"
        assert target.stdin is not None, "piped"
        began = time.monotonic()
        pump = Pump(_End(source.stdout.fileno()), _End(os.dup(target.stdin.fileno())), translation, time.monotonic)
        target.stdin.close()
        pump.ending.tell(complete=True)
        pump.run(lambda: None)
        target.wait()
        seconds = time.monotonic() - began
    if pump.error:
        raise BenchError(str(pump.error))
    _require_all(translation.counts.reports(), file)
    return seconds / (file.stat().st_size * times) * 1e9


def _require_all(reports: Iterable[StreamReport], file: Path) -> None:
    if any(report.records == 0 for report in reports):
        raise BenchError(f"not every stream of {file.name} was read")
