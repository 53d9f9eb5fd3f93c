"""Singer tap to Airbyte destination: bodies are passed byte for byte, states become numbers, the catalog is fixed."""

import itertools
import time
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw

from tapdock.errors import SourceError, TranslationError, UsageError
from tapdock.events import Renewed
from tapdock.protocol.catalog import ConfiguredStream, StreamKey, configured_catalog
from tapdock.protocol.singer import (
    ActivateMessage,
    BatchMessage,
    Message,
    RecordMessage,
    SchemaMessage,
    StateMessage,
    is_nothing,
    nulled_fields,
)
from tapdock.translate.base import Emit, TranslateOptions
from tapdock.translate.catalogs.destination import Declared, expected_streams, new_streams, with_own_keys
from tapdock.translate.catalogs.singer import declared_schema
from tapdock.translate.maps.landing import landed_streams, protections
from tapdock.translate.names import target_keys
from tapdock.translate.notices import Notices
from tapdock.translate.read.airbyte_destination import Ack, AirbyteTarget
from tapdock.translate.read.batches import PIECE, bodies
from tapdock.translate.read.declared import SPOOL
from tapdock.translate.read.schema_scan import Scan
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.states.pace import StatePacer
from tapdock.translate.states.sequence import SequenceLedger
from tapdock.translate.states.singer import bookmarked_versions
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_lines import complete_line
from tapdock.translate.write.airbyte_stream import AirbyteStream, without_fields
from tapdock.translate.write.destination_copies import DestinationCopies
from tapdock.translate.write.mapped_airbyte_stream import MappedAirbyteStream
from tapdock.translate.write.removal import Withheld
from tapdock.translate.write.rules import Unwritable

__all__ = ["SingerToAirbyte"]


class SingerToAirbyte:
    """A `Translator` for one run (protocol.md 3.2, 3.4, 3.7)."""

    spill: Callable[[bytes], None] | None = None

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
        self._translation = told = translation or TranslateOptions()
        landed = landed_streams(streams, told.maps)
        withheld = Withheld(streams, told.excluded, protected=protections(landed, told.maps))
        self._notices = Notices(emit, on_bad_record=told.on_bad_record, airbyte=("target",), withheld=withheld)
        self.left = self._notices.left
        self._source = SingerSource(streams, self._notices, told, saved=saved)
        self.counts = self._source.counts
        self.states = SequenceLedger(
            state_type=self._translation.quirks.state_type, held=self._translation.last_state_only
        )
        self._pace = StatePacer(clock)
        self._wall = wall
        self._versions = bookmarked_versions(saved, streams)
        self._numbers = itertools.count(int(wall() * 1e6)).__next__
        self._scan = Scan(self._source)
        self._sent: dict[StreamKey, set[str]] = {}
        self._landings: dict[str | None, AirbyteStream | MappedAirbyteStream] = {}
        self._copies = DestinationCopies(self._source, self._notices, told)
        self._numbered = 0
        self._landed: dict[StreamKey, ConfiguredStream] = {}
        self._names: dict[StreamKey, StreamKey] = {}
        self._target = AirbyteTarget(self._notices, {})
        self._out: list[bytes] = []
        if not self._translation.spool:
            self._fix([(one, without_fields(declared_schema(one), one.exclusion)) for one in streams])

    def scan(self, lines: bytes) -> None:
        self._scan.see(lines)

    def catalog(self) -> bytes | None:
        """Return the catalog of the sent streams. Raises SourceError if there are none, and TranslationError."""
        try:
            self._fix(self._found())
        except UsageError as error:
            raise TranslationError(error.message, hint=error.hint) from error
        if not self._landed:
            raise SourceError("the tap sent no streams: there is nothing to write")
        self._source.line = 0
        for tally in self._source.tallies.values():
            tally.spooled = 0  # from now on, sent records are counted
        return configured_catalog(self._landed.values(), names=self._names)

    def _found(self) -> list[Declared]:
        known = self._source.expected
        for key, renewed in with_own_keys(self._scan, known).items():
            known[key] = renewed
            said = ", ".join(f"`{path[0]}`" for path in renewed.primary_key)
            self._notices.log("info", f"stream `{key}`: rows are merged by {said}, the key in the tap's SCHEMA")
        expected = [
            (self._renewed(one, self._scan.versions.get(one.stream.key)), schema)
            for one, schema in expected_streams(self._scan, known)
        ]
        return [*expected, *new_streams(self._scan, self._source)]

    def _renewed(self, landed: ConfiguredStream, version: int | None) -> ConfiguredStream:
        """Return the stream; if the tap starts a new snapshot, with a new generation that replaces old rows (3.5)."""
        before = self._versions.get(landed.stream.key)
        if landed.sync_mode == "full_refresh" or version is None or before in (None, version):
            return landed
        if self._translation.limited:
            key = landed.stream.key
            what = f"the tap sends a new snapshot of stream `{key}`, and a few records would replace all rows"
            raise TranslationError(what, hint="run without `--limit`, or leave the stream out with `--exclude`")
        generation = max(landed.generation_id + 1, int(self._wall()))
        self.states.hold()  # if this run does not end well, the tap must start the snapshot again
        self._notices.emit(Renewed(str(landed.stream.key), generation))
        self._notices.log("info", f"stream `{landed.stream.key}`: the tap sends a new snapshot, replacing old rows")
        return msgspec.structs.replace(landed, generation_id=generation, minimum_generation_id=generation)

    def _fix(self, declared: list[Declared]) -> None:
        """Fix the destination's streams. Raises UsageError if names collide, or a map does not fit."""
        self._landed = self._copies.fix(declared)
        self._names = target_keys(self._landed, self._translation.namespacing, self._translation.tables)
        self.states.begin(self._names)
        self._target = AirbyteTarget(self._notices, {new: key for key, new in self._names.items()})
        for key in self._copies.streams:
            if self._copies.overwrites(key) and key in self._source.tallies:
                # Before its SCHEMA, it is not known whether the tap reads the stream, so nothing may be replaced.
                self._source.tallies[key].must_start = True

    def opening(self) -> bytes:
        return b""

    def feed(self, lines: bytes) -> bytes:
        out = self._out = []
        now = int(self._wall() * 1000)
        landings = self._landings
        for one in landings.values():
            one.end_watch()
        for number, message, text, nulled in self._messages(lines):
            if type(message) is not RecordMessage:
                self._take(message, number)
                continue
            landing = landings.get(message.stream) or self._landing(message.stream, number, message.version)
            body = bytes(message.record)
            if landing is None:
                self._unwritable(message.stream or "", number, text or msgspec.json.encode(message))
            else:
                try:
                    out.append(landing.record(body, message.time_extracted, now=now, nulled=nulled))
                except Unwritable as error:
                    self._refused(error, landing.tally, number, text or body)
        if self.states.waiting and self._pace.is_due(self._source.records):
            out.append(self._token())
        return b"".join(out)

    def _messages(self, batch: bytes) -> Iterator[tuple[int, Message, bytes | None, tuple[str, ...]]]:
        whole = self._source.decoded(batch)
        if whole is not None:
            messages, numbers, _ = whole
            for number, message in zip(numbers, messages, strict=True):
                yield number, message, None, ()
            return
        for number, message, part in self._source.one_by_one(batch):
            self._notices.mended(part.notes, number=number)
            yield number, message, part.text, nulled_fields(part)

    def _landing(
        self, stream: str | None, number: int, version: float | None = None
    ) -> AirbyteStream | MappedAirbyteStream | None:
        """Return how a stream's records are written from now on; None if the stream has no SCHEMA yet."""
        key = self._source.key(stream) if stream else None
        if stream is None or key not in self._sent:
            return None
        before = self._versions.get(key)
        anew = version is not None and before not in (None, version) and self._copies.is_incremental(key)
        if anew and not self._translation.spool:
            what = f"line {number}: the tap started a new snapshot of stream `{key}`, which must replace old rows"
            raise TranslationError(what, hint="set `late_schema: spool`, so that the destination can replace them")
        landing = self._copies.landing(stream, self._names, self._numbers, declared=self._sent[key])
        self._landings[stream] = landing
        return landing

    def _unwritable(self, stream: str, number: int, text: bytes) -> None:
        if self._source.is_left_out(stream, record=True):
            return
        named = stream and f"a record of stream `{self._source.key(stream)}` before its SCHEMA"
        error = TranslationError(f"line {number}: {named or 'a RECORD without `stream`'}")
        self._source.refuse(error, text, stream=stream or None)

    def _refused(self, error: Unwritable, tally: Tally, number: int, text: bytes) -> None:
        what = TranslationError(f"line {number}: a record of stream `{tally.key}` {error}")
        self._notices.bad_record(what, tally=tally, stream=str(tally.key), text=text)

    def _take(self, message: Message, number: int) -> None:
        self._source.counts.signs += 1
        match message:
            case SchemaMessage():
                self._declared(message, number)
            case StateMessage(value=raw):
                self._noted(raw, number)
                if self.states.waiting and self._pace.is_due(self._source.records):
                    self._out.append(self._token())
            case BatchMessage():
                self._expand(message, number)
            case ActivateMessage():
                pass  # old rows are replaced on COMPLETE, never before (protocol.md 3.5)

    def _noted(self, value: Raw, number: int) -> None:
        try:
            if not is_nothing(value):  # an empty state must not replace a saved one
                self.states.note(bytes(self._source.state(value)).decode())
        except ValueError as error:
            raise TranslationError(f"line {number}: a state of the tap cannot be read: {error}") from error

    def _declared(self, message: SchemaMessage, number: int) -> None:
        stream = message.stream
        if not stream:
            raise TranslationError(f"line {number}: a SCHEMA without `stream`")
        if self._source.is_left_out(stream, record=False):
            return
        key = self._source.key(stream)
        if key not in self._copies.streams:
            raise TranslationError(f"line {number}: stream `{key}` is not in the destination's catalog", hint=SPOOL)
        expected = self._source.expected.get(key)
        expects_key = expected is not None and expected.learns_key and not self._translation.spool
        fields = self._copies.fields(message, key, number, expects_key=expects_key)
        self._sent[key] = self._sent.get(key, set()) | fields
        self._source.tally(stream).status = "running"
        self._landings.clear()
        self._copies.require_known(message, key, number, fields=self._sent[key])
        self._source.note_fields(stream, message.schema)

    def _expand(self, message: BatchMessage, number: int) -> None:
        landing = self._landings.get(message.stream) or self._landing(message.stream, number)
        if landing is None:
            raise TranslationError(f"line {number}: a BATCH of stream `{message.stream}` before its SCHEMA")
        size = 0
        for body in bodies(
            message, translation=self._translation, number=number, notices=self._notices, tally=landing.tally
        ):
            try:
                self._out.append(landing.record(body, None, now=int(self._wall() * 1000)))
            except Unwritable as error:
                self._refused(error, landing.tally, number, body)
            size += len(body)
            if self.spill and size > PIECE:
                self.spill(b"".join(self._out))
                self._out.clear()
                size = 0

    def due(self) -> float | None:
        return self._pace.left() if self.states.waiting else None

    def tick(self) -> bytes:
        return self._token() if self.states.waiting and self._pace.is_due(self._source.records) else b""

    def _token(self) -> bytes:
        self._numbered = self._source.records
        self._pace.sent(self._numbered)
        return self.states.issue(self._copies.counts())

    def closing(self, *, complete: bool) -> bytes:
        """Return a state, then COMPLETE. There is always a state: without one, a complete write is not acknowledged."""
        tallies = self._source.tallies
        self._notices.closing(tallies.values())
        is_behind = self._source.records > self._numbered or not self.states.begun
        token = self._token() if self.states.waiting or is_behind else b""
        if not complete:
            return token
        self.states.release()
        self.counts.end()
        done = [key for key in self._copies.streams if key not in tallies or tallies[key].status == "complete"]
        finished = [self._names[copy] for key in done for copy in self._copies.streams[key]]
        return token + b"".join(complete_line(name, self._wall()) for name in finished)

    def acked(self, line: bytes) -> bool:
        return self._target.read_line(line, self._acknowledged)

    def _acknowledged(self, ack: Ack) -> bool:
        moved, counted = self.states.acked(ack)
        if counted:
            self._target.compare(ack, {counted.records}, self._copies.tally_of(counted.key) if counted.key else None)
        return moved

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)
