"""Airbyte source to Singer target: record bodies are spliced byte for byte, states become tokens."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from tapdock.catalog import ConfiguredStream, StreamKey
from tapdock.errors import TranslationError
from tapdock.events import Failed, Level, Logged, Rotated, StreamReport
from tapdock.protocol import airbyte, singer
from tapdock.protocol.airbyte import Message, RecordMessage
from tapdock.protocol.lines import is_clean_text, split
from tapdock.translate.base import Emit
from tapdock.translate.carried import Carried
from tapdock.translate.names import singer_names
from tapdock.translate.routes import Route, Status
from tapdock.translate.states import Ledger, SourceState, key_of, read_state

__all__ = ["AirbyteToSinger"]

TOKEN_SECONDS = 1.0
TOKEN_RECORDS = 10_000
_LONGEST_LOG = 64 << 10
_KNOWN_TIMES = 4096
_BRACE, _QUOTE = b'{"'
_STATUSES: dict[str, Status] = {
    "STARTED": "running",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "INCOMPLETE": "incomplete",
}


class AirbyteToSinger:
    """A `Translator` for one run (protocol.md 3); `saved` is the previous run's state text, unless `ledger` knows it.

    Raises UsageError when names collide, or a stream has no fields or no usable key.
    """

    def __init__(
        self,
        *,
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        emit: Emit,
        clock: Callable[[], float],
        ledger: Ledger | Carried | None = None,
    ) -> None:
        names = singer_names(stream.stream.key for stream in streams)
        self._routes = {stream.stream.key: Route(stream, names[stream.stream.key]) for stream in streams}
        self._opening = b"".join(route.opening() for route in self._routes.values())
        # Records are looked up by what they say; "" and an absent namespace are the same.
        self._by_name: dict[tuple[str | None, str | None], Route] = {}
        for key, route in self._routes.items():
            self._by_name[key] = route
            if not key.namespace:
                self._by_name["", key.name] = route
        self._ledger = ledger or Ledger(names=names, saved=saved)
        self._emit = emit
        self._clock = clock
        self._out: list[bytes] = []
        self._ends: dict[int | float | None, bytes] = {}
        self._lines = 0
        self._records = 0
        self._signs = 0
        self._issued_at = clock()
        self._issued_records = 0
        self._checked = 0
        self._warned: set[object] = set()
        self._mended: Counter[str] = Counter()

    def opening(self) -> bytes:
        return self._opening + self._token()

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
                raise _refused(number, record)
            data = bytes(record.data)
            if (data[0] != _BRACE or data[1] != _QUOTE) and not self._is_body(data, route, number):
                continue
            if route.rule:
                data = route.rule(data)
            self._records += 1
            route.records += 1
            route.bytes += len(data)
            end = ends.get(record.emitted_at) or self._end(record.emitted_at)
            out += (route.start, data, end)
        if self._ledger.waiting and self._is_due():
            out.append(self._token())
        return b"".join(out)

    def _messages(self, batch: bytes) -> Iterable[tuple[int, Message]]:
        """Numbered messages: all at once where the batch is clean, else line by line.

        In a clean batch a blank line has no number: counting line feeds would cost a tenth of the whole.
        """
        if is_clean_text(batch):
            try:
                messages = airbyte.MESSAGES.decode_lines(batch)
            except (msgspec.MsgspecError, RecursionError):
                return self._one_by_one(batch)
            first = self._lines + 1
            self._lines += len(messages)
            return enumerate(messages, first)
        return self._one_by_one(batch)

    def _one_by_one(self, batch: bytes) -> Iterator[tuple[int, Message]]:
        for text in split(batch):
            self._lines += 1
            line = airbyte.parse_line(text)
            for note in line.notes:
                self._mended[note] += 1
                if self._mended[note] == 1:
                    self._log("warning", f"line {self._lines}: {note}")
            for message in line.messages:
                yield self._lines, message
            if line.refused:
                raise TranslationError(f"line {self._lines}: {line.refused}")
            if not line.messages and text.strip():
                self._log("info", text.decode(errors="replace").strip())

    def _is_body(self, data: bytes, route: Route, number: int) -> bool:
        """False for an empty object, which is counted and left out (protocol.md 1.3)."""
        if not data.startswith(b"{"):
            problem = "is missing" if data == b"null" else "is not an object"
            raise TranslationError(f"line {number}: `data` of a record of stream `{route.key}` {problem}")
        if data[1:-1].strip():
            return True
        self._records += 1
        route.empty += 1
        return False

    def _end(self, emitted_at: int | float | None) -> bytes:
        if len(self._ends) >= _KNOWN_TIMES:
            self._ends.clear()
        end = self._ends[emitted_at] = singer.record_end(emitted_at)
        return end

    def _take(self, message: Message, number: int) -> None:
        """Everything that is no record."""
        try:
            match message:
                case airbyte.StateMessage(state=raw):
                    self._take_state(read_state(raw), number)
                case airbyte.LogMessage(log=raw):
                    log = msgspec.json.decode(raw, type=airbyte.Log)
                    text = f"{log.message}\n{log.stack_trace}" if log.stack_trace else log.message
                    self._log(airbyte.level_of(log.level), text)
                case airbyte.TraceMessage(trace=raw):
                    self._take_trace(msgspec.json.decode(raw, type=airbyte.Trace))
                case airbyte.ControlMessage(control=raw):
                    config = airbyte.control_config(raw)
                    if config:
                        self._emit(Rotated("source", config))
                case _:
                    pass  # The answer to a command that was not given.
        except (msgspec.MsgspecError, ValueError) as error:
            if isinstance(message, airbyte.StateMessage):
                raise TranslationError(f"line {number}: a state of the source cannot be used: {error}") from error
            self._log("info", f"line {number}: unreadable {type(message).__name__}: {error}")

    def _take_state(self, state: SourceState, number: int) -> None:
        self._signs += 1
        route = self._routes.get(state.key) if state.key else None
        if state.key and not route:
            message = f"line {number}: a state of stream `{state.key}`, which is not configured, was ignored"
            self._warn_once(message, about=state.key)
            return
        self._check_count(state, route)
        self._ledger.note(state)
        if self._is_due():
            self._out.append(self._token())

    def _check_count(self, state: SourceState, route: Route | None) -> None:
        """Compare the source's own count of records since its previous state with ours (protocol.md 1.7)."""
        if route:
            total = route.records + route.empty
            count, route.checked = total - route.checked, total
        else:
            count, self._checked = self._records - self._checked, self._records
        if state.records is not None and state.records != count:
            where = f"stream `{route.key}`" if route else "all streams"
            message = f"{where}: the source counted {state.records} records before a state, {count} came"
            self._warn_once(message, about=("count", state.key))

    def _take_trace(self, trace: airbyte.Trace) -> None:
        if trace.stream_status:
            self._signs += 1
            status = _STATUSES.get(trace.stream_status.status.upper())
            self._set_status(trace.stream_status.stream_descriptor, status)
        if trace.error:
            descriptor = trace.error.stream_descriptor
            if descriptor:
                self._set_status(descriptor, "failed")
            internal = (trace.error.internal_message, trace.error.stack_trace)
            self._emit(
                Failed(
                    side="source",
                    message=trace.error.message,
                    stream=str(key_of(descriptor)) if descriptor else None,
                    failure_type=trace.error.failure_type,
                    internal="\n".join(text for text in internal if text) or None,
                )
            )

    def _set_status(self, descriptor: airbyte.StreamDescriptor, status: Status | None) -> None:
        route = self._routes.get(key_of(descriptor))
        if route and status and route.status != "failed":
            route.status = status

    def due(self) -> float | None:
        if not self._ledger.waiting:
            return None
        return max(0.0, self._issued_at + TOKEN_SECONDS - self._clock())

    def _is_due(self) -> bool:
        many = self._records - self._issued_records >= TOKEN_RECORDS
        return many or self._clock() - self._issued_at >= TOKEN_SECONDS

    def tick(self) -> bytes:
        return self._token() if self._ledger.waiting and self._is_due() else b""

    def _token(self) -> bytes:
        self._issued_at = self._clock()
        self._issued_records = self._records
        return singer.state_line(self._ledger.issue())

    def closing(self, *, complete: bool) -> bytes:
        for route in self._routes.values():
            if complete and route.status in ("pending", "running"):
                route.status = "complete"
        empty = {str(key): route.empty for key, route in self._routes.items() if route.empty}
        if empty:
            each = ", ".join(f"`{name}` {count}" for name, count in empty.items())
            self._log("warning", f"{sum(empty.values())} empty records were left out: {each}")
        for note, count in self._mended.items():
            if count > 1:
                self._log("warning", f"{note}, on {count} lines in all")
        return self._token()

    def acked(self, line: bytes) -> bool:
        value = singer.parse_state(line)
        return value is not None and self._ledger.acked(value)

    def acked_all(self) -> None:
        self._ledger.acked_all()

    def committed(self) -> str | None:
        return self._ledger.committed()

    @property
    def settled(self) -> bool:
        return self._ledger.settled

    @property
    def alive(self) -> int:
        return self._records + self._signs

    @property
    def partial(self) -> bytes:
        return b"".join(self._out)

    def reports(self) -> tuple[StreamReport, ...]:
        return tuple(route.report() for route in self._routes.values())

    def failures(self) -> tuple[str, ...]:
        return tuple(str(key) for key, route in self._routes.items() if route.status in ("failed", "incomplete"))

    def _log(self, level: Level, message: str) -> None:
        self._emit(Logged("source", level, message[:_LONGEST_LOG]))

    def _warn_once(self, message: str, *, about: object) -> None:
        if about not in self._warned:
            self._warned.add(about)
            self._log("warning", message)


def _refused(number: int, record: airbyte.Record | None) -> TranslationError:
    if record is None or not record.stream:
        return TranslationError(f"line {number}: a record without `{'record' if record is None else 'stream'}`")
    key = StreamKey.of(record.namespace, record.stream)
    return TranslationError(
        f"line {number}: a record of stream `{key}`, which is not configured",
        hint=f"add `{key}` to `select`, or correct the source",
    )
