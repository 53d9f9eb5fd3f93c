"""Airbyte states on their way to an Airbyte destination: passed on as they are, and known again when they come back."""

import threading
from collections import deque
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.protocol import airbyte
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.states.airbyte import Acknowledged, Kind, SourceState, key_of, one_kind
from tapdock.translate.states.canonical import canonical

__all__ = ["ForwardedLedger", "fingerprint"]


class _Sent(NamedTuple):
    mark: bytes
    text: str | None
    records: int


class ForwardedLedger:
    """In place of a `TokenLedger` where the target takes Airbyte's states themselves.

    A destination need not give a state back byte by byte, nor keep its `id`: it is known by the value of what the
    source will be given again, per stream and in order (protocol.md 1.6, 3.8). One thread notes, another takes
    acknowledgements.
    """

    def __init__(self, saved: str | None) -> None:
        self._lock = threading.Lock()
        self._kind: Kind | None = None
        self._saved = Acknowledged(saved)
        self._sent: dict[StreamKey | None, deque[_Sent]] = {}
        self._last: dict[StreamKey | None, bytes] = {}

    @property
    def kind(self) -> Kind | None:
        """Of the states so far."""
        return self._kind

    @property
    def streams(self) -> set[StreamKey | None]:
        """Those that a state was sent of."""
        return set(self._sent)

    def is_last(self, key: StreamKey | None, mark: bytes) -> bool:
        """Whether this very state was the last one that was sent of the stream."""
        return self._last.get(key) == mark

    def note(self, state: SourceState, mark: bytes, *, records: int) -> None:
        """Take a state that is sent now, behind so many records since the one before; ValueError for mixed kinds."""
        kind = one_kind(self._kind, state)
        with self._lock:
            self._kind = kind
            self._last[state.key] = mark
            self._sent.setdefault(state.key, deque()).append(_Sent(mark, state.text, records))

    def acked(self, key: StreamKey | None, mark: bytes) -> set[int]:
        """The target gave a state back: how many records that may cover; nothing where it was never sent, or is known.

        The same state may have been sent more than once, with records in between, and a destination may answer the last
        one alone: whichever it means, what is saved is the same.
        """
        with self._lock:
            sent = self._sent.get(key, deque())
            places = [place for place, one in enumerate(sent) if one.mark == mark]
            if not places:
                return set()
            covered, counts = 0, set()
            for place in range(places[-1] + 1):
                one = sent.popleft()
                covered += one.records
                if place in places:
                    counts.add(covered)
            self._saved.take(key, one.text)
            return counts

    def acked_all(self) -> None:
        """Take all that was sent as acknowledged."""
        with self._lock:
            for key, sent in self._sent.items():
                if sent:
                    self._saved.take(key, sent[-1].text)
                    sent.clear()

    def committed(self) -> str | None:
        """The state to save: raw JSON text as `read` takes it; None when nothing was acknowledged."""
        with self._lock:
            return self._saved.text(self._kind)

    @property
    def settled(self) -> bool:
        """Whether each stream's last state came back."""
        with self._lock:
            return not any(self._sent.values())


def _of_all(raw: Raw) -> bytes:
    """A GLOBAL state without what a destination adds to its parts, and in whatever order it has them."""
    whole = msgspec.json.decode(raw, type=airbyte.GlobalState)
    parts = sorted(
        (str(key_of(one.stream_descriptor)), bytes(one.stream_state) or b"null") for one in whole.stream_states or ()
    )
    return msgspec.json.encode([whole.shared_state, [(name, Raw(state)) for name, state in parts]])


def fingerprint(raw: Raw) -> bytes:
    """Return a mark of what a state holds for its source, the same whatever a destination did to its form.

    Raises ValueError for a state that cannot be read.
    """
    members: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Raw])
    kind = msgspec.json.decode(members.get("type", b'"LEGACY"'), type=str | None) or "LEGACY"
    name = {"STREAM": "stream", "GLOBAL": "global"}.get(kind, "data")
    held = bytes(members.get(name, b"null"))
    if name == "stream":
        held = bytes(msgspec.json.decode(held, type=airbyte.StreamState).stream_state)
    elif name == "global":
        held = _of_all(Raw(held))
    return blake2b(canonical(held).encode(), digest_size=16).digest()
