"""The limit of a run or a preview: at most so many records of each stream, and the end of the source after them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from tapdock.errors import TranslationError
from tapdock.events import StreamReport
from tapdock.project.model import Kind
from tapdock.protocol import airbyte, singer
from tapdock.protocol.catalog import ConfiguredStream, StreamKey, bare_names
from tapdock.protocol.lines import split
from tapdock.translate.catalogs.singer import emitted_names
from tapdock.translate.write.airbyte_lines import complete_line

__all__ = ["Limit", "marked", "wanting"]


class Limit:
    """Passes the first `most` records of each stream in the output of a source, and drops the others.

    No state passes after a dropped record, because it would cover this record. Without `states`, none passes at all.
    ACTIVATE_VERSION never passes: with it, a target deletes the rows of earlier runs.
    """

    def __init__(self, most: int, kind: Kind, streams: Sequence[ConfiguredStream], *, states: bool) -> None:
        self.is_reached = False
        self._most = most
        self._kind: Kind = kind
        self._streams = streams
        self._states = states
        self._counts: Counter[StreamKey] = Counter()
        self._bare = bare_names(one.stream.key for one in streams)
        self._names = {name: one.stream.key for one in streams for name in emitted_names(one.stream)}

    def _passed(self, lines: bytes) -> bytes:
        """Return the lines that pass. The others become blank lines, so that the numbers of lines stay right.

        Raises TranslationError for a BATCH, whose files have any number of records.
        """
        end = b"\n" if lines.endswith(b"\n") else b""
        return b"\n".join(map(self._line, split(lines))) + end

    def _line(self, text: bytes) -> bytes:
        dialect = airbyte.DIALECT if self._kind == "airbyte" else singer.DIALECT
        parts = dialect.parts(text)
        kept = [part for part in parts if self._passes(part.message)]
        return text if len(kept) == len(parts) else b"".join(part.text for part in kept)

    def _passes(self, message: object) -> bool:
        match message:
            case airbyte.RecordMessage(record=airbyte.Record() as record):
                key = StreamKey.of(record.namespace, record.stream or "")
                return self._counted(self._bare.get(key, key))
            case singer.RecordMessage():
                name = message.stream or ""
                return self._counted(self._names.get(name, StreamKey(None, name)))
            case airbyte.StateMessage() | singer.StateMessage():
                return self._states
            case singer.ActivateMessage():
                return False
            case singer.BatchMessage():
                what = f"stream `{message.stream}` has files with records (BATCH), which `--limit` cannot count"
                raise TranslationError(
                    what, hint="run without `--limit`, or set up the source so that it sends records"
                )
        return True

    def _counted(self, key: StreamKey) -> bool:
        self._counts[key] += 1
        passes = self._counts[key] <= self._most
        self._states = self._states and passes
        return passes

    def wanted(self, batches: Iterable[bytes], reports: Callable[[], Sequence[StreamReport]]) -> Iterator[bytes]:
        """Yield the lines that pass, until nothing more is wanted from the source; then `is_reached` is true.

        `reports` returns the counts of what was yielded. Raises TranslationError.
        """
        for lines in batches:
            yield self._passed(lines)
            if self._streams and not wanting(reports(), self._streams, self._most, filtered=True):
                self.is_reached = True
                if rest := self._ending(reports()):
                    yield rest
                return

    def _ending(self, reports: Sequence[StreamReport]) -> bytes:
        """Return what the source did not send because it was stopped: that its streams are complete.

        Destinations fail without it. No rows are replaced, because a run with a limit has no stream that overwrites.
        """
        if self._kind == "singer":
            return b""
        open_ones = ("pending", "running")
        pairs = zip(self._streams, reports, strict=False)
        return b"".join(
            complete_line(one.stream.key, time.time()) for one, report in pairs if report.status in open_ones
        )


def wanting(
    reports: Sequence[StreamReport], streams: Sequence[ConfiguredStream], most: int, *, filtered: bool = False
) -> tuple[ConfiguredStream, ...]:
    """Return the configured streams of which more is wanted: they have fewer than `most` records, and may get more.

    The reports of configured streams are the first ones. With `filtered`, records that a map left out count too.
    """
    counts = [_came(report) if filtered else _shown(report) for report in reports]
    each = zip(streams, reports, counts, strict=False)
    return tuple(one for one, report, count in each if count < most and report.status != "complete")


def _shown(report: StreamReport) -> int:
    return min(report.written.values()) if report.written else _came(report) - report.filtered


def marked(report: StreamReport, most: int) -> StreamReport:
    """Return the report of a stream that ended well, as `limited` if it may have more records than the limit."""
    is_limited = report.status == "complete" and _came(report) >= most
    return msgspec.structs.replace(report, status="limited") if is_limited else report


def _came(report: StreamReport) -> int:
    return report.records + report.empty + report.set_aside + report.filtered
