"""Airbyte source to Airbyte destination: records and states are passed unchanged; missing messages are added."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.airbyte import Message, RecordMessage, StateMessage, StreamDescriptor
from tapdock.protocol.airbyte_states import edited
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.lines import split
from tapdock.translate.base import Emit, TranslateOptions, WithoutScan
from tapdock.translate.maps.landing import landed_streams, protections
from tapdock.translate.names import target_keys
from tapdock.translate.notices import Notices
from tapdock.translate.read.airbyte_destination import Ack, AirbyteTarget
from tapdock.translate.read.airbyte_source import AirbyteSource
from tapdock.translate.states.airbyte import SourceState, key_of
from tapdock.translate.states.forwarded import ForwardedLedger, fingerprint
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_copies import AirbyteCopies
from tapdock.translate.write.airbyte_lines import complete_line, empty_state_line
from tapdock.translate.write.removal import Withheld, may_repeat
from tapdock.translate.write.rules import Unwritable
from tapdock.translate.write.schemaless import no_fields
from tapdock.translate.write.undeclared import declared_names

__all__ = ["AirbyteToAirbyte"]

_BRACE, _QUOTE = b'{"'
_Members = dict[str, Raw]


class AirbyteToAirbyte(WithoutScan):
    """A `Translator` for one run (protocol.md 1.6, 3.8). Raises UsageError if names collide."""

    def __init__(
        self,
        *,
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        emit: Emit,
        clock: Callable[[], float],
        translation: TranslateOptions | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        translation = translation or TranslateOptions()
        self._streams = streams
        self._wall = wall
        landed = landed_streams(
            streams, translation.maps, undeclared=translation.undeclared, schemaless=translation.schemaless
        )
        withheld = Withheld(streams, translation.excluded, protected=protections(landed, translation.maps))
        self._notices = Notices(emit, on_bad_record=translation.on_bad_record, withheld=withheld)
        self.left = self._notices.left
        self._source = AirbyteSource(streams, self._notices)
        tallies = self._source.tallies
        self.counts = self._source.counts
        keys = (one.target.stream.key for one in landed)
        names = target_keys(keys, translation.namespacing, translation.tables)
        self._names = {key: new for key, new in names.items() if key != new}
        self._target = AirbyteTarget(self._notices, {new: key for key, new in names.items()})
        targets = [one.target.landed().stream for one in landed]
        self._fieldless = [one.key for one in targets if not declared_names(one.json_schema)]
        self._copies = AirbyteCopies(landed, tallies, self._notices, translation)
        self.states = ForwardedLedger(saved, tallies, copies=self._copies.streams)
        self._by_name: dict[tuple[str | None, str | None], Tally] = {}
        for key, tally in self._source.tallies.items():
            self._by_name[key] = tally
            if not key.namespace:
                self._by_name["", key.name] = tally
            if key in self._names and key not in self._copies.streams:
                tally.reason = f"its name in the target is `{names[key]}`"
        self._bare: dict[tuple[str | None, str | None], Tally] = {}
        for bare, key in self._source.bare.items():
            self._bare[bare] = self._bare["", bare.name] = self._source.tallies[key]
        self._passing = self._passed_on()
        self._out: list[bytes] = []

    def _passed_on(self) -> dict[tuple[str | None, str | None], tuple[Tally, Callable[[bytes], bool] | None]]:
        """Return the streams whose records may stay as they are, each with the test of a body that is still needed."""
        changed = self._copies.streams.keys() | self._names.keys() | self._copies.bodies.rules.keys()
        passed = {named: tally for named, tally in self._by_name.items() if tally.key not in changed}
        return {named: (tally, self._copies.bodies.test(tally.key)) for named, tally in passed.items()}

    def opening(self) -> bytes:
        for key in self._fieldless:
            self._notices.log("warning", no_fields(key))
        return b""

    def feed(self, lines: bytes) -> bytes:
        self._out = []
        if self._copies.bodies.end_watch():
            self._passing = self._passed_on()
        whole = self._source.decoded(lines)
        if whole is not None:
            return self._whole(*whole)
        for number, message, text in self._source.one_by_one(lines):
            self._one(message, text, number)
        return b"".join(self._out)

    def _whole(self, messages: list[Message], numbers: Sequence[int], lines: bytes) -> bytes:
        """Translate a batch with one message a line. Records that need no change are counted and passed together."""
        passing = self._passing
        texts: list[bytes] = []
        passed = 0
        for place, message in enumerate(messages):
            if type(message) is RecordMessage and message.record is not None:
                record = message.record
                data = bytes(record.data)
                known = passing.get((record.namespace, record.stream))
                if known and data[0] == _BRACE and data[1] == _QUOTE and type(record.emitted_at) is int:
                    tally, fits = known
                    if fits is None or fits(data):
                        tally.records += 1
                        tally.bytes += len(data)
                        continue
            texts = texts or split(lines)
            self._pass(texts[passed:place])
            self._one(message, texts[place], numbers[place])
            passed = place + 1
        if not texts:
            return lines if lines.endswith(b"\n") else lines + b"\n"
        self._pass(texts[passed:])
        return b"".join(self._out)

    def _pass(self, texts: list[bytes]) -> None:
        if texts:
            self._out += (b"\n".join(texts), b"\n")

    def _one(self, message: Message, text: bytes, number: int) -> None:
        if isinstance(message, RecordMessage):
            self._record(message, text, number)
            return
        state = self._source.other(message, number)
        if state and isinstance(message, StateMessage):
            self._state(state, message.state, text, number)

    def _record(self, message: RecordMessage, text: bytes, number: int) -> None:
        record = message.record
        named = (record.namespace, record.stream) if record else (None, None)
        tally = self._by_name.get(named) or self._bare.get(named)
        if record is None or tally is None:
            self._source.unknown(record, number, text)
            return
        data = bytes(record.data)
        if (data[0] != _BRACE or data[1] != _QUOTE) and not self._source.is_body(data, tally, number, text):
            return
        try:
            bodies = self._copies.written(data, tally)
        except Unwritable as error:
            what = TranslationError(f"line {number}: a record of stream `{tally.key}` {error}")
            self._notices.bad_record(what, tally=tally, stream=str(tally.key), text=data)
            return
        tally.records += bool(bodies)
        if bodies and type(record.emitted_at) is not int:
            text = self._timed(text, record.emitted_at, tally.key)
        is_bare = named not in self._by_name
        if is_bare:
            tally.reason = tally.reason or "the source sends it without its namespace"
        is_changed = tally.key in self._copies.bodies.rules or tally.key in self._copies.streams
        may_hide = is_changed and may_repeat(text, b'"record"', b'"data"')
        for key, body in bodies:
            tally.bytes += len(body)
            renamed = is_bare or key != tally.key or key in self._names
            line = self._changed(text, key, body, renamed=renamed) if renamed or body is not data or may_hide else text
            self._out += (line.rstrip(b"\r"), b"\n")

    def _timed(self, text: bytes, emitted_at: float | None, key: StreamKey) -> bytes:
        """Return a record whose time is in whole milliseconds: at others, destinations fail or skip the record."""
        self._notices.warn_once(
            f"stream `{key}`: times that are not whole milliseconds were converted to them", about=("time", key)
        )
        message = msgspec.json.decode(text, type=_Members)
        record = msgspec.json.decode(message["record"], type=_Members)
        record["emitted_at"] = _raw(int(self._wall() * 1000 if emitted_at is None else emitted_at))
        return msgspec.json.encode({**message, "record": record})

    def _changed(self, text: bytes, key: StreamKey, body: bytes, *, renamed: bool) -> bytes:
        """Return a record with another body, and with its whole name in the target. The rest stays raw JSON."""
        message = msgspec.json.decode(text, type=_Members)
        record = msgspec.json.decode(message["record"], type=_Members)
        record["data"] = Raw(body)
        if renamed:
            record = _renamed(record, self._named(key), name="stream")
        return msgspec.json.encode({**message, "record": record})

    def _state(self, state: SourceState, raw: Raw, text: bytes, number: int) -> None:
        copies = self._copies.streams.get(state.key, ()) if state.key else ()
        records = self._copies.counted(state.key) if copies and state.key else self._uncovered(state.key)
        is_covered = not any(records.values()) if isinstance(records, dict) else not records
        try:
            mark = fingerprint(raw, self._source.key_named)
            if is_covered and self.states.is_last(state.key, mark):
                return  # repeated: it covers nothing more, and destinations may treat it as an error
            if copies:
                lines = [self._addressed(text, raw, state.key, copy) for copy in copies]
            else:
                lines = [text if state.kind == "LEGACY" else self._addressed(text, raw, state.key, state.key)]
            self.states.note(state, mark, records=records)
        except (ValueError, KeyError) as error:
            raise self._source.unusable(error, number) from error
        for line in lines:
            self._out += (line.rstrip(b"\r"), b"\n")

    def _addressed(self, text: bytes, raw: Raw, key: StreamKey | None, copy: StreamKey | None) -> bytes:
        """Return a state with the whole name in the target of its stream, or of a copy of it.

        Streams inside a GLOBAL state keep their names in the source (protocol.md 1.11), but get their namespaces.
        """

        def with_whole_name(state: Raw) -> Raw:
            stream = msgspec.json.decode(state, type=_Members)
            named = key_of(msgspec.json.decode(stream["stream_descriptor"], type=StreamDescriptor))
            whole = self._source.key_named(named) if copy is None else self._named(copy)
            if named == whole:
                return state
            descriptor = msgspec.json.decode(stream["stream_descriptor"], type=_Members)
            return _raw({**stream, "stream_descriptor": _raw(_renamed(descriptor, whole, name="name"))})

        state = edited(raw, with_whole_name)
        return (
            text if state is raw else msgspec.json.encode({**msgspec.json.decode(text, type=_Members), "state": state})
        )

    def _uncovered(self, key: StreamKey | None) -> int:
        """Return how many records of a stream without maps, or of all streams, were sent since the last call."""
        tallies = self._source.tallies
        if key:
            return tallies[key].since_covered()
        copied = sum(sum(self._copies.counted(each).values()) for each in self._copies.streams)
        plain = [tally for each, tally in tallies.items() if each not in self._copies.streams]
        return copied + sum(tally.since_covered() for tally in plain)

    def due(self) -> float | None:
        return None

    def tick(self) -> bytes:
        return b""

    def closing(self, *, complete: bool) -> bytes:
        """Return missing states of full refreshes, then COMPLETE for each stream, if the source ended well (1.6)."""
        complete = complete and not self._source.failed
        tallies = self._source.tallies
        self._notices.closing(tallies.values())
        if not complete:
            return b""
        out = [self._missing_state(stream) for stream in self._streams if self._lacks_state(stream)]
        self.counts.end()
        for key, tally in tallies.items():
            if tally.status == "complete":
                out += [complete_line(self._named(name), self._wall()) for name in self._copies.streams.get(key, [key])]
        return b"".join(out)

    def _lacks_state(self, stream: ConfiguredStream) -> bool:
        snapshot = stream.sync_mode == "full_refresh" and not stream.stream.is_resumable
        return snapshot and self.states.kind in (None, "STREAM") and stream.stream.key not in self.states.streams

    def _missing_state(self, stream: ConfiguredStream) -> bytes:
        key = stream.stream.key
        records = self._copies.counted(key) if key in self._copies.streams else self._uncovered(key)
        counts = records if isinstance(records, dict) else {key: records}
        lines = [empty_state_line(self._named(name), records=count) for name, count in counts.items()]
        raw = msgspec.json.decode(lines[0], type=StateMessage).state
        self.states.note(SourceState("STREAM", key, None), fingerprint(raw), records=records)
        return b"".join(lines)

    def _named(self, key: StreamKey) -> StreamKey:
        return self._names.get(key, key)

    def acked(self, line: bytes) -> bool:
        return self._target.read_line(line, self._acknowledged)

    def _acknowledged(self, ack: Ack) -> bool:
        counts = self.states.acked(ack.key, fingerprint(ack.raw, self._source.key_named))
        if not counts:
            return False
        self._target.compare(ack, counts, self._copies.tally_of(ack.key) if ack.key else None)
        return True

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def _renamed(members: _Members, key: StreamKey, *, name: str) -> _Members:
    """Return the members with another name and namespace; without the member `namespace` if there is none."""
    renamed = {**members, name: _raw(key.name)}
    renamed.pop("namespace", None)
    return {**renamed, "namespace": _raw(key.namespace)} if key.namespace else renamed
