"""Change the bodies of a Singer tap's records for a Singer target: excluded and undeclared fields."""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.schema_edits import merged
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Rule, Unwritable, chain
from tapdock.translate.write.schemaless import DATA, REASON, data_rule, data_schema, no_fields, refused
from tapdock.translate.write.undeclared import EXTRA_FRAGMENT, Undeclared, declared_names, watching

__all__ = ["SingerBodies"]


class SingerBodies:
    """The changes of bodies, by the name of their stream in messages."""

    def __init__(self, source: SingerSource, notices: Notices, translation: TranslateOptions) -> None:
        self._source = source
        self._notices = notices
        self._rules: dict[str, Rule | None] = {}
        self._watched: dict[str, Undeclared] = {}
        self._unread: set[str] = set()
        self._seen: set[str] = set()
        self._lines: dict[type, Undeclared | None] = {}
        self._decode: Callable[[bytes], list[Any]] | None = None

    def reads_all(self, stream: str) -> bool:
        """Return True if each record of a stream must be read, also those in files."""
        return self._source.undeclared(stream) is not None

    def rule(self, stream: str) -> Rule | None:
        """Return the rule that removes the excluded fields of a stream, or puts its bodies into a column; or None."""
        if stream not in self._rules:
            self._rules[stream] = removal(self._source.exclusion(stream))
        return self._rules[stream]

    def forget(self, stream: str) -> None:
        """Forget the rule of a stream, because its SCHEMA may have another key."""
        self._rules.pop(stream, None)

    def declare(self, stream: str, schema: bytes, key: Sequence[str]) -> bytes:
        """Keep the fields of a stream from its SCHEMA, and return the schema for the target.

        Raises TranslationError for a stream without fields that is refused.
        """
        self._watched.pop(stream, None)
        self._decode = None
        tally, policy = self._source.tally(stream), self._source.undeclared(stream)
        names = declared_names(msgspec.json.decode(schema))
        known, keys = None if stream in self._unread else names, (*key, *self._source.cursor(stream))
        if watch := watching(known, tally, self._notices, policy, keys=keys):
            self._watched[stream] = watch
        if not names:
            return self._without_fields(stream, schema, key)
        if rule := conversion(
            msgspec.json.decode(schema), self._source.fragments(stream), self._notices.converter(tally)
        ):
            self._rules[stream] = chain([one for one in (self.rule(stream), rule) if one])
            tally.reason = "values are converted to the user's schema"
        return merged(schema, [EXTRA_FRAGMENT]) if policy == "json" else schema

    def _without_fields(self, stream: str, schema: bytes, key: Sequence[str]) -> bytes:
        tally, way = self._source.tally(stream), self._source.schemaless(stream)
        if way is None:
            self._notices.warn_once(no_fields(tally.key), about=("schemaless", tally.key))
            return schema
        columns = dict.fromkeys((*key, *self._source.cursor(stream)))
        if way == "refuse" or DATA in columns:
            error = refused(tally.key)
            raise TranslationError(f"line {self._source.line}: {error.message}", hint=error.hint)
        self._rules[stream] = data_rule(self._source.exclusion(stream), list(columns))
        tally.reason = REASON
        return msgspec.json.encode(data_schema(list(columns)))

    def passed_unread(self, stream: str) -> None:
        """Stop reading a stream, because the target gets some of its records in files that are not read."""
        self._unread.add(stream)
        self._watched.pop(stream, None)
        self._source.tally(stream).undeclared = None
        self._decode = None

    def end_watch(self) -> None:
        """Stop reading the streams of which enough records had no undeclared field."""
        for stream in [stream for stream, watch in self._watched.items() if watch.is_over]:
            del self._watched[stream]
            self._decode = None

    def fit(self, lines: bytes, tallies: Iterable[Tally]) -> bool:
        """Return True if lines of which each is a record, and has no rule, are the same for the target.

        `tallies` are those of their streams. The undeclared fields of such lines are counted.
        """
        if not self._watched or not any(watch.is_of(tally) for tally in tallies for watch in self._watched.values()):
            return True
        try:
            found = (self._decode or self._built())(lines)
        except (msgspec.MsgspecError, RecursionError):
            return False
        counted = {line: watch for line, watch in self._lines.items() if watch and watch.has_learned}
        for line in found if counted else ():
            if watch := counted.get(type(line)):
                watch.count(line.record)
        return True

    def _built(self) -> Callable[[bytes], list[Any]]:
        """Return the decoder of lines: those of each stream have the type of its bodies."""
        self._lines = {}
        for stream in self._seen:
            watch = self._watched.get(stream)
            body = watch.body if watch else Raw
            line = msgspec.defstruct("Line", [("record", body)], tag_field="stream", tag=stream, gc=False)
            self._lines[line] = watch
        either = functools.reduce(operator.or_, self._lines)
        decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(either).decode_lines
        self._decode = decode
        return decode

    def changed(self, old: bytes, stream: str, text: bytes) -> bytes | None:
        """Return the body of a record for the target; None if it has no field, or is refused or set aside as `text`."""
        tally, rule, watch = self._source.tally(stream), self.rule(stream), self._watched.get(stream)
        if stream not in self._seen:
            self._seen.add(stream)
            self._decode = None
        try:
            new = rule(old) if rule else old
            if new is not old:
                tally.reason = tally.reason or "fields are excluded, but the tap sends them"
            if watch and new != EMPTY and not watch.fits(new):
                known, before, new = watch.body, new, watch.handled(new)
                if watch.body is not known:  # it has learned a field
                    self._decode = None
                if new is not before:
                    tally.reason = tally.reason or "undeclared fields are changed"
        except Unwritable as error:
            what = f"line {self._source.line}: a record of stream `{tally.key}` {error}"
            self._source.refuse(TranslationError(what), text, stream=stream)
            return None
        if new is not old and new == EMPTY:  # it has only excluded fields, or undeclared ones that are dropped
            tally.empty += 1
            return None
        return new
