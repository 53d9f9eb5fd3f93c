"""The ledger for Singer states at an Airbyte destination: it sends a number for each state (protocol.md 3.7)."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tapdock.project.model import StateType
from tapdock.protocol.airbyte import StreamState
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.read.airbyte_destination import Ack
from tapdock.translate.states.tokens import never_issued
from tapdock.translate.write.airbyte_lines import SEQ, global_line, stream_line

__all__ = ["Acknowledgement", "SequenceLedger"]


class _Mark(msgspec.Struct, rename={"seq": SEQ}):
    seq: int | float | None = None


class _Global(msgspec.Struct):
    shared_state: _Mark | None = None
    stream_states: list[StreamState] | None = None


class _Entry(NamedTuple):
    seq: int
    text: str | None
    records: Mapping[StreamKey, int]


class Acknowledgement(NamedTuple):
    """How many records a destination should have counted between two states; `key` is None for all streams."""

    key: StreamKey | None
    records: int


class SequenceLedger:
    """A tap's state is for all its streams: it is sent as one GLOBAL state, and saved when that is acknowledged.

    If a destination does not accept GLOBAL states, each stream gets a STREAM state with the same number. Then a state
    is saved when all streams have acknowledged it (the barrier). While `held`, nothing is saved. One thread notes and
    issues states, another one reads acknowledgements.
    """

    def __init__(self, *, state_type: StateType, held: bool = False) -> None:
        self._type = state_type
        self._lock = threading.Lock()
        self._seq = 0
        self._keys: tuple[StreamKey, ...] = ()
        self._targets: Mapping[StreamKey, StreamKey] = {}
        self._waiting: str | None = None
        self._noted: str | None = None
        self._counted: dict[StreamKey, int] = {}
        self._entries: deque[_Entry] = deque()
        self._acked: dict[StreamKey, int] = {}
        self._told: dict[StreamKey | None, int] = {}
        self._held = held
        self._ending = False
        self._committed: str | None = None

    def begin(self, targets: Mapping[StreamKey, StreamKey]) -> None:
        """Set the streams of the destination's catalog, with their names there."""
        self._targets = dict(targets)
        self._keys = tuple(self._targets)
        self._acked = dict.fromkeys(self._keys, 0)

    def hold(self) -> None:
        """Save nothing before the source has ended well and its last number is acknowledged."""
        self._held = True

    def release(self) -> None:
        """Note that the source ended well."""
        with self._lock:
            self._ending = True

    @property
    def waiting(self) -> bool:
        """True if a noted state does not have a number yet."""
        return self._waiting is not None

    def note(self, text: str) -> None:
        """Note a state of the tap for the next number; a repeated state is ignored."""
        if text != self._noted:
            self._waiting = self._noted = text

    @property
    def begun(self) -> bool:
        """True if a number was sent."""
        return self._seq > 0

    def issue(self, records: Mapping[StreamKey, int]) -> bytes:
        """Return the line with the next number for the waiting state; `records` are those sent so far, by stream."""
        since = {key: records.get(key, 0) - self._counted.get(key, 0) for key in self._keys}
        self._counted = {key: records.get(key, 0) for key in self._keys}
        with self._lock:
            self._seq += 1
            self._entries.append(_Entry(self._seq, self._waiting, dict(self._counted)))
            self._waiting = None
            seq = self._seq
        if self._type == "global":
            return global_line(self._targets.values(), seq, records=sum(since.values()))
        return b"".join(stream_line(self._targets[key], seq, records=since[key]) for key in self._keys)

    def acked(self, ack: Ack) -> tuple[bool, Acknowledgement | None]:
        """Read an acknowledgement.

        Return True if a newer state can be saved, and the number of records that the destination should have counted
        since its last one. Raises TargetError for a number that was never sent.
        """
        seq = _number(ack)
        if seq is None:
            return False, None
        with self._lock:
            if not 0 < seq <= self._seq:
                raise never_issued(f"`{SEQ}` {seq}")
            counted = self._expected(ack.key, seq)
            for key in self._keys if ack.key is None else {ack.key} & self._acked.keys():
                self._acked[key] = max(self._acked[key], seq)
            return self._commit(min(self._acked.values(), default=seq)), counted

    def _expected(self, key: StreamKey | None, seq: int) -> Acknowledgement | None:
        """Return the expected count for a number; None if it was already acknowledged."""
        entry = next((entry for entry in self._entries if entry.seq == seq), None)
        if entry is None:
            return None
        total = sum(entry.records.values()) if key is None else entry.records.get(key, 0)
        counted, self._told[key] = total - self._told.get(key, 0), total
        return Acknowledgement(key, counted)

    def _commit(self, seq: int) -> bool:
        moved = False
        while self._entries and self._entries[0].seq <= seq:
            entry = self._entries.popleft()
            if entry.text is not None:
                self._committed, moved = entry.text, True
        if self._held and self._ending and all(acked == self._seq for acked in self._acked.values()):
            self._held, moved = False, True
        return moved and not self._held

    def acked_all(self) -> None:
        """Count the last number as acknowledged."""
        with self._lock:
            self._acked = dict.fromkeys(self._keys, self._seq)
            self._ending = True
            self._commit(self._seq)

    def committed(self) -> str | None:
        """Return the state to save, as the tap's own text; None if nothing was acknowledged."""
        with self._lock:
            return None if self._held else self._committed

    @property
    def settled(self) -> bool:
        """True if the last number was acknowledged for every stream."""
        with self._lock:
            return all(seq == self._seq for seq in self._acked.values())


def _number(ack: Ack) -> int | None:
    """Return the number in an acknowledged state; None if there is none."""
    try:
        if ack.state.stream:
            return _whole(msgspec.json.decode(ack.state.stream.stream_state, type=_Mark))
        whole = msgspec.json.decode(ack.state.global_, type=_Global)
        shared = _whole(whole.shared_state)
        if shared is not None:
            return shared
        return min(_seqs(whole.stream_states or ()), default=None)
    except msgspec.MsgspecError:
        return None


def _whole(mark: _Mark | None) -> int | None:
    """Return a mark's whole number, which a destination may write with a decimal point; else None."""
    seq = mark.seq if mark else None
    return int(seq) if seq is not None and seq == int(seq) else None


def _seqs(states: Iterable[StreamState]) -> list[int]:
    found = [_whole(msgspec.json.decode(state.stream_state or b"null", type=_Mark | None)) for state in states]
    return [seq for seq in found if seq is not None]
