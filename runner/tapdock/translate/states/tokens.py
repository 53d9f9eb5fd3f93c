"""The ledger for Airbyte states at a Singer target: it sends an integer token for each state.

An Airbyte state is never part of a Singer STATE, because targets merge, re-type and copy those. The target gets
numbers, and the ledger maps each number to its state (protocol.md 3.6).
"""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.errors import TargetError
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.states.airbyte import Acknowledged, Kind, SourceState, one_kind

__all__ = ["TokenLedger", "never_issued"]


class _Mark(msgspec.Struct):
    seq: int | None = None


class _Token(msgspec.Struct):
    """A token from a target. Some targets return null for what they do not have."""

    seq: int | None = None
    bookmarks: dict[str, _Mark | None] | None = None


class _Entry(NamedTuple):
    seq: int
    text: str | None


class TokenLedger:
    """Issues tokens, and turns acknowledged ones into the state to save.

    One thread notes and issues states, another one reads acknowledgements. `names` maps each stream to its Singer name;
    `saved` is the previous run's state, from which other streams are kept.
    """

    def __init__(self, *, names: Mapping[StreamKey, str], saved: str | None) -> None:
        self._names = dict(names)
        self._keys = {name: key for key, name in self._names.items()}
        self._lock = threading.Lock()
        self._kind: Kind | None = None
        self._seq = -1
        self._waiting: dict[StreamKey | None, str | None] = {}
        self._marks = dict.fromkeys(self._names, 0)
        self._entries: dict[StreamKey | None, deque[_Entry]] = {key: deque() for key in (None, *self._names)}
        self._acked: dict[StreamKey | None, int] = dict.fromkeys((None, *self._names), 0)
        self._saved = Acknowledged(saved, self._names)
        self._last_acked = -1

    @property
    def waiting(self) -> bool:
        """True if a noted state does not have a token yet."""
        return bool(self._waiting)

    def note(self, state: SourceState) -> None:
        """Note a state of the source for the next token. Raises ValueError if kinds are mixed."""
        self._kind = one_kind(self._kind, state)
        self._waiting[state.key] = state.text

    def issue(self) -> dict[str, Any]:
        """Return the next token, for all waiting states: a Singer state value that contains only integers.

        The first one is the baseline, which contains only zeros.
        """
        with self._lock:
            self._seq += 1
            for key, text in self._waiting.items():
                self._entries[key].append(_Entry(self._seq, text))
            if self._kind:
                marked = self._names if self._kind != "STREAM" else self._names.keys() & self._waiting.keys()
                self._marks.update(dict.fromkeys(marked, self._seq))
            self._waiting = {}
            bookmarks = {name: {"seq": self._marks[key]} for key, name in self._names.items()}
            return {"bookmarks": bookmarks, "seq": self._seq}

    def acked(self, value: Raw) -> bool:
        """Read a state that the target printed. Return True if a newer state can be saved.

        Raises TargetError for a number that was never issued. States that are not tokens are ignored.
        """
        try:
            token = msgspec.json.decode(value, type=_Token)
        except msgspec.MsgspecError:
            return False
        with self._lock:
            marks = token.bookmarks or {}
            moved = [self._stream_acked(name, mark.seq) for name, mark in marks.items() if mark]
            if token.seq is not None:
                moved.append(self._run_acked(token.seq))
            return any(moved)

    def _stream_acked(self, name: str, seq: int | None) -> bool:
        key = self._keys.get(name)
        if seq is None or (key and seq <= self._acked[key]):
            return False
        if key is None or seq > self._seq:
            raise never_issued(f"`bookmarks.{name}.seq` {seq}")
        if self._kind in ("GLOBAL", "LEGACY"):
            return False
        if all(entry.seq != seq for entry in self._entries[key]):
            raise never_issued(f"`bookmarks.{name}.seq` {seq}")
        return self._commit(key, seq)

    def _run_acked(self, seq: int) -> bool:
        if not 0 <= seq <= self._seq:
            raise never_issued(f"`seq` {seq}")
        self._last_acked = max(self._last_acked, seq)
        return self._commit(None, seq)

    def _commit(self, key: StreamKey | None, seq: int) -> bool:
        """Save the latest entry up to `seq`, and forget those before it. Return True if there was one."""
        self._acked[key] = seq
        entries = self._entries[key]
        last: _Entry | None = None
        while entries and entries[0].seq <= seq:
            last = entries.popleft()
        if last is None:
            return False
        self._saved.take(key, last.text)
        return True

    def acked_all(self) -> bool:
        """Count the last token as acknowledged. Return True if a newer state can be saved."""
        with self._lock:
            self._last_acked = self._seq
            last = [(key, entries[-1].seq) for key, entries in self._entries.items() if entries]
            moved = [self._commit(key, seq) for key, seq in last]
            return any(moved)

    def committed(self) -> str | None:
        """Return the state to save, as raw JSON text for `read`; None if nothing was acknowledged."""
        with self._lock:
            return self._saved.text(self._kind)

    @property
    def settled(self) -> bool:
        """True if the last token was acknowledged."""
        with self._lock:
            return self._last_acked == self._seq >= 0


def never_issued(what: str) -> TargetError:
    """Return the error for an acknowledgement of a state that was never sent to the target."""
    return TargetError(
        f"the target acknowledged {what}, which it was never sent",
        hint="use another target: one that changes states is not safe",
    )
