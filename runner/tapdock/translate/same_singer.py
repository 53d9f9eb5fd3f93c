"""Singer tap to Singer target: messages byte for byte, and states that are known again when they come back."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from tapdock.catalog import ConfiguredStream
from tapdock.errors import TranslationError
from tapdock.protocol import singer
from tapdock.protocol.singer import ActivateMessage, BatchMessage, Line, RecordMessage, SchemaMessage, StateMessage
from tapdock.translate.base import Emit, Manner
from tapdock.translate.batches import bodies, rows_of
from tapdock.translate.bookmarks import Bookmarks
from tapdock.translate.glance import Glance
from tapdock.translate.rules import Rule, drop, fields
from tapdock.translate.singer_source import SingerSource
from tapdock.translate.voice import Voice

__all__ = ["SingerToSinger"]

_Members = dict[str, Raw]


class SingerToSinger:
    """A `Translator` for one run (protocol.md 3.8).

    Three things do not go through as they came: what is no message (junk, blank lines); fields that the user left out,
    where the tap sends them all the same; and ACTIVATE_VERSION, which waits for the end of a source that ended well. A
    tap may say it at the start, and then a target's rows would be gone before the new ones are there.
    """

    def __init__(
        self,
        *,
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        emit: Emit,
        clock: Callable[[], float],
        manner: Manner | None = None,
    ) -> None:
        self._manner = manner or Manner()
        self._voice = Voice(emit, on_bad_record=self._manner.on_bad_record)
        self._source = SingerSource(streams, self._voice)
        self.counts = self._source.counts
        self.states = Bookmarks(saved, held=self._manner.last_state_only)
        self._glance = Glance()
        self._rules: dict[str, Rule] = {}
        self._versions: dict[str, int] = {}
        self._activations: dict[str, bytes] = {}
        self._declared: set[str] = set()
        self._unversioned: set[str] = set()
        self._passed_rows: dict[str, int] = {}
        self._ends_with_state = True
        self._out: list[bytes] = []

    def scan(self, lines: bytes) -> None:
        raise AssertionError("a Singer target has no catalog to wait for")

    def catalog(self) -> bytes | None:
        return None

    def opening(self) -> bytes:
        """A state that stands for nothing new: some targets acknowledge the first one that they see at once (2.4)."""
        return singer.state_line(Raw(self.states.baseline.encode())) if self._manner.baseline else b""

    def feed(self, lines: bytes) -> bytes:
        out = self._out = []
        for part, known in self._glance.parts(lines):
            if known:
                self._ends_with_state = False
                out.append(part)
                for tally, records, size in self._glance.counts(part):
                    self._source.line += records
                    tally.records += records
                    tally.bytes += size
            else:
                self._source.line += 1
                self._one(part)
        return out[0] if len(out) == 1 else b"".join(out)

    def _one(self, text: bytes) -> None:
        line = self._source.read(text)
        if line and line.message:
            self._source.counts.signs += 1
            self._out.append(self._passed(line, text))

    def _passed(self, line: Line, text: bytes) -> bytes:
        """What the target gets for a message, lines and all."""
        message, number = line.message, self._source.line
        assert message is not None, "only messages are given"
        stream = None if isinstance(message, StateMessage) else message.stream
        if stream in self._rules:
            self._voice.mended(line.notes, number=number)  # it is to be written anew, so it must be read
        # A type in lower case is Singer's as well, and hardly a target knows it.
        text = text if line.notes and stream not in self._rules else line.text
        self._ends_with_state = isinstance(message, StateMessage)
        if isinstance(message, StateMessage):
            try:
                self.states.note(message.value)
            except ValueError as error:
                raise TranslationError(f"line {number}: a state of the tap cannot be read: {error}") from error
            return text + b"\n"
        if not stream:
            what = f"line {number}: a {message.__struct_config__.tag} without `stream`"
            self._source.refuse(TranslationError(what), text)
            return b""
        match message:
            case RecordMessage():
                return self._record(message, stream, text)
            case SchemaMessage():
                return self._schema(message, stream, text)
            case BatchMessage():
                return self._batch(message, stream, text, number)
            case ActivateMessage():
                self._activations[stream] = text
                self._versions[stream] = int(message.version or 0)
                self._glance.forget()
                return b""
        raise AssertionError(message)

    def _record(self, message: RecordMessage, stream: str, text: bytes) -> bytes:
        """Looked at whole where a version matters, else known by its beginning from now on."""
        tally = self._source.tally(stream)
        tally.records += 1
        rule = self._rules.get(stream)
        if rule:
            members = msgspec.json.decode(text, type=_Members)
            members["record"] = Raw(rule(bytes(message.record)))
            text = msgspec.json.encode(members)
        tally.bytes += len(text)
        if message.version is None:
            self._unversioned.add(stream)
            if not rule and stream not in self._activations:
                self._glance.learn(text, bytes(message.record), tally)
        return text + b"\n"

    def _schema(self, message: SchemaMessage, stream: str, text: bytes) -> bytes:
        """As it came, unless it declares what the user left out."""
        self._declared.add(stream)
        tally = self._source.tally(stream)
        expected = self._source.expected.get(tally.key)
        dropped = expected.dropped if expected else ()
        if not dropped:
            return text + b"\n"
        try:
            schema = msgspec.json.decode(message.schema, type=_Members)
            properties = msgspec.json.decode(schema.get("properties", Raw(b"{}")), type=_Members)
        except msgspec.MsgspecError as error:
            what = f"line {self._source.line}: the schema of stream `{tally.key}` cannot be read: {error}"
            raise TranslationError(what) from error
        sent = [name for name in dropped if name in properties]
        if not sent:
            return text + b"\n"
        self._rules[stream] = fields(dict.fromkeys(sent, drop))
        self._glance.forget()
        tally.reason = f"{', '.join(f'`{name}`' for name in sent)} is left out, which the tap sends"
        kept = {name: one for name, one in properties.items() if name not in sent}
        schema["properties"] = Raw(msgspec.json.encode(kept))
        members = msgspec.json.decode(text, type=_Members)
        return msgspec.json.encode({**members, "schema": schema}) + b"\n"

    def _batch(self, message: BatchMessage, stream: str, text: bytes, number: int) -> bytes:
        """As it is where the target reads files, and nothing would be in the wrong order; else as records.

        Targets write a file at once and records later, and give its rows no version.
        """
        tally = self._source.tally(stream)
        mixed = tally.records > self._passed_rows.get(stream, 0) or stream in self._activations or stream in self._rules
        scratch = self._manner.scratch
        rows = rows_of(message, scratch=scratch) if self._manner.quirks.takes_batches and not mixed else None
        if rows is not None:
            self._unversioned.add(stream)
            tally.records += rows
            self._passed_rows[stream] = self._passed_rows.get(stream, 0) + rows
            return text + b"\n"
        start, end = singer.record_start(stream), singer.record_end(None, version=self._versions.get(stream))
        rule = self._rules.get(stream)
        out: list[bytes] = []
        for body in bodies(message, scratch=scratch, number=number):
            tally.records += 1
            tally.bytes += len(body)
            out += (start, rule(body) if rule else body, end)
        return b"".join(out)

    def due(self) -> float | None:
        return None

    def tick(self) -> bytes:
        return b""

    def closing(self, *, complete: bool) -> bytes:
        """What replaces old rows, and the last state once more, so that its acknowledgement covers that.

        Where records came last it is said again as well: some targets forget a state when a record follows (2.4).
        """
        tallies = self._source.tallies.values()
        self._voice.closing(tallies)
        if not complete:
            return b""
        for tally in tallies:
            tally.end()
        out = []
        for stream, text in self._activations.items():
            if stream in self._unversioned:
                message = f"stream `{stream}` has records without a version: its old rows stay where they are"
                self._voice.warn_once(message, about=("version", stream))
            elif stream in self._declared:  # targets end at a version of a stream that they know nothing of
                out.append(text + b"\n")
        self.states.release()
        if out or self._manner.last_state_only or not self._ends_with_state:
            out.append(self.states.again())
        return b"".join(out)

    def acked(self, line: bytes) -> bool:
        value = singer.parse_state(line)
        return value is not None and self.states.acked(value)

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)
