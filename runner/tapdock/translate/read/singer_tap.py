"""Read the output of a Singer tap: parse lines, and count by stream."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from tapdock.errors import TranslationError
from tapdock.protocol import singer
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.lines import is_clean_text, split
from tapdock.protocol.singer import Message, SingerLine
from tapdock.translate.catalogs.singer import emitted_names
from tapdock.translate.counts import Counts
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally

__all__ = ["SingerSource"]

_RECORD = re.compile(rb'"type"\s*:\s*"record"', re.IGNORECASE)


class SingerSource:
    """The reader of a tap's output. Streams that were not selected are counted as well.

    `line` is the number of the last line that was read; blank lines of a clean batch are not counted.
    """

    def __init__(self, streams: Iterable[ConfiguredStream], notices: Notices, *, excluded: Iterable[str] = ()) -> None:
        self.expected = {stream.stream.key: stream for stream in streams}
        self.tallies: dict[StreamKey, Tally] = {key: Tally(key) for key in self.expected}
        self.line = 0
        self.counts = Counts(self.tallies, notices)
        self._notices = notices
        self._keys: dict[str, StreamKey] = {}
        self._excluded = frozenset(excluded)

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

    def tally(self, stream: str) -> Tally:
        """Return the counts of a stream by its name in messages."""
        key = self.key(stream)
        return self.tallies.setdefault(key, Tally(key))

    def is_left_out(self, stream: str, *, record: bool) -> bool:
        """Return True if the user did not select the stream. The first time, warn; count its records."""
        if stream not in self._excluded:
            return False
        tally = self.tallies.setdefault(StreamKey(None, stream), Tally(StreamKey(None, stream)))
        tally.excluded += record
        self._notices.warn_once(
            f"stream `{stream}` is not selected, but the tap sends it: its records are skipped", about=stream
        )
        return True

    def decoded(self, batch: bytes) -> list[Message] | None:
        """Return all messages of a clean batch at once; None if it must be read line by line."""
        if not is_clean_text(batch):
            return None
        try:
            messages = singer.MESSAGES.decode_lines(batch)
        except (msgspec.MsgspecError, RecursionError):
            return None
        self.line += len(messages)
        return messages

    def one_by_one(self, batch: bytes) -> Iterator[tuple[int, SingerLine]]:
        """Yield messages with their line numbers. Blank lines are ignored, junk is logged, broken lines are refused."""
        for text in split(batch):
            self.line += 1
            line = self.read(text)
            if line:
                yield self.line, line

    def read(self, text: bytes, *, quiet: bool = False) -> SingerLine | None:
        """Return one line's message; None if it has none. With `quiet`, nothing is logged, refused or set aside."""
        line = singer.parse_line(text)
        if quiet:
            return None if line.refused else line
        if line.refused:
            self.refuse(TranslationError(f"line {self.line}: {line.refused}"), text, stream=line.stream)
            return None
        if line.message is None:
            self._notices.junk(text, self.line)
            return None
        return line

    def refuse(self, error: TranslationError, text: bytes, *, stream: str | None = None) -> None:
        """Refuse a line, or set it aside if it is a record. Raises `error`."""
        if not _RECORD.search(text):
            raise error
        self._notices.bad_record(error, tally=self.tally(stream) if stream else None, stream=stream, text=text)
