"""What goes into a mapper and what it prints: counts by stream, and the states that it must pass on."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from tapdock.errors import MapperError
from tapdock.events import MapperReport
from tapdock.protocol import singer
from tapdock.protocol.lines import split, whole_messages
from tapdock.protocol.singer import ActivateMessage, Message, RecordMessage, StateMessage
from tapdock.translate.states.canonical import canonical

__all__ = ["Mapped"]

_SHORTEST = len(b'{"type":"STATE","value":{}}\n')
_LOST = "correct the mapper's `config`, or use a mapper that passes each STATE message on unchanged"


class Mapped:
    """The messages on both sides of a mapper. One thread calls `into`, another one `out`, and the supervisor reads.

    A mapper may filter, copy and rename. It may drop states, but not the last one, and it must not change any: a state
    that the source never wrote would be saved, and the next run of the source would start from it.
    """

    def __init__(self, name: str, held: int) -> None:
        """`held` is how many bytes may be on their way from `into` to `out`. The states that fit in are remembered."""
        self._name = name
        self.moved = 0
        self.records_in: Counter[str] = Counter()
        self._records_out: Counter[str] = Counter()
        self._states_in = self._states_out = 0
        self._activations_in = self._activations_out = 0
        self._lock = threading.Lock()
        self._awaited: deque[bytes] = deque(maxlen=held // _SHORTEST)
        self._last_in = self._last_out = b""

    def into(self, messages: Iterable[Message]) -> None:
        """Count messages before the mapper gets them."""
        for message in messages:
            self.moved += 1
            match message:
                case RecordMessage(stream=stream):
                    self.records_in[stream or ""] += 1
                case StateMessage(value=value):
                    self._states_in += 1
                    self._last_in = _mark(value)
                    with self._lock:
                        self._awaited.append(self._last_in)
                case ActivateMessage():
                    self._activations_in += 1

    def out(self, lines: bytes) -> None:
        """Count messages of the mapper. Raises MapperError for a state that the source did not write."""
        whole = whole_messages(lines, singer.MESSAGES.decode_lines)
        for message in whole.messages if whole else _one_by_one(lines):
            match message:
                case RecordMessage(stream=stream):
                    self._records_out[stream or ""] += 1
                case StateMessage(value=value):
                    self._states_out += 1
                    self._match(_mark(value))
                case ActivateMessage():
                    self._activations_out += 1

    def _match(self, state: bytes) -> None:
        """Forget the states before this one. It stays, because a mapper may repeat it."""
        self._last_out = state
        with self._lock:
            if state not in self._awaited:
                what = "printed a STATE that the source did not write, or printed states in another order"
                raise MapperError(f"the mapper {what}", hint=_LOST)
            while self._awaited[0] != state:
                self._awaited.popleft()

    def fault(self) -> MapperError | None:
        """Return what is wrong after a mapper that exited with 0: the last state that went into it did not come out."""
        if self._last_in == self._last_out:
            return None
        passed = f"it got {self._states_in} STATE messages and printed {self._states_out}"
        return MapperError(f"the mapper did not print the last state that the source wrote: {passed}", hint=_LOST)

    def warnings(self) -> tuple[str, ...]:
        """Return what may be wrong, after the end."""
        if self._activations_in and not self._activations_out and self._records_out:
            return ("the mapper printed no ACTIVATE_VERSION, although the source did: the target keeps its old rows",)
        return ()

    def report(self) -> MapperReport:
        return MapperReport(
            name=self._name,
            records_in=dict(self.records_in),
            records_out=dict(self._records_out),
            states_in=self._states_in,
            states_out=self._states_out,
        )


def _one_by_one(lines: bytes) -> Iterable[Message]:
    return (part.message for text in split(lines) for part in singer.DIALECT.parts(text) if part.message)


def _mark(value: msgspec.Raw) -> bytes:
    """Return bytes that are the same for the same state, however it is written."""
    try:
        text = canonical(bytes(value)).encode(errors="surrogatepass")
    except ValueError:
        text = bytes(value)
    return blake2b(text, digest_size=16).digest()
