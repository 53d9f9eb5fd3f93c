"""Write one stream of a Singer tap, which maps change, for an Airbyte destination."""

from collections.abc import Iterable, Sequence

from tapdock.protocol.singer import body_problem
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_stream import AirbyteStream
from tapdock.translate.write.rules import EMPTY, Rule, Unwritable

__all__ = ["MappedAirbyteStream"]


class MappedAirbyteStream:
    """A stream of a tap with the streams that its maps make of it. `tally` counts what the tap sent.

    `before` is the rule for bodies before their maps.
    """

    def __init__(self, tally: Tally, before: Rule | None, outputs: Sequence[tuple[StreamMap, AirbyteStream]]) -> None:
        self.tally = tally
        self._outputs = tuple(outputs)
        self._before = before
        tally.reason = "maps change it"

    def end_watch(self) -> None:
        for _, output in self._outputs:
            output.end_watch()

    def record(self, body: bytes, extracted: str | None, *, now: int, nulled: Iterable[str] = ()) -> bytes:
        """Return the lines for a record: one for each map that takes it. What is not written is counted.

        Raises Unwritable if one of them cannot be written; then none is.
        """
        tally = self.tally
        if problem := body_problem(body):
            raise Unwritable(problem)
        body = self._before(body) if self._before else body
        if body == EMPTY or (body[1:2] != b'"' and not body[1:-1].strip()):
            tally.empty += 1
            return b""
        found = [(output, new) for each, output in self._outputs if (new := each.apply(body)) is not None]
        before = [(output.tally, output.tally.records, output.tally.bytes) for output, _ in found]
        try:
            lines = [output.record(new, extracted, now=now, nulled=nulled) for output, new in found]
        except Unwritable:
            for copy, records, size in before:
                copy.records, copy.bytes = records, size
            raise
        tally.filtered += not found
        tally.records += any(lines)
        tally.empty += bool(found) and not any(lines)
        for (copy, _, size), line in zip(before, lines, strict=True):
            tally.bytes += copy.bytes - size
            if line:
                tally.written = {**(tally.written or {}), copy.key.name: copy.records}
        return b"".join(lines)
