"""The progress of a run: a live table in a terminal, else a line every few seconds, and a summary at the end."""

import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from tapdock.events import Progress, StreamReport
from tapdock.runs.records import RunRecord
from tapdock.text.clean import one_line
from tapdock.text.output import failed, log_text, out, print_table, result

__all__ = ["Display", "most_urgent", "size"]

_LINE_SECONDS = 5.0
_URGENCY = {"failed": 0, "incomplete": 1, "running": 2}
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


class Display:
    """A context manager that shows one run.

    `quiet` prints no table at the end. `plain` prints lines instead of a live table, as when several runs share a
    screen.
    """

    def __init__(self, name: str, *, quiet: bool, plain: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._live: Any = None
        self._plain = plain or not sys.stderr.isatty()
        self._lock = threading.Lock()
        self._began = self._last = time.monotonic()

    def __enter__(self) -> "Display":
        if not self._plain:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

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
        if self._live:
            self._live.update(_drawn(self._name, progress, seconds, self._live.console.height))
        elif now - self._last >= _LINE_SECONDS:
            self._last = now
            rate = progress.records / seconds
            line = f"{one_line(self._name)}: {progress.records:,} records, {rate:,.0f}/s, {size(progress.bytes)}\n"
            self.write(line)

    def ended(self, record: RunRecord) -> None:
        """Print the table of streams and the result to stdout, then the error with its hint to stderr."""
        self._stop()
        if not self._quiet:
            _print_result(self._name, record)
        if record.error:
            failed(record.error.message, record.error.hint)


def _print_result(name: str, record: RunRecord) -> None:
    if record.streams:
        print_table(["stream", "records", "size", "status"], [_row(report) for report in record.streams])
    for report in record.streams:
        if excluded := _excluded(report):
            out(one_line(f"{_name(report)}: {excluded}"))
    total = sum(report.records for report in record.streams)
    saved = f"state {record.state_id} saved" if record.state.committed else "state unchanged"
    took = f"{record.seconds.total:.1f} s: {total:,} records; {saved}; run {record.run_id}"
    result(name, record.status, f"in {took}", good=record.status == "succeeded")


def _name(report: StreamReport) -> str:
    return f"{report.namespace}.{report.stream}" if report.namespace else report.stream


def _excluded(report: StreamReport) -> str:
    """Return the counts of the stream's records that are not in the target, with reasons; empty if there are none."""
    counts = {
        "empty": report.empty,
        "set aside (`tapdock runs show` names the file)": report.set_aside,
        "rejected by the target": report.rejected,
        "not selected, but sent by the source": report.excluded,
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
