"""The ledger for Airbyte states that are passed to an Airbyte destination: recognize those that it acknowledges."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """The ledger, instead of a `TokenLedger`, for targets that accept Airbyte states.

    A destination may change the bytes and the `id` of a state. So a state is recognized by the value that its source
    will get again, for each stream and in order (protocol.md 1.6, 3.8). One thread notes states, another one reads
    acknowledgements. `keys` are the configured streams. `copies` are the streams of the destination that maps make of
    one of the source: its state is saved when all of them have acknowledged it.
    """

    def __init__(
        self,
        saved: str | None,
        keys: Iterable[StreamKey] = (),
        *,
        copies: Mapping[StreamKey, Sequence[StreamKey]] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._kind: Kind | None = None
        self._saved = Acknowledged(saved, keys)
        self._sent: dict[StreamKey | None, deque[_Sent]] = {}
        self._last: dict[StreamKey | None, bytes] = {}
        self._copies = {key: tuple(found) for key, found in (copies or {}).items()}
        self._sources = {copy: key for key, found in self._copies.items() for copy in found}
        self._texts: dict[StreamKey, deque[str | None]] = {key: deque() for key in self._copies}
        self._taken: dict[StreamKey, dict[StreamKey, int]] = {
            key: dict.fromkeys(found, 0) for key, found in self._copies.items()
        }

    @property
    def kind(self) -> Kind | None:
        """The kind of the states so far; None before the first one."""
        return self._kind

    @property
    def streams(self) -> set[StreamKey | None]:
        """The streams for which a state was sent."""
        return {self._sources.get(key, key) if key else None for key in self._sent}

    def is_last(self, key: StreamKey | None, mark: bytes) -> bool:
        """Return True if this state is the last one that was sent for the stream."""
        return self._last.get(key) == mark

    def note(self, state: SourceState, mark: bytes, *, records: int | Mapping[StreamKey, int]) -> None:
        """Note a state that is sent now, after `records` since the one before. Raises ValueError for mixed kinds.

        The state of a stream with copies is sent for each of them, and `records` are by copy.
        """
        kind = one_kind(self._kind, state)
        with self._lock:
            self._kind = kind
            self._last[state.key] = mark
            if isinstance(records, Mapping):
                assert state.key, "only the state of a stream has copies"
                self._texts[state.key].append(state.text)
                for copy in self._copies[state.key]:
                    self._sent.setdefault(copy, deque()).append(_Sent(mark, state.text, records[copy]))
            else:
                self._sent.setdefault(state.key, deque()).append(_Sent(mark, state.text, records))

    def acked(self, key: StreamKey | None, mark: bytes) -> set[int]:
        """Read an acknowledgement. Return the possible numbers of records that it covers.

        They are empty if the state was never sent, or is already acknowledged. The same state may have been sent
        several times with records in between, and a destination may acknowledge only the last one. The saved state is
        the same in each case.
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
            if key in self._sources:
                self._advance(key, places[-1] + 1)
            else:
                self._saved.take(key, one.text)
            return counts

    def _advance(self, copy: StreamKey, states: int) -> None:
        """Count states that one copy acknowledged. Take the latest state that all copies have acknowledged."""
        source = self._sources[copy]
        taken, texts = self._taken[source], self._texts[source]
        taken[copy] += states
        least = min(taken.values())
        if least:
            latest = [texts.popleft() for _ in range(least)][-1]
            self._taken[source] = {each: count - least for each, count in taken.items()}
            self._saved.take(source, latest)

    def acked_all(self) -> None:
        """Count all sent states as acknowledged."""
        with self._lock:
            for key, sent in self._sent.items():
                if sent:
                    self._saved.take(self._sources.get(key, key) if key else None, sent[-1].text)
                    sent.clear()

    def committed(self) -> str | None:
        """Return the state to save, as raw JSON text for `read`; None if nothing was acknowledged."""
        with self._lock:
            return self._saved.text(self._kind)

    @property
    def settled(self) -> bool:
        """True if each stream's last state was acknowledged."""
        with self._lock:
            return not any(self._sent.values())


def _of_all(raw: Raw, named: Callable[[StreamKey], StreamKey]) -> bytes:
    """Return a GLOBAL state with its parts sorted, and without what a destination adds to them."""
    whole = msgspec.json.decode(raw, type=airbyte.GlobalState)
    parts = sorted(
        (str(named(key_of(one.stream_descriptor))), bytes(one.stream_state) or b"null")
        for one in whole.stream_states or ()
    )
    return msgspec.json.encode([whole.shared_state, [(name, Raw(state)) for name, state in parts]])


def fingerprint(raw: Raw, named: Callable[[StreamKey], StreamKey] = lambda key: key) -> bytes:
    """Return a hash of a state's value for its source, which does not depend on changes of its form.

    `named` returns the configured stream for the name of a part of a GLOBAL state, which may lack its namespace.
    Raises ValueError for a state that cannot be read.
    """
    members: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Raw])
    kind = msgspec.json.decode(members.get("type", b'"LEGACY"'), type=str | None) or "LEGACY"
    name = {"STREAM": "stream", "GLOBAL": "global"}.get(kind, "data")
    held = bytes(members.get(name, b"null"))
    if name == "stream":
        held = bytes(msgspec.json.decode(held, type=airbyte.StreamState).stream_state)
    elif name == "global":
        held = _of_all(Raw(held), named)
    return blake2b(canonical(held).encode(), digest_size=16).digest()
