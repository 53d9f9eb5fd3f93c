"""Write the streams of an Airbyte source for an Airbyte destination: one stream for each of their maps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.base import TranslateOptions
from tapdock.translate.maps.landing import Landed, before_maps
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_bodies import AirbyteBodies
from tapdock.translate.write.rules import EMPTY, Rule

__all__ = ["AirbyteCopies"]


class _Copy(NamedTuple):
    """A stream of the destination that a map makes of one of the source, with its own counts."""

    map: StreamMap
    tally: Tally


class AirbyteCopies:
    """What the destination gets of each stream. `tallies` count the source's streams.

    `streams` are the streams of the destination, by the source's stream whose maps make them. A stream without maps is
    absent. `bodies` are the changes after the maps.
    """

    def __init__(
        self,
        landed: Sequence[Landed],
        tallies: Mapping[StreamKey, Tally],
        notices: Notices,
        translation: TranslateOptions,
    ) -> None:
        self._tallies = tallies
        self._copies: dict[StreamKey, list[_Copy]] = {}
        self._before: dict[StreamKey, Rule | None] = {}
        owners: dict[StreamKey, Tally] = {}
        for one in landed:
            key, tally = one.source.stream.key, tallies[one.source.stream.key]
            own = Tally(one.target.stream.key)
            owners[own.key] = own if key in self._copies else tally
            if one.map:
                self._copies.setdefault(key, []).append(_Copy(one.map, own))
                self._before[key] = before_maps(one.source, notices.converter(tally))
        self.bodies = AirbyteBodies(landed, owners, notices, translation)
        self.streams = {key: [each.tally.key for each in found] for key, found in self._copies.items()}
        for key, found in self._copies.items():
            tallies[key].reason = "maps change it"
            tallies[key].written = {each.tally.key.name: 0 for each in found}

    def written(self, data: bytes, tally: Tally) -> list[tuple[StreamKey, bytes]]:
        """Return the streams that get a record, each with its body: all that its maps make of it, or none.

        A record that is not written is counted. Raises Unwritable.
        """
        copies = self._copies.get(tally.key)
        if copies is None:
            body = self.bodies.written(data, tally.key)
            tally.empty += body is not data and body == EMPTY  # it has only excluded or dropped fields
            return [(tally.key, body)] if body is data or body != EMPTY else []
        before = self._before[tally.key]
        body = before(data) if before else data
        if body == EMPTY:
            tally.empty += 1
            return []
        mapped = [(each, new) for each in copies if (new := each.map.apply(body)) is not None]
        found = [(each, self.bodies.written(new, each.tally.key)) for each, new in mapped]
        kept = [(each, new) for each, new in found if new != EMPTY]
        tally.filtered += not mapped
        tally.empty += bool(found) and not kept  # it has only undeclared fields, which are dropped
        for each, _ in kept:
            each.tally.records += 1
            tally.written = {**(tally.written or {}), each.tally.key.name: each.tally.records}
        return [(each.tally.key, new) for each, new in kept]

    def counted(self, key: StreamKey) -> dict[StreamKey, int]:
        """Return how many records of each copy of a stream were sent since the last call."""
        return {each.tally.key: each.tally.since_covered() for each in self._copies[key]}

    def tally_of(self, key: StreamKey) -> Tally | None:
        """Return the counts of the source's stream that is written as a stream of the destination."""
        owner = next((each for each, found in self.streams.items() if key in found), key)
        return self._tallies.get(owner)
