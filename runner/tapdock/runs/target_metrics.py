"""Record counts in the logs of targets that use Meltano's SDK."""

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
    """The target's own counts, by stream. `hear` takes its log lines, and adds up the counts of one stream."""

    def __init__(self) -> None:
        self._records: Counter[str] = Counter()

    def hear(self, line: str) -> None:
        found = _METRIC.search(line)
        if found is None:
            return
        try:
            metric = msgspec.json.decode(found[1], type=_Metric)
        except msgspec.MsgspecError:
            return  # a metric in another format
        if metric.metric == "record_count" and metric.tags.stream:
            self._records[metric.tags.stream] += int(metric.value)

    def mismatches(
        self, reports: tuple[StreamReport, ...], streams: tuple[ConfiguredStream, ...], names: dict[str, str]
    ) -> list[str]:
        """Return one message for each stream whose count differs. `names` maps streams to their names in the target."""
        known = {stream.stream.key: stream.stream for stream in streams}
        said: list[str] = []
        for report in reports:
            key = next((key for key in known if (key.namespace, key.name) == (report.namespace, report.stream)), None)
            if report.written is not None:
                pairs = [(name, self._records[name], count) for name, count in report.written.items()]
                said += [
                    f"stream `{name}`: the target counted {own} records, but {count} were sent"
                    for name, own, count in pairs
                    if name in self._records and own != count
                ]
                continue
            full = f"{report.namespace}.{report.stream}" if report.namespace else report.stream
            called = {names.get(full, report.stream), *(emitted_names(known[key]) if key else ())}
            counts = [self._records[name] for name in called if name in self._records]
            if len(counts) == 1 and counts[0] != report.records:
                said.append(f"stream `{full}`: the target counted {counts[0]} records, but {report.records} were sent")
        return said
