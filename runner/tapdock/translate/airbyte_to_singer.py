"""Airbyte source to Singer target: record bodies are spliced byte for byte, states become tokens."""

from collections.abc import Callable, Iterable

import msgspec

from tapdock.errors import TranslationError
from tapdock.protocol import singer
from tapdock.protocol.airbyte import Message, Record, RecordMessage
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.base import Emit, TranslateOptions, WithoutScan
from tapdock.translate.maps.landing import Landed, landed_streams, protections
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.names import singer_names
from tapdock.translate.notices import Notices
from tapdock.translate.read.airbyte_source import AirbyteSource
from tapdock.translate.read.singer_target import SingerTarget
from tapdock.translate.states.pace import StatePacer
from tapdock.translate.states.tokens import TokenLedger
from tapdock.translate.states.wrapped_tap import EmbeddedStates
from tapdock.translate.tally import Tally
from tapdock.translate.write.mapped_singer_stream import MappedSingerStream
from tapdock.translate.write.removal import Withheld
from tapdock.translate.write.rules import EMPTY, Unwritable, as_text, with_member
from tapdock.translate.write.singer_stream import CHANGES, SingerStream

__all__ = ["AirbyteToSinger"]

_KNOWN_TIMES = 4096
_BRACE, _QUOTE = b'{"'


class AirbyteToSinger(WithoutScan):
    """A `Translator` for one run (protocol.md 3); `saved` is the previous run's state text, unless `ledger` has it.

    Raises UsageError if names collide, or a stream has no fields or no usable key.
    """

    def __init__(
        self,
        *,
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        emit: Emit,
        clock: Callable[[], float],
        translation: TranslateOptions | None = None,
        ledger: TokenLedger | EmbeddedStates | None = None,
    ) -> None:
        translation = translation or TranslateOptions()
        landed = landed_streams(
            streams,
            translation.maps,
            undeclared=translation.undeclared,
            schemaless=translation.schemaless or "json",
        )
        self._notices = Notices(
            emit,
            on_bad_record=translation.on_bad_record,
            airbyte=("source",),
            withheld=Withheld(streams, translation.excluded, protected=protections(landed, translation.maps)),
        )
        self.left = self._notices.left
        self._source = AirbyteSource(streams, self._notices)
        self.counts = self._source.counts
        keys = (one.target.stream.key for one in landed)
        names = singer_names(keys, translation.namespacing, translation.tables)
        self._routed: set[StreamKey] = set()
        self._routes = [(one.source.stream.key, self._route(one, names, translation)) for one in landed]
        self._opening = b"".join(route.opening() for _, route in self._routes)
        # Streams by the names in records; the namespace "" is the same as none.
        self._by_name: dict[tuple[str | None, str | None], SingerStream | MappedSingerStream] = {}
        for route in _by_source(landed, [route for _, route in self._routes], self._notices):
            self._by_name[route.key] = route
            if not route.key.namespace:
                self._by_name["", route.key.name] = route
        for bare, key in self._source.bare.items():
            self._by_name[bare] = self._by_name["", bare.name] = self._by_name[key]
        own: dict[StreamKey, str] = {}
        for one in landed:  # a token names each stream of the source once
            own.setdefault(one.source.stream.key, names[one.target.stream.key])
        self.states = ledger or TokenLedger(names=own, saved=saved)
        self._target = SingerTarget(self._notices, ("bookmarks", "seq"))
        self._keeps_changes = translation.meta_changes
        self._baseline = translation.baseline
        if not translation.baseline:
            self.states.issue()  # number 0 has no state, whether it is sent or not
        self._pace = StatePacer(clock)
        self._records = 0
        self._out: list[bytes] = []
        self._ends: dict[object, bytes] = {}

    def _route(self, one: Landed, names: dict[StreamKey, str], translation: TranslateOptions) -> SingerStream:
        key, name = one.source.stream.key, names[one.target.stream.key]
        # Only the first copy of a stream counts undeclared fields, so that each record counts once.
        tally = Tally(key) if key in self._routed else self._source.tallies[key]
        self._routed.add(key)
        return SingerStream(one.target, name, tally, self._notices, translation, data_rule=one.data_rule)

    def opening(self) -> bytes:
        return self._opening + (self._token() if self._baseline else b"")

    def feed(self, lines: bytes) -> bytes:
        out = self._out = []
        routes, ends = self._by_name, self._ends
        for number, message in self._messages(lines):
            if type(message) is not RecordMessage:
                self._take(message, number)
                continue
            record = message.record
            route = routes.get((record.namespace, record.stream)) if record else None
            if record is None or route is None:
                self._source.unknown(record, number, msgspec.json.encode(message))
                continue
            data = bytes(record.data)
            if (data[0] != _BRACE or data[1] != _QUOTE) and not self._source.is_body(data, route.tally, number):
                continue
            if isinstance(route, MappedSingerStream):
                self._mapped(data, route, record, number)
                continue
            is_ready = not route.rule
            if is_ready:
                try:
                    route.match(data)
                except msgspec.MsgspecError:
                    is_ready = False
            if not is_ready:
                changed = self._changed(data, route, number)
                if changed is None:
                    continue
                data = changed
            if self._keeps_changes:
                data = _with_changes(data, record)
            self._records += 1
            tally = route.tally
            tally.records += 1
            tally.bytes += len(data)
            end = ends.get((record.emitted_at, route.version)) or self._end(record.emitted_at, route.version)
            out += (route.start, data, end)
        if self.states.waiting and self._pace.is_due(self._records):
            out.append(self._token())
        return b"".join(out)

    def _changed(self, data: bytes, route: SingerStream, number: int) -> bytes | None:
        """Return a body for the target; None if it has no field, or was set aside because it cannot be written."""
        try:
            return self._fitted(data, route, number)
        except Unwritable as error:
            self._unwritable(error, data, route.tally, number)
            return None

    def _fitted(self, data: bytes, route: SingerStream, number: int) -> bytes | None:
        """Return a body for the target; None if it has no field. Raises Unwritable."""
        tally = route.tally
        new = route.rule(data) if route.rule else data
        if route.rule and new != EMPTY and route.matches(new):
            return new
        new = route.handled(new)
        if new == EMPTY:  # it has only excluded fields, or undeclared ones that are dropped
            tally.empty += 1
            return None
        if not route.fit.is_odd(new):
            return new
        new, notes = route.fit.fitted(new)
        if notes:
            tally.reason = tally.reason or "some values do not match its schema, and are converted"
            self._notices.mended([f"stream `{tally.key}`: {note}" for note in notes], number=number)
        return new

    def _unwritable(self, error: Unwritable, data: bytes, tally: Tally, number: int) -> None:
        what = TranslationError(f"line {number}: a record of stream `{tally.key}` {error}")
        self._notices.bad_record(what, tally=tally, stream=str(tally.key), text=data)

    def _mapped(self, data: bytes, stream: MappedSingerStream, record: Record, number: int) -> None:
        """Write a record under each name that its maps give it: all of them, or none."""
        tally = stream.tally
        try:
            found = [(route, self._fitted(body, route, number)) for route, body in stream.mapped(data)]
        except Unwritable as error:
            self._unwritable(error, data, tally, number)
            return
        bodies = [(route, body) for route, body in found if body is not None]
        tally.records += bool(bodies)
        for route, body in bodies:
            if self._keeps_changes:
                body = _with_changes(body, record)
            self._records += 1
            stream.count(route, body)
            self._out += (route.start, body, self._end(record.emitted_at, route.version))

    def _messages(self, batch: bytes) -> Iterable[tuple[int, Message]]:
        whole = self._source.decoded(batch)
        if whole is not None:
            messages, numbers, _ = whole
            return zip(numbers, messages, strict=True)
        return ((number, message) for number, message, _ in self._source.one_by_one(batch))

    def _end(self, emitted_at: int | float | None, version: int | None) -> bytes:
        if len(self._ends) >= _KNOWN_TIMES:
            self._ends.clear()
        end = self._ends[emitted_at, version] = singer.record_end(emitted_at, version=version)
        return end

    def _take(self, message: Message, number: int) -> None:
        """Handle a message that is not a record."""
        state = self._source.other(message, number)
        if state is None:
            return
        try:
            self.states.note(state)
        except ValueError as error:
            raise self._source.unusable(error, number) from error
        if self._pace.is_due(self._records):
            self._out.append(self._token())

    def due(self) -> float | None:
        return self._pace.left() if self.states.waiting else None

    def tick(self) -> bytes:
        return self._token() if self.states.waiting and self._pace.is_due(self._records) else b""

    def _token(self) -> bytes:
        self._pace.sent(self._records)
        return singer.state_line(self.states.issue())

    def closing(self, *, complete: bool) -> bytes:
        """Return the messages that replace old rows, then the last token, which covers them (protocol.md 3.5)."""
        complete = complete and not self._source.failed
        tallies = self._source.tallies
        if complete:
            self.counts.end()
        self._notices.closing(tallies.values())
        activated = [
            singer.activate_line(route.name, route.version)
            for key, route in self._routes
            if complete and route.version is not None and tallies[key].status == "complete"
        ]
        return b"".join(activated) + self._token()

    def acked(self, line: bytes) -> bool:
        return self._target.read_line(line, self.states.acked)

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)


def _by_source(
    landed: Iterable[Landed], routes: Iterable[SingerStream], notices: Notices
) -> list[SingerStream | MappedSingerStream]:
    """Return how each stream of the source is written, in the catalog's order."""
    plain: dict[StreamKey, SingerStream] = {}
    mapped: dict[StreamKey, list[tuple[StreamMap, SingerStream]]] = {}
    sources = {one.source.stream.key: one.source for one in landed}
    for one, route in zip(landed, routes, strict=True):
        if one.map:
            mapped.setdefault(one.source.stream.key, []).append((one.map, route))
        else:
            plain[route.key] = route
    return [
        plain[key] if key in plain else MappedSingerStream(source, mapped[key], notices)
        for key, source in sources.items()
    ]


def _with_changes(data: bytes, record: Record) -> bytes:
    """Return a body with the source's own changes of the record as text in a column (opt-in)."""
    changes = bytes(record.meta.changes) if record.meta else b"[]"
    return data if changes in (b"[]", b"null") else with_member(data, CHANGES, as_text(changes))
