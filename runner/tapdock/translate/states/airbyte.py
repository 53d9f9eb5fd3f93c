"""Airbyte states: read those of a source, and select what of a saved one is passed to it (protocol.md 1.4)."""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.errors import UnreadableState
from tapdock.protocol import airbyte
from tapdock.protocol.airbyte_states import edited
from tapdock.protocol.catalog import ConfiguredStream, StreamKey, bare_names

__all__ = [
    "Acknowledged",
    "Kind",
    "SourceState",
    "key_of",
    "one_kind",
    "read_state",
    "saved_parts",
    "state_to_pass",
    "stream_states",
    "texts_by_stream",
    "unread_streams",
    "without_streams",
]

Kind = Literal["STREAM", "GLOBAL", "LEGACY"]


class SourceState(NamedTuple):
    """One state of a source. `text` is the raw JSON to save; None if the next run must not start from it.

    `key` is None for GLOBAL and LEGACY, which are for all streams. `records` is the source's own count of records
    since its previous state. `empty`: a state for all streams without content (`{}`, null, a GLOBAL state without any
    part), which must not replace a saved one. An empty state of a single stream says that the stream starts again.
    """

    kind: Kind
    key: StreamKey | None
    text: str | None
    records: int | None = None
    empty: bool = False


def read_state(raw: Raw) -> SourceState:
    """Read a STATE's body. Raises ValueError with the reason if it is not one of the three kinds."""
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
            whole = msgspec.json.decode(state.global_, type=airbyte.GlobalState)
            empty = not whole.stream_states and bytes(whole.shared_state).strip(b"{} \t\r\n") in (b"", b"null")
            return SourceState("GLOBAL", None, text, records, empty)
        case "LEGACY" | None if bytes(state.data):
            return SourceState("LEGACY", None, bytes(state.data).decode(), records, _is_nothing(state.data))
    raise ValueError(f"type `{state.type or 'LEGACY'}` without its content")


def _is_nothing(data: Raw) -> bool:
    """Return True for the `data` of an empty LEGACY state. Raises ValueError if no run could start from it."""
    try:
        return not msgspec.json.decode(data, type=dict[str, Raw] | None)
    except msgspec.ValidationError as error:
        raise ValueError("`data` of a LEGACY state is not an object") from error


def one_kind(known: Kind | None, state: SourceState) -> Kind:
    """Return the kind of all states of a run. Raises ValueError if kinds are mixed (protocol.md 1.4)."""
    if known not in (None, state.kind):
        raise ValueError(f"{known} and {state.kind} states in one run")
    return state.kind


def key_of(descriptor: airbyte.StreamDescriptor) -> StreamKey:
    return StreamKey.of(descriptor.namespace, descriptor.name)


def _is_sentinel(stream_state: Raw) -> bool:
    """Return True for `{"__ab_no_cursor_state_message":true}` and similar ends of a full refresh (protocol.md 1.4)."""
    try:
        names = msgspec.json.decode(stream_state, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return False
    return bool(names) and all(name.startswith("__ab_") for name in names)


def stream_states(saved: str | None) -> Iterable[tuple[StreamKey, str]]:
    """Yield the STREAM states of a saved list, each with its raw text. Raises StateError."""
    for raw, state in _messages(saved):
        if state.type == "STREAM" and state.stream:
            yield key_of(state.stream.stream_descriptor), bytes(raw).decode()


def saved_parts(saved: str | None, keys: Iterable[StreamKey] = ()) -> tuple[Kind | None, dict[StreamKey | None, str]]:
    """Return the kind of a saved state, and its texts: by stream, or one under None for all streams. Raises StateError.

    The text of a LEGACY state is its bare object. `keys` are as in `texts_by_stream`.
    """
    messages = _messages(saved)
    if any(state.type == "STREAM" for _, state in messages):
        return "STREAM", texts_by_stream(saved, keys)
    if messages and messages[0][1].type == "GLOBAL":
        return "GLOBAL", {None: bytes(messages[0][0]).decode()}
    legacy = _legacy_of(saved, messages)
    return ("LEGACY", {None: legacy}) if legacy else (None, {})


def texts_by_stream(saved: str | None, keys: Iterable[StreamKey]) -> dict[StreamKey | None, str]:
    """Return the STREAM states of a saved list by stream. One without a namespace may be that of a stream in `keys`.

    Raises StateError.
    """
    texts = dict(stream_states(saved))
    bare = {short: key for short, key in bare_names(keys).items() if key not in texts}
    return {bare.get(key, key): text for key, text in texts.items()}


class Acknowledged:
    """The state to save: the previous run's streams, each replaced by its last acknowledged state.

    `keys` are the configured streams.
    """

    def __init__(self, saved: str | None, keys: Iterable[StreamKey] = ()) -> None:
        self._texts = texts_by_stream(saved, keys)
        self._moved = False

    def take(self, key: StreamKey | None, text: str | None) -> None:
        """Store the `key` and `text` of an acknowledged `SourceState`."""
        self._moved = True
        if key is None:
            self._texts = {}
        if text is None:
            self._texts.pop(key, None)
        else:
            self._texts[key] = text

    def text(self, kind: Kind | None) -> str | None:
        """Return raw JSON for a source's `read`; None if nothing was acknowledged."""
        if not self._moved:
            return None
        return self._texts[None] if kind == "LEGACY" else "[" + ",".join(self._texts.values()) + "]"


def _messages(saved: str | None) -> list[tuple[Raw, airbyte.State]]:
    """Return the typed states of a saved list; none if the state is a plain LEGACY object. Raises StateError."""
    if not saved or not saved.lstrip().startswith("["):
        return []
    try:
        raws = msgspec.json.decode(saved, type=list[Raw])
        messages = [(raw, msgspec.json.decode(raw, type=airbyte.State)) for raw in raws]
        for _, state in messages:
            msgspec.json.decode(state.global_ or b"null", type=airbyte.GlobalState | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableState(f"the saved state is not a list of Airbyte states: {error}") from error
    return messages


def state_to_pass(
    saved: str | None, streams: Iterable[ConfiguredStream], *, resuming: Collection[StreamKey] = ()
) -> str | None:
    """Return the text for `read --state`: the saved text without the states of full refreshes; None for no state.

    Streams in `resuming` resume where an earlier attempt at the same job ended. If nothing must be removed, the same
    text is returned. Raises StateError (protocol.md 1.4, 3.5).
    """
    streams = tuple(streams)
    full = {one.stream.key for one in streams if one.sync_mode == "full_refresh" and one.stream.key not in resuming}
    if not saved or len(full) == len(streams):
        return None
    messages = _messages(saved)
    if _is_legacy(saved, messages):
        return _legacy_of(saved, messages)
    full |= {bare for bare, key in bare_names(one.stream.key for one in streams).items() if key in full}
    kept = [text for raw, _ in messages if (text := _to_pass(raw, full)) is not None]
    if kept == [bytes(raw).decode() for raw, _ in messages]:
        return saved if kept else None
    return "[" + ",".join(kept) + "]" if kept else None


def unread_streams(saved: str | None, read: Collection[StreamKey]) -> tuple[StreamKey, ...]:
    """Return the streams in a saved GLOBAL state that are not `read`; none for another state. Raises StateError.

    Its shared position moves on for them as well. A source that gets their parts keeps them, and would later continue
    behind records that it has not sent.
    """
    bodies = (state.global_ for _, state in _messages(saved) if state.type == "GLOBAL" and state.global_)
    wholes = (msgspec.json.decode(body, type=airbyte.GlobalState | None) for body in bodies)
    keys = (key_of(one.stream_descriptor) for whole in wholes if whole for one in whole.stream_states or ())
    bare = bare_names(read)
    return tuple(key for key in keys if key not in read and key not in bare)


def without_streams(
    saved: str | None, keys: Collection[StreamKey], *, among: Iterable[StreamKey] = (), whole: bool = False
) -> str | None:
    """Return a saved state without those of some streams `among` all; None if nothing is left. Raises StateError.

    A LEGACY state has no single states, and a GLOBAL one has a position of all streams: `whole` removes them.
    """
    messages = _messages(saved)
    if whole and (not messages or any(state.type != "STREAM" for _, state in messages)):
        return None
    if not messages or not keys:
        return saved
    dropped = {*keys, *(bare for bare, key in bare_names(among).items() if key in keys)}
    kept = [text for raw, _ in messages if (text := _to_pass(raw, dropped)) is not None]
    return "[" + ",".join(kept) + "]" if kept else None


def _is_legacy(saved: str, messages: list[tuple[Raw, airbyte.State]]) -> bool:
    """Return True for a bare object, and for a list with a single message of the type LEGACY or without a type."""
    return not saved.lstrip().startswith("[") or [state.type or "LEGACY" for _, state in messages] == ["LEGACY"]


def _legacy_of(saved: str | None, messages: list[tuple[Raw, airbyte.State]]) -> str | None:
    """Return the object of a LEGACY state, as `read --state` takes it; None if it is empty. Raises StateError."""
    if not saved or not _is_legacy(saved, messages):
        return None
    text = bytes(messages[0][1].data).decode() if messages else saved
    try:
        value = msgspec.json.decode(text, type=dict[str, Raw] | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableState(f"the saved state is not an Airbyte state: {error}") from error
    return text if value else None


def _to_pass(message: Raw, full: set[StreamKey]) -> str | None:
    """Return one typed state without the streams in `full`; None if nothing is left."""
    kept = edited(message, lambda state: None if _excluded(state, full) else state)
    return None if kept is None else bytes(kept).decode()


def _excluded(text: Raw, full: set[StreamKey]) -> bool:
    state = msgspec.json.decode(text, type=airbyte.StreamState)
    return key_of(state.stream_descriptor) in full or _is_sentinel(state.stream_state)
