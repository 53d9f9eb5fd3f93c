"""What targets made with Meltano's SDK count themselves, as their logs tell it."""

import re
from collections import Counter

import msgspec

from tapdock.events import StreamReport
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.catalogs.singer import emitted_names

__all__ = ["Metrics"]

_METRIC = re.compile(r"METRIC: (\{.*\})")


class _Tags(msgspec.Struct):
    stream: str | None = None


class _Metric(msgspec.Struct):
    metric: str
    value: float
    tags: _Tags


class Metrics:
    """`hear` takes a target's log lines; a stream may be counted in several parts."""

    def __init__(self) -> None:
        self._records: Counter[str] = Counter()

    def hear(self, line: str) -> None:
        found = _METRIC.search(line)
        if found is None:
            return
        try:
            metric = msgspec.json.decode(found[1], type=_Metric)
        except msgspec.MsgspecError:
            return  # somebody's own metric
        if metric.metric == "record_count" and metric.tags.stream:
            self._records[metric.tags.stream] += int(metric.value)

    def mismatches(
        self, reports: tuple[StreamReport, ...], streams: tuple[ConfiguredStream, ...], names: dict[str, str]
    ) -> list[str]:
        """Streams of which another number was sent, each in words; `names` are those in the target."""
        known = {stream.stream.key: stream.stream for stream in streams}
        said: list[str] = []
        for report in reports:
            key = next((key for key in known if (key.namespace, key.name) == (report.namespace, report.stream)), None)
            full = f"{report.namespace}.{report.stream}" if report.namespace else report.stream
            called = {names.get(full, report.stream), *(emitted_names(known[key]) if key else ())}
            counts = [self._records[name] for name in called if name in self._records]
            if len(counts) == 1 and counts[0] != report.records:
                said.append(f"stream `{full}`: the target counted {counts[0]} records, {report.records} were sent")
        return said
