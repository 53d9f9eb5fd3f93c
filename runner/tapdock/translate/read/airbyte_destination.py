"""Read the output of an Airbyte destination (protocol.md 1.2, 1.6)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Raw

from tapdock.events import Failed
from tapdock.protocol import airbyte
from tapdock.protocol.airbyte import Message
from tapdock.protocol.catalog import StreamKey, bare_names
from tapdock.protocol.traces import read_trace
from tapdock.translate.notices import Notices
from tapdock.translate.read.airbyte_source import failure
from tapdock.translate.states.airbyte import key_of
from tapdock.translate.tally import Tally

__all__ = ["Ack", "AirbyteTarget"]


class Ack(NamedTuple):
    """An acknowledged state: `key` is its stream, or None for all streams; `raw` is JSON.

    `counted` is the destination's own number of records since its last state, None if it does not report one.
    `rejected` is how many of them it did not write.
    """

    key: StreamKey | None
    state: airbyte.State
    raw: Raw
    counted: int | None
    rejected: int


class AirbyteTarget:
    """The reader of a destination's output. `keys` maps the destination's streams to the source's.

    After an error of the destination, it is not known which records it stored: later acknowledgements do not count.
    """

    def __init__(self, notices: Notices, keys: Mapping[StreamKey, StreamKey]) -> None:
        self._notices = notices
        self._keys = {**{short: keys[key] for short, key in bare_names(keys).items()}, **keys}
        self._line = 0
        self._failed = False

    def read_line(self, line: bytes, acked: Callable[[Ack], bool]) -> bool:
        """Read one line. Return True if `acked` returned True for a state in it."""
        self._line += 1
        moved = False
        for part in airbyte.DIALECT.parts(line):
            if part.message:
                moved |= self._take(part.message, acked)
                continue
            self._notices.junk(part.text, self._line, side="target")
            if part.refused and b"TRACE" in part.text:  # it may be an error
                self._failed = True
                self._notices.emit(Failed(side="target", message=part.refused))
        return moved

    def _take(self, message: Message, acked: Callable[[Ack], bool]) -> bool:
        try:
            match message:
                case airbyte.StateMessage(state=raw):
                    return self._acked(raw, acked)
                case airbyte.LogMessage(log=raw):
                    log = msgspec.json.decode(raw, type=airbyte.Log)
                    text = f"{log.message}\n{log.stack_trace}" if log.stack_trace else log.message
                    self._notices.log(airbyte.level_of(log.level), text, side="target")
                case airbyte.TraceMessage(trace=raw):
                    self._trace(raw)
                case airbyte.ControlMessage(control=raw):
                    self._notices.control(raw, self._line, side="target")
                case _:
                    pass  # other messages of a destination have no meaning
        except (msgspec.MsgspecError, ValueError) as error:
            self._notices.log("warning", f"an unreadable {type(message).__name__}: {error}", side="target")
        return False

    def _trace(self, raw: Raw) -> None:
        trace = read_trace(raw)
        if trace.odd:
            self._notices.log("info", f"line {self._line}: a TRACE cannot be read: {trace.odd}", side="target")
        if trace.error:
            self._failed = True
            key = key_of(trace.error.stream) if trace.error.stream else None
            self._notices.emit(failure("target", trace.error, stream=self._keys.get(key, key) if key else None))

    def _acked(self, raw: Raw, acked: Callable[[Ack], bool]) -> bool:
        if self._failed:
            return False
        state = msgspec.json.decode(raw, type=airbyte.State)
        key = None
        if state.stream:
            named = key_of(state.stream.stream_descriptor)
            key = self._keys.get(named, named)
        stats = state.destination_stats
        rejected = int(stats.rejected_record_count or 0) if stats else 0
        counted = int(stats.record_count) + rejected if stats and stats.record_count is not None else None
        return acked(Ack(key, state, raw, counted, rejected))

    def compare(self, ack: Ack, counts: set[int], tally: Tally | None) -> None:
        """Compare the destination's own count for a state with `counts`, of which one must match (protocol.md 1.7)."""
        where = f"stream `{tally.key}`" if tally else "all streams"
        if ack.counted is not None and ack.counted not in counts:
            message = f"{where}: the destination counted {ack.counted} records for a state, but {max(counts)} were sent"
            self._notices.mismatch("target", message, about=("destination", ack.key))
        if not ack.rejected:
            return
        if tally:
            tally.rejected += ack.rejected
        message = f"{where}: the destination rejected {ack.rejected} records"
        self._notices.mismatch("target", message, about=("rejected", ack.key))
