"""Write one stream of an Airbyte source, which maps change, for a Singer target."""

from collections.abc import Iterator, Sequence

from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.maps.landing import before_maps
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.notices import Notices
from tapdock.translate.write.rules import EMPTY
from tapdock.translate.write.singer_stream import SingerStream

__all__ = ["MappedSingerStream"]


class MappedSingerStream:
    """A stream of a source with the streams that its maps make of it, each of which has a name in the target."""

    __slots__ = ("_before", "_outputs", "_written", "key", "tally")

    def __init__(
        self, source: ConfiguredStream, outputs: Sequence[tuple[StreamMap, SingerStream]], notices: Notices
    ) -> None:
        self.key: StreamKey = source.stream.key
        self.tally = outputs[0][1].tally
        self._outputs = tuple(outputs)
        self._before = before_maps(source, notices.converter(self.tally))
        self._written = self.tally.written = {route.name: 0 for _, route in outputs}
        self.tally.reason = "maps change it"

    def mapped(self, body: bytes) -> Iterator[tuple[SingerStream, bytes]]:
        """Yield a body for each stream in the target. A record that none of them gets is counted as filtered.

        Raises Unwritable.
        """
        if self._before:
            body = self._before(body)
            if body == EMPTY:
                self.tally.empty += 1
                return
        found = [(route, new) for each, route in self._outputs if (new := each.apply(body)) is not None]
        if not found:
            self.tally.filtered += 1
        yield from found

    def count(self, route: SingerStream, body: bytes) -> None:
        self._written[route.name] += 1
        self.tally.bytes += len(body)
