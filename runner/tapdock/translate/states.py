"""Airbyte states on their way through a Singer target: integer tokens out, and a ledger for what comes back.

An Airbyte state never enters a Singer STATE: targets merge, re-type and copy those. The target gets
numbers, and the ledger knows which state each number stands for (protocol.md 3.6).
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.catalog import ConfiguredStream, StreamKey
from tapdock.errors import StateError, TargetError
from tapdock.protocol import airbyte

__all__ = ["Kind", "Ledger", "SourceState", "key_of", "one_kind", "read_state", "state_to_pass", "stream_states"]

Kind = Literal["STREAM", "GLOBAL", "LEGACY"]


class SourceState(NamedTuple):
    """One state of a source. `text` is the raw JSON to save; None where it must not seed the next run.

    `key` is None for GLOBAL and LEGACY, which speak for all streams. `records` is the source's own count of
    records since its previous state.
    """

    kind: Kind
    key: StreamKey | None
    text: str | None
    records: int | None = None


def read_state(raw: Raw) -> SourceState:
    """Read a STATE's body; raises ValueError with the reason when it is none of the three kinds."""
    text = bytes(raw).decode()
    if not text:
        raise ValueError("it has no `state`")
    state = msgspec.json.decode(raw, type=airbyte.State)
    count = state.source_stats.record_count if state.source_stats else None
    records = None if count is None else int(count)
    match state.type:
        case "STREAM" if state.stream:
            saved = None if _is_sentinel(state.stream.stream_state) else text
            return SourceState("STREAM", key_of(state.stream.stream_descriptor), saved, records)
        case "GLOBAL" if bytes(state.global_) not in (b"", b"null"):
            return SourceState("GLOBAL", None, text, records)
        case "LEGACY" | None if bytes(state.data):
            return SourceState("LEGACY", None, bytes(state.data).decode(), records)
    raise ValueError(f"type `{state.type or 'LEGACY'}` without its content")


def one_kind(known: Kind | None, state: SourceState) -> Kind:
    """The kind of all states of a run; raises ValueError when kinds are mixed (protocol.md 1.4)."""
    if known not in (None, state.kind):
        raise ValueError(f"{known} and {state.kind} states in one run")
    return state.kind


def key_of(descriptor: airbyte.StreamDescriptor) -> StreamKey:
    return StreamKey.of(descriptor.namespace, descriptor.name)


def _is_sentinel(stream_state: Raw) -> bool:
    """`{"__ab_no_cursor_state_message":true}` and its like: the end of a full refresh (protocol.md 1.4)."""
    try:
        names = msgspec.json.decode(stream_state, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return False
    return bool(names) and all(name.startswith("__ab_") for name in names)


class _Mark(msgspec.Struct):
    seq: int | None = None


class _Token(msgspec.Struct):
    seq: int | None = None
    bookmarks: dict[str, _Mark] = {}


class _Entry(NamedTuple):
    seq: int
    text: str | None


class Ledger:
    """Issues tokens and turns acknowledged ones into the state to save.

    One thread notes and issues, another takes acknowledgements. `names` gives each stream its Singer name;
    `saved` is the previous run's state, of which streams that this run says nothing about are kept.
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
        self._saved: dict[StreamKey | None, str] = dict(stream_states(saved))
        self._moved = False
        self._last_acked = -1

    @property
    def waiting(self) -> bool:
        """Whether a state was noted that no token stands for yet."""
        return bool(self._waiting)

    def note(self, state: SourceState) -> None:
        """Take a state of the source, to go with the next token; raises ValueError when kinds are mixed."""
        self._kind = one_kind(self._kind, state)
        self._waiting[state.key] = state.text

    def issue(self) -> dict[str, Any]:
        """The next token, which stands for all that is waiting: a Singer state value of integers only.

        The first one is the baseline, of zeros.
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
        """Take a state that the target printed; True when more than before may be saved.

        Raises TargetError for a number that was never issued; what is no token at all is ignored.
        """
        try:
            token = msgspec.json.decode(value, type=_Token)
        except msgspec.MsgspecError:
            return False
        with self._lock:
            moved = [self._stream_acked(name, mark.seq) for name, mark in token.bookmarks.items()]
            if token.seq is not None:
                moved.append(self._run_acked(token.seq))
            self._moved |= any(moved)
            return any(moved)

    def _stream_acked(self, name: str, seq: int | None) -> bool:
        key = self._keys.get(name)
        if seq is None or (key and seq <= self._acked[key]):
            return False
        if key is None or seq > self._seq:
            raise _never_issued(f"`bookmarks.{name}.seq` {seq}")
        if self._kind in ("GLOBAL", "LEGACY"):
            return False
        if all(entry.seq != seq for entry in self._entries[key]):
            raise _never_issued(f"`bookmarks.{name}.seq` {seq}")
        return self._commit(key, seq)

    def _run_acked(self, seq: int) -> bool:
        if not 0 <= seq <= self._seq:
            raise _never_issued(f"`seq` {seq}")
        self._last_acked = max(self._last_acked, seq)
        return self._commit(None, seq)

    def _commit(self, key: StreamKey | None, seq: int) -> bool:
        """Save the latest entry up to `seq`, and forget those before it."""
        self._acked[key] = seq
        entries = self._entries[key]
        last: _Entry | None = None
        while entries and entries[0].seq <= seq:
            last = entries.popleft()
        if last is None:
            return False
        if key is None:
            self._saved = {}
        if last.text is None:
            self._saved.pop(key, None)
        else:
            self._saved[key] = last.text
        return True

    def acked_all(self) -> bool:
        """Take the last token that was issued as acknowledged; True when more than before may be saved."""
        with self._lock:
            self._last_acked = self._seq
            last = [(key, entries[-1].seq) for key, entries in self._entries.items() if entries]
            moved = [self._commit(key, seq) for key, seq in last]
            self._moved |= any(moved)
            return any(moved)

    def committed(self) -> str | None:
        """The state to save: raw JSON text as `read` takes it; None when nothing was acknowledged."""
        with self._lock:
            if not self._moved:
                return None
            if self._kind == "LEGACY":
                return self._saved[None]
            return "[" + ",".join(self._saved.values()) + "]"

    @property
    def settled(self) -> bool:
        """Whether the last token that was issued came back."""
        with self._lock:
            return self._last_acked == self._seq >= 0


def _never_issued(what: str) -> TargetError:
    return TargetError(
        f"the target acknowledged {what}, which it was never sent",
        hint="a target that changes the states it is given cannot be used safely",
    )


def stream_states(saved: str | None) -> Iterable[tuple[StreamKey, str]]:
    """The STREAM states of a saved list, each with its raw text."""
    for raw, state in _messages(saved):
        if state.type == "STREAM" and state.stream:
            yield key_of(state.stream.stream_descriptor), bytes(raw).decode()


def _messages(saved: str | None) -> list[tuple[Raw, airbyte.State]]:
    """The typed states of a saved list; none where the state is a bare LEGACY object."""
    if not saved or not saved.lstrip().startswith("["):
        return []
    try:
        raws = msgspec.json.decode(saved, type=list[Raw])
        return [(raw, msgspec.json.decode(raw, type=airbyte.State)) for raw in raws]
    except msgspec.MsgspecError as error:
        raise StateError(f"the saved state is no list of Airbyte states: {error}") from error


def state_to_pass(saved: str | None, streams: Iterable[ConfiguredStream]) -> str | None:
    """What `read --state` gets: the saved text without what full refreshes must not see; None for no state.

    Text that needs nothing left out is returned as it is. Raises StateError (protocol.md 1.4, 3.5).
    """
    streams = tuple(streams)
    full = {stream.stream.key for stream in streams if stream.sync_mode == "full_refresh"}
    if not saved or len(full) == len(streams):
        return None
    if not saved.lstrip().startswith("["):
        return _legacy_to_pass(saved)
    messages = _messages(saved)
    if [state.type for _, state in messages] == ["LEGACY"]:
        return _legacy_to_pass(bytes(messages[0][1].data).decode())
    kept = [text for raw, state in messages if (text := _to_pass(raw, state, full)) is not None]
    if kept == [bytes(raw).decode() for raw, _ in messages]:
        return saved if kept else None
    return "[" + ",".join(kept) + "]" if kept else None


def _legacy_to_pass(saved: str) -> str | None:
    try:
        value = msgspec.json.decode(saved, type=dict[str, Raw] | None)
    except msgspec.MsgspecError as error:
        raise StateError(f"the saved state is no Airbyte state: {error}") from error
    return saved if value else None


def _to_pass(raw: Raw, state: airbyte.State, full: set[StreamKey]) -> str | None:
    """One typed state without what is not to be passed; None when nothing is left of it."""
    if state.stream:
        return None if _left_out(state.stream, full) else bytes(raw).decode()
    body = msgspec.json.decode(state.global_ or b"{}", type=dict[str, Raw])
    inner = msgspec.json.decode(body.get("stream_states", Raw(b"[]")), type=list[Raw])
    kept = [one for one in inner if not _left_out(msgspec.json.decode(one, type=airbyte.StreamState), full)]
    if len(kept) == len(inner):
        return bytes(raw).decode()
    body["stream_states"] = Raw(msgspec.json.encode(kept))
    message = msgspec.json.decode(raw, type=dict[str, Raw])
    message["global"] = Raw(msgspec.json.encode(body))
    return msgspec.json.encode(message).decode()


def _left_out(state: airbyte.StreamState, full: set[StreamKey]) -> bool:
    return key_of(state.stream_descriptor) in full or _is_sentinel(state.stream_state)
