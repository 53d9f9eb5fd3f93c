"""Read the output of an Airbyte source: parse lines, and handle all messages that are not records."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Raw

from tapdock.errors import Side, TranslationError
from tapdock.events import Failed
from tapdock.protocol import airbyte
from tapdock.protocol.airbyte import Message, Record
from tapdock.protocol.catalog import ConfiguredStream, StreamKey, bare_names
from tapdock.protocol.lines import split, whole_messages
from tapdock.protocol.traces import StreamStatus, TraceError, read_trace
from tapdock.translate.counts import Counts
from tapdock.translate.notices import Notices
from tapdock.translate.states.airbyte import SourceState, key_of, read_state
from tapdock.translate.tally import Status, Tally

__all__ = ["AirbyteSource", "failure"]

_LONGEST_REASON = 500
_STATUSES: dict[str, Status] = {
    "STARTED": "running",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "INCOMPLETE": "incomplete",
}


class AirbyteSource:
    """The reader of a source's output; `tallies` are the configured streams.

    `line` is the number of the last line that was read. `failed` is true after an error of the whole run: then no
    stream may be reported as complete, whatever the source's exit code is. `bare` are the streams that messages may
    name without their namespace.
    """

    def __init__(self, streams: Iterable[ConfiguredStream], notices: Notices) -> None:
        self.tallies = {stream.stream.key: Tally(stream.stream.key) for stream in streams}
        self.line = 0
        self.failed = False
        self.bare = bare_names(self.tallies)
        self.counts = Counts(self.tallies, notices)
        self._notices = notices
        self._checked = 0

    def decoded(self, batch: bytes) -> tuple[list[Message], Sequence[int], bytes] | None:
        """Return all messages of a clean batch at once, the numbers of their lines, and these lines.

        Return None if the batch must be read line by line.
        """
        whole = whole_messages(batch, airbyte.MESSAGES.decode_lines)
        if whole is None:
            return None
        before, self.line = self.line, self.line + whole.total
        numbers = whole.numbers
        if isinstance(numbers, range):
            return whole.messages, range(before + 1, self.line + 1), whole.lines
        return whole.messages, [before + number for number in numbers], whole.lines

    def one_by_one(self, batch: bytes) -> Iterator[tuple[int, Message, bytes]]:
        """Yield messages with their line numbers and texts, which are repaired if necessary; other text is logged.

        A record that cannot be read is refused, or set aside. Raises TranslationError.
        """
        for text in split(batch):
            self.line += 1
            for part in airbyte.DIALECT.parts(text):
                self._notices.mended(part.notes, number=self.line)
                if part.message:
                    yield self.line, part.message, part.text
                elif part.refused:
                    error = TranslationError(f"line {self.line}: {part.refused}")
                    if not part.is_record:
                        raise error  # without a state, it is not known which records a later one covers
                    self._notices.bad_record(error, tally=self._named(part.stream), stream=part.stream, text=part.text)
                else:
                    self._notices.junk(part.text, self.line)

    def _named(self, stream: str | None) -> Tally | None:
        """Return the only stream with that name, in any namespace; None if there are none or several."""
        found = [tally for key, tally in self.tallies.items() if key.name == stream]
        return found[0] if len(found) == 1 else None

    def is_body(self, data: bytes, tally: Tally, number: int, text: bytes | None = None) -> bool:
        """Return True if the data of a record can be sent.

        An empty object is skipped and counted (protocol.md 1.3); data that is not an object is refused, or set aside.
        """
        if data.startswith(b"{"):
            if data[1:-1].strip():
                return True
            tally.empty += 1
            return False
        problem = "is missing" if data == b"null" else "is not an object"
        error = TranslationError(f"line {number}: `data` of a record of stream `{tally.key}` {problem}")
        self._notices.bad_record(error, tally=tally, stream=str(tally.key), text=data if text is None else text)
        return False

    def came(self) -> int:
        """Return the number of records of all streams."""
        return sum(tally.came for tally in self.tallies.values())

    def other(self, message: Message, number: int) -> SourceState | None:
        """Handle a message that is not a record. Return a state if it belongs to a configured stream, else None.

        Raises TranslationError for a state that cannot be used.
        """
        try:
            match message:
                case airbyte.StateMessage(state=raw):
                    return self._state(read_state(raw), number)
                case airbyte.LogMessage(log=raw):
                    log = msgspec.json.decode(raw, type=airbyte.Log)
                    text = f"{log.message}\n{log.stack_trace}" if log.stack_trace else log.message
                    self._notices.log(airbyte.level_of(log.level), text)
                case airbyte.TraceMessage(trace=raw):
                    self._trace(raw, number)
                case airbyte.ControlMessage(control=raw):
                    self._notices.control(raw, number)
                case _:
                    pass  # the answer to another command
        except (msgspec.MsgspecError, ValueError) as error:
            if isinstance(message, airbyte.StateMessage):
                raise self.unusable(error, number) from error
            self._notices.log("info", f"line {number}: unreadable {type(message).__name__}: {error}")
        return None

    def unusable(self, error: Exception, number: int) -> TranslationError:
        """Return the error for a state that cannot be used. A state is never set aside: it shows what records cover."""
        return TranslationError(f"line {number}: a state of the source cannot be used: {error}")

    def _state(self, state: SourceState, number: int) -> SourceState | None:
        self.counts.signs += 1
        state = state._replace(key=self.key_named(state.key) if state.key else None)
        tally = self.tallies.get(state.key) if state.key else None
        if state.key and not tally:
            fits = self._fits(state.key)
            unknown = f"a state of stream `{state.key}`, which is not configured, was ignored"
            message = f"line {number}: {f'a state was ignored: stream {fits}' if fits else unknown}"
            self._notices.warn_once(message, about=state.key)
            return None
        self._check_count(state, tally)
        return None if state.empty else state

    def _check_count(self, state: SourceState, tally: Tally | None) -> None:
        """Compare the source's own count of records since its previous state with tapdock's (protocol.md 1.7)."""
        if tally:
            count = tally.since_checked()
        else:
            came = self.came()
            count, self._checked = came - self._checked, came
        if state.records is not None and state.records != count:
            where = f"stream `{tally.key}`" if tally else "all streams"
            message = f"{where}: the source counted {state.records} records before a state, but sent {count}"
            self._notices.mismatch("source", message, about=("count", state.key))

    def _trace(self, raw: Raw, number: int) -> None:
        trace = read_trace(raw)
        if trace.odd:
            self._notices.log("info", f"line {number}: a TRACE cannot be read: {trace.odd}")
        if trace.status:
            self.counts.signs += 1
            self._status(trace.status, number)
        if trace.error:
            self._error(trace.error)

    def _status(self, told: StreamStatus, number: int) -> None:
        status, tally = _STATUSES.get(told.status), self._tally(told.stream)
        if tally:
            self.counts.has_statuses |= status in ("running", "complete")
            tally.mark(status)
        elif status == "incomplete":
            self.failed = True
            name = _name(told)
            self.counts.unknown.append(
                f"a stream that is not configured (`{name}`)" if name else "a stream without a name"
            )
        if status is None:
            self._notices.log("info", f"line {number}: `{told.status}` is not a status of a stream")

    def _error(self, error: TraceError) -> None:
        """Mark the stream of an error as failed. An error that fits no configured stream is one of the whole run."""
        tally = self._tally(error.stream)
        if tally:
            tally.mark("failed")
        else:
            self.failed = True
        self._notices.emit(failure("source", error, stream=tally.key if tally else None))

    def _tally(self, descriptor: airbyte.StreamDescriptor | None) -> Tally | None:
        if descriptor is None:
            return None
        return self.tallies.get(self.key_named(key_of(descriptor)))

    def key_named(self, named: StreamKey) -> StreamKey:
        """Return the configured stream that a message names, which may lack its namespace."""
        return named if named in self.tallies else self.bare.get(named, named)

    def unknown(self, record: Record | None, number: int, text: bytes) -> None:
        """Refuse, or set aside, a record of a stream that is not configured, or without a stream."""
        key = StreamKey.of(record.namespace, record.stream) if record and record.stream else None
        if record is None or key is None:
            missing = "record" if record is None else "stream"
            error = TranslationError(f"line {number}: a record without `{missing}`")
        else:
            fits = self._fits(key)
            unknown = f"a record of stream `{key}`, which is not configured"
            hint = "select only one of them" if fits else f"add `{key}` to `select`, or correct the source"
            message = f"line {number}: {f'a record of stream {fits}' if fits else unknown}"
            error = TranslationError(message, hint=hint)
        self._notices.bad_record(error, tally=None, stream=key and str(key), text=text)

    def _fits(self, named: StreamKey) -> str | None:
        """Return the name of a message and the configured streams that it fits, if these are several; else None."""
        fitting = [f"`{key}`" for key in self.tallies if key.name == named.name and not named.namespace]
        if len(fitting) < 2:
            return None
        return f"`{named.name}` has no namespace and fits {', '.join(fitting[:-1])} and {fitting[-1]}"


def failure(side: Side, error: TraceError, *, stream: StreamKey | None) -> Failed:
    """Return a connector's error as an event. `stream` is the configured stream that it is about, None for the run."""
    words = error.words or "it gave no reason"
    unknown = None if stream else _name(error)
    details = (error.internal_message, error.stack_trace)
    return Failed(
        side=side,
        message=f"{words} (in stream `{unknown}`)" if unknown else words,
        stream=str(stream) if stream else None,
        failure_type=error.failure_type,
        reason=" ".join((error.internal_message or "").split())[:_LONGEST_REASON] or None,
        internal="\n".join(text for text in details if text) or None,
    )


def _name(told: TraceError | StreamStatus) -> str | None:
    return str(key_of(told.stream)) if told.stream else told.about
