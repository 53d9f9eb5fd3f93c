"""Singer tap to Singer target: messages are passed byte for byte, and acknowledged states are recognized."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol import singer
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.protocol.lines import split
from tapdock.protocol.parts import Part
from tapdock.protocol.schema_edits import merged, pruned
from tapdock.protocol.singer import (
    ActivateMessage,
    BatchMessage,
    Message,
    RecordMessage,
    SchemaMessage,
    StateMessage,
)
from tapdock.translate.base import Emit, TranslateOptions, WithoutScan
from tapdock.translate.maps.landing import landed_streams, protections
from tapdock.translate.maps.stream_map import StreamMap
from tapdock.translate.names import OwnTables, require_own_tables
from tapdock.translate.notices import Notices
from tapdock.translate.read.batches import PIECE, bodies, rows_of
from tapdock.translate.read.known_prefixes import KnownPrefixes
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.read.singer_target import SingerTarget
from tapdock.translate.schemas.nullable_items import with_nullable_items
from tapdock.translate.schemas.readable import ReadableSchemas
from tapdock.translate.states.activations import Activations
from tapdock.translate.states.bookmarks import BookmarkLedger
from tapdock.translate.write.removal import Withheld, may_repeat
from tapdock.translate.write.rules import Rule
from tapdock.translate.write.singer_bodies import SingerBodies
from tapdock.translate.write.singer_copies import SingerCopies

__all__ = ["SingerToSinger"]

_Members = dict[str, Raw]
Maps = tuple[StreamMap, ...] | None  # None if a stream has none


class SingerToSinger(WithoutScan):
    """A `Translator` for one run (protocol.md 3.8).

    Four things are not passed unchanged: lines that are not messages (junk, blank lines); excluded fields that the tap
    sends nevertheless; schemas, without keywords that targets cannot read and with elements of arrays that may be null;
    and ACTIVATE_VERSION, which is held until the source has ended well. A tap may send it at the start, and then a
    target would delete old rows before the new ones are written.

    Raises UsageError if two streams would share a table in the target.
    """

    def __init__(
        self,
        *,
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        emit: Emit,
        clock: Callable[[], float],
        translation: TranslateOptions | None = None,
    ) -> None:
        self._translation = told = translation or TranslateOptions()
        landed = landed_streams(streams, told.maps)
        withheld = Withheld(streams, told.excluded, protected=protections(landed, told.maps))
        self._notices = Notices(emit, on_bad_record=told.on_bad_record, airbyte=(), withheld=withheld)
        self.left = self._notices.left
        self._source = SingerSource(streams, self._notices, self._translation, saved=saved)
        self.counts = self._source.counts
        self.states = BookmarkLedger(saved, held=self._translation.last_state_only)
        self._target = SingerTarget(self._notices, self.states.names)
        self._glance = KnownPrefixes()
        self._bodies = SingerBodies(self._source, self._notices, told)
        self._copies = SingerCopies(self._source, self._notices, told)
        self._activations = Activations(self._notices, self._source, told)
        self._readable = ReadableSchemas(self._notices)
        require_own_tables((one.target for one in landed), self._translation.tables)
        self._tables = OwnTables(self._translation.tables)
        self._declared: set[str] = set()
        self._passed_rows: dict[str, int] = {}
        self._ends_with_state = True
        self._out: list[bytes] = []

    def opening(self) -> bytes:
        """Return a state without new content: some targets acknowledge their first state at once (2.4)."""
        return singer.state_line(Raw(self.states.baseline.encode())) if self._translation.baseline else b""

    def feed(self, lines: bytes) -> bytes:
        out = self._out = []
        self._bodies.end_watch()
        for part, number in self._glance.parts(lines):
            counted = self._glance.counts(part, number) if number else []
            if counted and self._bodies.fit(part, (tally for tally, _, _ in counted)):
                self._ends_with_state = False
                out.append(part)
                for tally, records, size in counted:
                    self._source.line += records
                    tally.records += records
                    tally.bytes += size
            else:
                for line in split(part) if number else [part]:
                    self._source.line += 1
                    self._one(line)
        return out[0] if len(out) == 1 else b"".join(out)

    def _one(self, text: bytes) -> None:
        for message, part in self._source.read(text):
            self._source.counts.signs += 1
            self._out.append(self._passed(message, part))

    def _passed(self, message: Message, part: Part[Message]) -> bytes:
        """Return the lines for the target for a message."""
        number = self._source.line
        if isinstance(message, StateMessage):
            self._notices.mended(part.notes, number=number)  # the next run starts from it, so it must be valid JSON
            return self._state(message, part.text)
        self._ends_with_state = False
        if not (stream := message.stream):
            error = TranslationError(f"line {number}: a {message.__struct_config__.tag} without `stream`")
            if not isinstance(message, RecordMessage):
                raise error
            self._source.refuse(error, part.text)
            return b""
        if self._source.is_left_out(stream, record=isinstance(message, RecordMessage)):
            return b""
        if isinstance(message, SchemaMessage):
            self._source.learn_key(stream, message.key_properties or ())
            self._bodies.forget(stream)
        rule, maps = self._bodies.rule(stream), self._copies.of(stream)
        is_read = rule is not None or maps is not None or isinstance(message, SchemaMessage)  # it may be written anew
        if is_read:
            self._notices.mended(part.notes, number=number)
        text = part.text if is_read or not part.notes else part.as_it_came
        match message:
            case RecordMessage():
                return self._record(message, stream, part, text, rule, maps)
            case SchemaMessage():
                return self._schema(message, stream, text)
            case BatchMessage():
                return self._batch(message, stream, text, rule, maps)
            case ActivateMessage():
                self._activations.hold(stream, text, message.version)
                self._glance.forget()
                return b""
        raise AssertionError(message)

    def _state(self, message: StateMessage, text: bytes) -> bytes:
        self._ends_with_state = True
        try:
            value = self._source.state(message.value)
            self.states.note(value)
        except ValueError as error:
            what = f"line {self._source.line}: a state of the tap cannot be read: {error}"
            raise TranslationError(what) from error
        return text + b"\n" if value is message.value else singer.state_line(value)

    def _record(
        self, message: RecordMessage, stream: str, part: Part[Message], text: bytes, rule: Rule | None, maps: Maps
    ) -> bytes:
        """Return a record for the target. If it needs no rule and no version, its beginning is known from now on.

        `text` is its part; as it came, if no rule or map reads it.
        """
        tally = self._source.tally(stream)
        old = bytes(message.record)
        if problem := singer.body_problem(old):
            error = TranslationError(f"line {self._source.line}: a record of stream `{tally.key}` {problem}")
            self._source.refuse(error, text, stream=stream)
            return b""
        if maps is not None:
            self._activations.note(stream, message.version)
            return self._copies.records(old, stream, maps, text)
        new = self._bodies.changed(old, stream, text)
        if new is None:
            return b""
        tally.records += 1
        if new is not old or (rule and may_repeat(text, b'"record"')):
            if text is not part.text:
                self._notices.mended(part.notes, number=self._source.line)
                text = part.text
            text = msgspec.json.encode({**msgspec.json.decode(text, type=_Members), "record": Raw(new)})
        tally.bytes += len(text)
        self._activations.note(stream, message.version)
        if message.version is None and not rule and stream not in self._activations:
            self._glance.learn(text, old, tally)
        return text + b"\n"

    def _schema(self, message: SchemaMessage, stream: str, text: bytes) -> bytes:
        """Return a SCHEMA without excluded fields and unreadable keywords. Elements of arrays may be null.

        Raises TranslationError if another stream is written to the same table.
        """
        self._declared.add(stream)
        tally = self._source.tally(stream)
        tally.mark("running")
        wider = with_nullable_items(message.schema)
        fragments = self._source.fragments(stream)
        try:
            schema, sent = pruned(merged(wider, fragments), self._source.exclusion(stream), strict=True)
        except msgspec.MsgspecError as error:
            what = f"line {self._source.line}: the schema of stream `{tally.key}` cannot be read: {error}"
            raise TranslationError(what) from error
        self._source.note_fields(stream, message.schema)
        if sent:
            are = "is excluded, but the tap sends it" if len(sent) == 1 else "are excluded, but the tap sends them"
            tally.reason = f"{', '.join(f'`{name}`' for name in sent)} {are}"
        maps = self._copies.learn(message, stream, schema)
        for name in [stream] if maps is None else [each.alias for each in maps]:
            self._tables.require(stream, name, line=self._source.line)
        if maps is not None:
            self._glance.forget()
            return b"".join(self._copies.schema(text, each, self._readable.of) for each in maps)
        readable = self._readable.of(schema, stream)
        kept = self._bodies.declare(stream, readable, message.key_properties or ())
        if kept is not readable or self._bodies.rule(stream):
            self._glance.forget()  # its records may be written anew from now on
        if not sent and kept is schema and not fragments and wider is message.schema:
            return text + b"\n"
        return msgspec.json.encode({**msgspec.json.decode(text, type=_Members), "schema": Raw(kept)}) + b"\n"

    def _batch(self, message: BatchMessage, stream: str, text: bytes, rule: Rule | None, maps: Maps) -> bytes:
        """Return a BATCH unchanged if the target reads files and the order is kept, else its records.

        Targets write a file at once and records later, and its rows have no version.
        """
        tally = self._source.tally(stream)
        is_read = rule or maps is not None or self._bodies.reads_all(stream)
        mixed = tally.records > self._passed_rows.get(stream, 0) or stream in self._activations or is_read
        rows = (
            rows_of(message, translation=self._translation)
            if self._translation.quirks.takes_batches and not mixed
            else None
        )
        if rows is not None:
            self._activations.note(stream, None)
            self._bodies.passed_unread(stream)
            tally.records += rows
            self._passed_rows[stream] = self._passed_rows.get(stream, 0) + rows
            return text + b"\n"
        version = self._activations.version(stream)
        self._activations.note(stream, version)
        end = singer.record_end(None, version=version)
        out: list[bytes] = []
        size = 0
        found = bodies(
            message, translation=self._translation, number=self._source.line, notices=self._notices, tally=tally
        )
        for old in found:
            for name, body in self._rows(old, stream, maps):
                size += len(body)
                out += (singer.record_start(name), body, end)
            if self.spill and size > PIECE:
                self.spill(b"".join([*self._out, *out]))
                self._out.clear()
                out, size = [], 0
        return b"".join(out)

    def _rows(self, old: bytes, stream: str, maps: Maps) -> list[tuple[str, bytes]]:
        """Return the streams of the target that get a row of a BATCH, each with its body, and count them."""
        tally = self._source.tally(stream)
        if maps is not None:
            return [(each.alias, new) for each, new in self._copies.bodies(old, stream, maps, old)]
        body = self._bodies.changed(old, stream, old)
        if body is None:
            return []
        tally.records += 1
        tally.bytes += len(body)
        return [(stream, body)]

    def due(self) -> float | None:
        return None

    def tick(self) -> bytes:
        return b""

    def closing(self, *, complete: bool) -> bytes:
        """Return the messages that replace old rows, then the last state again, so that it covers them.

        The state is also repeated after records: some targets forget a state when a record follows (2.4).
        """
        tallies = self._source.tallies.values()
        self._notices.closing(tallies)
        if not complete:
            return b""
        self.counts.end()
        out = [self._copies.renamed(text, stream) for stream, text in self._activations.allowed(self._declared)]
        self.states.release()
        if out or self._translation.last_state_only or not self._ends_with_state:
            out.append(self.states.again())
        return b"".join(out)

    def acked(self, line: bytes) -> bool:
        return self._target.read_line(line, self.states.acked)

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)
