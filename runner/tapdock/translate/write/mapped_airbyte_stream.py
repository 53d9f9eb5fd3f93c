"""Write one stream of a Singer tap, which maps change, for an Airbyte destination."""

from collections.abc import Sequence

from tapdock.protocol.exclusion import Exclusion
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_stream import AirbyteStream
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Unwritable

__all__ = ["MappedAirbyteStream"]


class MappedAirbyteStream:
    """A stream of a tap with the streams that its maps make of it. `tally` counts what the tap sent."""

    def __init__(
        self, tally: Tally, exclusion: Exclusion | None, outputs: Sequence[tuple[StreamMap, AirbyteStream]]
    ) -> None:
        self.tally = tally
        self._outputs = tuple(outputs)
        self._removal = removal(exclusion) if exclusion else None
        tally.reason = "maps change it"

    def mapped(self, body: bytes) -> list[tuple[AirbyteStream, bytes]]:
        """Return a body for each stream of the destination, and count the record.

        A record that none of them gets is counted as filtered. Raises Unwritable.
        """
        tally = self.tally
        if self._removal:
            body = self._removal(body)
            if body == EMPTY:
                tally.empty += 1
                return []
        found = [(output, new) for each, output in self._outputs if (new := each.apply(body)) is not None]
        for output, new in found:
            if problem := output.problem(new):
                raise Unwritable(problem)
        if not found:
            tally.filtered += 1
            return []
        tally.records += 1
        for output, new in found:
            tally.bytes += len(new)
            if tally.written is not None:
                tally.written[output.tally.key.name] += 1
        return found
