"""The progress of a run: a live table in a terminal, else a line every few seconds, and a summary at the end."""

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapdock.events import Level, MapperReport, Progress, StreamReport
from tapdock.log import Format, Log
from tapdock.runs.log_file import LogFile
from tapdock.runs.records import RunRecord
from tapdock.text.clean import clean, one_line
from tapdock.text.output import failed, log_text, out, print_table, result, said_at_once

__all__ = ["Display", "Screen", "View", "folded", "mapped", "most_urgent", "size"]

_LINE_SECONDS = 5.0
_URGENCY = {"failed": 0, "incomplete": 1, "running": 2}
_ONE_AT_A_TIME = threading.Lock()
_OTHER_LINES = 5  # of the live table: title, heading, total, and two lines of the log above it


def size(count: float) -> str:
    """Return a number of bytes with its unit.

    >>> size(5_400_000)
    '5.4 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError(count)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run is printed. `level` is the lowest level of log lines, `lines` that of lines of connectors.

    `progress`: a live table or lines of progress. `table`: streams and the result at the end. `several`: several runs
    share a screen, so there is no live table, and each line carries the pipeline's name.
    """

    log_format: Format = "text"
    level: Level = "info"
    lines: Level = "warning"
    progress: bool = True
    table: bool = True
    several: bool = False


class Screen:
    """Prints lines of a signal's handler: above the live table if there is one.

    The handler may interrupt the main thread anywhere, so it only puts its line into a queue, which a thread prints.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[str | None] | None = None
        self._printer: threading.Thread | None = None

    def say(self, line: str) -> None:
        if waiting := self._waiting:
            waiting.put(line)
        else:
            said_at_once(line)

    def begin(self, write: Callable[[str], None]) -> None:
        """Print further lines by `write`, in a thread."""
        waiting = self._waiting = queue.SimpleQueue()

        def work() -> None:
            while (line := waiting.get()) is not None:
                write(clean(line) + "\n")

        self._printer = threading.Thread(target=work, name="screen", daemon=True)
        self._printer.start()

    def end(self) -> None:
        """Wait until all lines are printed. Further lines are printed directly."""
        waiting, self._waiting = self._waiting, None
        if waiting and self._printer:
            waiting.put(None)
            self._printer.join()


class Display:
    """A context manager that shows one run."""

    def __init__(self, name: str, view: View, screen: Screen, *, colour: bool = False) -> None:
        self._name = name
        self._view = view
        self._screen = screen
        self._colour = colour
        self._live: Any = None
        self._log: Log | None = None
        self._is_plain = view.several or view.log_format == "json" or not (view.progress and sys.stderr.isatty())
        self._lock = threading.Lock()
        self._began = self._last = time.monotonic()

    def __enter__(self) -> "Display":
        if not self._is_plain:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, refresh_per_second=4)
            self._live.start()
            self._screen.begin(self.write)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        with self._lock:
            live, self._live = self._live, None
            if live:
                live.stop()
        self._screen.end()

    def log(self, run_id: str, file: LogFile | None) -> Log:
        """Return the log of an attempt, which is printed here."""
        view = self._view
        self._log = Log(
            run_id,
            write=self.write,
            file=file,
            format=view.log_format,
            colour=self._colour,
            level=view.level,
            lines=view.lines,
            pipeline=self._name if view.several else None,
            notes=view.table,
        )
        return self._log

    def say(self, line: str) -> None:
        """Print one line about the run's preparation or its end."""
        name = f"{self._name}: " if self._view.several else ""
        self.write(f"{one_line(name + line)}\n")

    def write(self, text: str) -> None:
        """Print a log line, above the live table if there is one."""
        with self._lock:
            if self._live:
                from rich.text import Text

                self._live.console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
            else:
                log_text(text)

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        seconds = max(now - self._began, 0.001)
        if live := self._live:
            live.update(_drawn(self._name, progress, seconds, live.console.height))
        elif self._view.progress and now - self._last >= _LINE_SECONDS:
            self._last = now
            rate = progress.records / seconds
            line = f"{one_line(self._name)}: {progress.records:,} records, {rate:,.0f}/s, {size(progress.bytes)}\n"
            self.write(line)

    def ended(self, record: RunRecord) -> None:
        """Print the table of streams and the result to stdout, then the error with its hint to stderr.

        Before them, print where to read the lines that were not printed.
        """
        self._stop()
        with _ONE_AT_A_TIME:
            if self._log:
                self._print_folded(self._log, record.run_id)
            if self._view.table:
                _print_result(self._name, record)
            if record.error and not (self._view.table and _is_only_stopped(record)):
                name = f"{one_line(self._name)}: " if self._view.several else ""
                failed(f"{name}{record.error.message}", record.error.hint)

    def _print_folded(self, log: Log, run_id: str) -> None:
        if log.folded and (self._view.level, self._view.log_format) == ("info", "text"):
            self.say(f"{folded(log.folded)} in the log: `tapdock runs logs {run_id}`")


def _is_only_stopped(record: RunRecord) -> bool:
    """Return True if the result has everything about the end of the run: that it was stopped, and what is saved."""
    error = record.error
    return record.status == "stopped" and bool(error and "stopped by signal" in error.message and not error.hint)


def folded(counts: Mapping[str, int]) -> str:
    """Return how many lines of which sides are only in the log.

    >>> folded({"target": 1, "source": 1200})
    '1,201 lines of source and target are'
    """
    total = sum(counts.values())
    lines, are = ("line", "is") if total == 1 else ("lines", "are")
    return f"{total:,} {lines} of {' and '.join(sorted(counts))} {are}"


def _print_result(name: str, record: RunRecord) -> None:
    if record.kind == "task":
        took = f"in {record.seconds.total:.1f} s; run {record.run_id}"
        result(name, record.status, took, good=record.status == "succeeded")
        return
    if record.streams:
        print_table(["stream", "records", "size", "status"], [_row(report) for report in record.streams])
    for report in record.streams:
        if excluded := _excluded(report):
            out(one_line(f"{_name(report)}: {excluded}"))
        if copies := report.copies:
            out(one_line(f"{_name(report)}: written as {copies}"))
        if undeclared := report.undeclared_fields:
            out(one_line(f"{_name(report)}: its schema does not declare {undeclared}; see `undeclared_fields`"))
    if record.mapper:
        out(one_line(f"mapper {record.mapper.name}: {mapped(record.mapper)}"))
    total = sum(report.records for report in record.streams)
    most = f", at most {record.limit:,} of each stream" if record.limit else ""
    window = f"; window {record.window.start} to {record.window.end}" if record.window else ""
    took = f"{record.seconds.total:.1f} s: {total:,} records{most}{window}; {state_change(record)}; run {record.run_id}"
    result(name, record.status, f"in {took}", good=record.status == "succeeded")


def state_change(record: RunRecord) -> str:
    """Return what the run did to the saved state, with its earlier attempts."""
    state = record.state
    if state.committed or state.earlier:
        return f"state {record.state_id} saved"
    if not state.cleared:
        return "state unchanged"
    which = state.cleared[0] if len(state.cleared) == 1 else f"{len(state.cleared)} streams"
    return f"state {record.state_id} cleared for {which}: the next run reads from the beginning"


def mapped(report: MapperReport) -> str:
    """Return how many records a mapper read and printed.

    >>> mapped(MapperReport(name="m", records_in={"b": 1, "a": 1200}, records_out={}, states_in=1, states_out=1))
    'read 1,201 records (a 1,200, b 1) and printed 0 records'
    """
    both = [_counted(counts) for counts in (report.records_in, report.records_out)]
    return f"read {both[0]} and printed {both[1]}"


def _counted(counts: Mapping[str, int]) -> str:
    each = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f"{sum(counts.values()):,} records" + (f" ({each})" if each else "")


def _name(report: StreamReport) -> str:
    return f"{report.namespace}.{report.stream}" if report.namespace else report.stream


def _excluded(report: StreamReport) -> str:
    """Return the counts of the stream's records that are not in the target, with reasons; empty if there are none."""
    counts = {
        "empty": report.empty,
        "set aside (`tapdock runs show` names the file)": report.set_aside,
        "rejected by the target": report.rejected,
        "not selected, but sent by the source": report.excluded,
        "left out by a map": report.filtered,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _row(report: StreamReport) -> list[str]:
    return [_name(report), f"{report.records:,}", size(report.bytes), report.status]


def most_urgent(reports: Sequence[StreamReport], rows: int) -> tuple[list[StreamReport], int]:
    """Return the streams that fit into that many rows, in order of their need for attention, and how many are left out.

    Failed streams come first, then those that are running, then the others in their own order.
    """
    ordered = sorted(reports, key=lambda report: _URGENCY.get(report.status, len(_URGENCY)))
    return (ordered, 0) if len(ordered) <= rows else (ordered[: rows - 1], len(ordered) - rows + 1)


def _drawn(name: str, progress: Progress, seconds: float, height: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{one_line(name)}  {seconds:.0f} s"), title_justify="left", box=None, pad_edge=False)
    for column in ("stream", "records", "size", "status"):
        table.add_column(column, justify="right" if column in ("records", "size") else "left")
    shown, hidden = most_urgent(progress.streams, max(1, height - _OTHER_LINES))
    for report in shown:
        table.add_row(*(Text(one_line(cell)) for cell in _row(report)))  # names come from the source: no markup
    if hidden:
        table.add_row(f"and {hidden:,} more")
    table.add_row("", f"{progress.records:,}", size(progress.bytes), f"{progress.records / seconds:,.0f} records/s")
    return table
