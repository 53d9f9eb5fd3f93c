"""Read the output of a Singer tap: parse lines, and count by stream."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.project.model import Schemaless, UndeclaredFields
from tapdock.protocol import singer
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.lines import split, whole_messages
from tapdock.protocol.parts import Part
from tapdock.protocol.patterns import matcher, splits
from tapdock.protocol.schema_edits import Fragment
from tapdock.protocol.singer import Message
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import emitted_names
from tapdock.translate.catalogs.tap_keys import with_key_fields
from tapdock.translate.counts import Counts
from tapdock.translate.notices import Notices
from tapdock.translate.states.singer import without_skipped
from tapdock.translate.tally import Tally
from tapdock.translate.write.undeclared import declared_names, require_no_extra

__all__ = ["SingerSource"]


class SingerSource:
    """The reader of a tap's output. Streams that were not selected are counted as well.

    `line` is the number of the last line that was read.
    """

    def __init__(
        self, streams: Iterable[ConfiguredStream], notices: Notices, options: TranslateOptions, *, saved: str | None
    ) -> None:
        self.expected = {stream.stream.key: stream for stream in streams}
        for key, stream in self.expected.items():
            if (stream.undeclared or options.undeclared) == "json":
                require_no_extra(key, declared_names(stream.stream.json_schema) or ())
        self.tallies: dict[StreamKey, Tally] = {key: Tally(key) for key in self.expected}
        self.line = 0
        self.counts = Counts(self.tallies, notices)
        self._notices = notices
        self._keys: dict[str, StreamKey] = {}
        self._excluded = frozenset(options.excluded)
        self._only_known = options.only_known
        self._options = options
        self._denied = options.denied
        self._is_denied: dict[str, bool] = {}
        self._saved = saved
        self._skipped: set[str] = set()

    @property
    def records(self) -> int:
        """The number of records of all streams that were sent to the target."""
        return sum(tally.records for tally in self.tallies.values())

    def key(self, stream: str) -> StreamKey:
        """Return the stream by its name in messages, which may differ from that in the catalog (protocol.md 3.1).

        Raises TranslationError if several streams match.
        """
        key = self._keys.get(stream)
        if key is None:
            found = [key for key, known in self.expected.items() if stream in emitted_names(known.stream)]
            exact = [key for key in found if self.expected[key].stream.name == stream]
            one = exact if len(exact) == 1 else found
            if len(one) > 1:
                names = " or ".join(f"`{key}`" for key in one)
                raise TranslationError(f"line {self.line}: the tap's stream `{stream}` may be {names}")
            key = self._keys[stream] = one[0] if one else StreamKey(None, stream)
        return key

    def learn_key(self, stream: str, names: Sequence[str]) -> None:
        """Keep the fields of a key in a SCHEMA. Raises TranslationError if the user excluded one of them."""
        if known := self.expected.get(self.key(stream)):
            self.expected[known.stream.key] = with_key_fields(known, names)

    def tally(self, stream: str) -> Tally:
        """Return the counts of a stream by its name in messages."""
        key = self.key(stream)
        return self.tallies.setdefault(key, Tally(key))

    def is_left_out(self, stream: str, *, record: bool) -> bool:
        """Return True if the stream is not selected, or not in the catalog. The first time, warn; count its records."""
        is_unknown = (self._only_known or self._denied) and self.key(stream) not in self.expected
        is_denied = stream in self._excluded or (is_unknown and self._denies(stream))
        if not is_denied and not (is_unknown and self._only_known):
            return False
        if stream:
            self._skipped.add(stream)
        tally = self.tallies.setdefault(StreamKey(None, stream), Tally(StreamKey(None, stream)))
        tally.excluded += record
        what = f"stream `{stream}` is not selected, but the tap sends it: its records are skipped"
        if not is_denied:
            what = (
                f"stream `{stream}` is not in the catalog: its records are skipped, and its bookmark is not saved; "
                "`tapdock catalog commit SOURCE` or `tapdock run … --accept-schema-changes` adds a stream"
            )
        self._notices.warn_once(what, about=stream)
        return True

    def _denies(self, stream: str) -> bool:
        """Return True if a glob excludes all of a stream that is in no catalog."""
        if stream not in self._is_denied:
            parts = [(name, field) for pattern in self._denied for name, field in splits(pattern)]
            whole = [*self._denied, *(name for name, field in parts if field == "*")]
            self._is_denied[stream] = any(matcher(pattern).fullmatch(stream) for pattern in whole)
        return self._is_denied[stream]

    def exclusion(self, stream: str) -> Exclusion:
        """Return the excluded fields of a stream, by its name in messages; by globs alone if it is in no catalog."""
        if known := self.expected.get(self.key(stream)):
            return known.exclusion
        parts = [(name, field) for pattern in self._denied for name, field in splits(pattern)]
        return Exclusion((), (), [field for name, field in parts if matcher(name).fullmatch(stream)])

    def fragments(self, stream: str) -> tuple[Fragment, ...]:
        """Return the user's schemas of single fields of a stream."""
        known = self.expected.get(self.key(stream))
        return known.fragments if known else ()

    def undeclared(self, stream: str) -> UndeclaredFields | None:
        """Return what happens to fields of a stream that its schema does not declare; None if nobody chose."""
        known = self.expected.get(self.key(stream))
        return (known.undeclared if known else None) or self._options.undeclared

    def schemaless(self, stream: str) -> Schemaless | None:
        """Return what happens to a stream that declares no fields; None is the default of the route."""
        known = self.expected.get(self.key(stream))
        return (known.schemaless if known else None) or self._options.schemaless

    def cursor(self, stream: str) -> tuple[str, ...]:
        """Return the cursor of a stream of the catalog, if it has one that is not nested."""
        known = self.expected.get(self.key(stream))
        return known.cursor_field if known and len(known.cursor_field) == 1 else ()

    def note_fields(self, stream: str, schema: Raw) -> None:
        """Warn about fields of a SCHEMA that are read, but are not in the catalog that the run keeps to."""
        known = self.expected.get(self.key(stream)) if self._only_known else None
        declared = known.stream.json_schema.get("properties") if known else None
        if not known or not declared:
            return
        exclusion = known.exclusion
        found = [
            f"`{name}`"
            for name in msgspec.json.decode(schema).get("properties") or ()
            if name not in declared and not name.startswith("_sdc_") and exclusion.verdict((name,)) != "remove"
        ]
        if found:
            said = f"stream `{stream}`: the tap's SCHEMA has fields that are not in the catalog, and they are read: "
            hint = "; `!` patterns of `select` exclude fields"
            self._notices.warn_once(said + ", ".join(found) + hint, about=("fields", stream))

    def state(self, value: Raw) -> Raw:
        """Return a state of the tap with the saved bookmarks of streams whose records are skipped."""
        if not self._skipped:
            return value
        known = {name for one in self.expected.values() for name in emitted_names(one.stream)}
        return without_skipped(value, self._saved, self._skipped, known)

    def decoded(self, batch: bytes) -> tuple[list[Message], Sequence[int], bytes] | None:
        """Return all messages of a clean batch at once, the numbers of their lines, and these lines.

        Return None if the batch must be read line by line.
        """
        whole = whole_messages(batch, singer.MESSAGES.decode_lines)
        if whole is None:
            return None
        before, self.line = self.line, self.line + whole.total
        numbers = whole.numbers
        if isinstance(numbers, range):
            return whole.messages, range(before + 1, self.line + 1), whole.lines
        return whole.messages, [before + number for number in numbers], whole.lines

    def one_by_one(self, batch: bytes) -> Iterator[tuple[int, Message, Part[Message]]]:
        """Yield messages with their line numbers. Other text is logged; a broken message is refused, or set aside."""
        for text in split(batch):
            self.line += 1
            for message, part in self.read(text):
                yield self.line, message, part

    def read(self, text: bytes, *, quiet: bool = False) -> Iterator[tuple[Message, Part[Message]]]:
        """Yield one line's messages. With `quiet`, nothing is logged, refused or set aside. Raises TranslationError."""
        for part in singer.DIALECT.parts(text):
            if part.message:
                yield part.message, part
            elif quiet or (part.is_record and self.is_left_out(part.stream or "", record=True)):
                continue
            elif part.refused:
                error = TranslationError(f"line {self.line}: {part.refused}")
                self.refuse(error, part.text, stream=part.stream, is_record=part.is_record)
            else:
                self._notices.mended(part.notes, number=self.line)
                self._notices.junk(part.text, self.line)

    def refuse(
        self, error: TranslationError, text: bytes, *, stream: str | None = None, is_record: bool = True
    ) -> None:
        """Refuse a message, or set it aside if it is a record. Raises `error`."""
        if not is_record:
            raise error
        self._notices.bad_record(error, tally=self.tally(stream) if stream else None, stream=stream, text=text)
