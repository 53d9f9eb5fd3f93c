"""Inspect and edit the text of a state: its protocol, its streams, and their names. Other values keep their text.

An invalid state from a user raises a UsageError. An unreadable saved state raises a StateError: somebody changed it.
A null in place of a list or an object counts as absent, because some writers write all members.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tapdock.errors import UnreadableState, UsageError
from tapdock.protocol.airbyte_states import edited
from tapdock.state.envelope import Dialect

__all__ = ["dialect_of", "json_hint", "merged", "renamed", "streams", "without_stream"]

Raws = dict[str, msgspec.Raw]
_NULL = msgspec.Raw(b"null")


class _Descriptor(msgspec.Struct):
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class _StreamState(msgspec.Struct):
    stream_descriptor: _Descriptor


class _Global(msgspec.Struct):
    stream_states: list[_StreamState] | None = None


class _Message(msgspec.Struct):
    type: str | None = None
    stream: _StreamState | None = None
    global_: _Global | None = msgspec.field(name="global", default=None)
    data: msgspec.Raw = msgspec.Raw()


def dialect_of(text: str, *, wanted: Dialect | None, known: Dialect | None = None) -> Dialect:
    """Return the protocol of a state: a list is Airbyte's, an object is Singer's.

    An object is a LEGACY Airbyte state if `wanted`, or else `known`, is `airbyte`. `wanted` is the user's choice, and
    `known` is the protocol of the source or of the state before. Without `wanted`, an object with `bookmarks` is always
    a Singer state. Raises UsageError for a state that no run could use.
    """
    try:
        value = msgspec.json.decode(text, type=Raws | list[msgspec.Raw])  # numbers of any size are valid
    except msgspec.ValidationError as error:
        raise UsageError("the state is neither a list (Airbyte) nor an object (Singer)") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the state is not JSON: {error}", hint=json_hint(text)) from error
    match value:
        case list() if wanted != "singer":
            _airbyte(text)
            return "airbyte"
        case dict() if wanted != "singer" and _is_message(value):
            raise UsageError("the state is a single Airbyte message", hint="put it into a list: `[…]`")
        case dict():
            if wanted is None and (runner := _other_runner(value)):
                hint = f"use `tapdock state import` with `--format {runner.lower()}`"
                raise UsageError(f"the state is in the format of {runner}", hint=hint)
            is_singer = bytes(value.get("bookmarks", _NULL)).startswith(b"{")
            found = wanted or ("singer" if is_singer else known or "singer")
            if found != "airbyte" and bytes(value.get("bookmarks", _NULL))[:1] not in (b"{", b"n"):
                raise UsageError("`bookmarks` of the state is not an object")
            return found
    raise UsageError("the state is a list; a Singer state is an object", hint="use `--dialect airbyte`")


def _is_message(value: Raws) -> bool:
    named = bytes(value.get("type", _NULL))
    return named != b"null" and ("stream" in value or "global" in value or (named == b'"LEGACY"' and "data" in value))


def _other_runner(value: Raws) -> str | None:
    """Return the runner whose object this is: it contains a state, but is not one; None for a state."""
    if "bookmarks" not in value and value and value.keys() <= {"singer_state", "completed", "partial"}:
        return "Meltano"
    return "Airbyte" if value.keys() & {"stateType", "streamState", "globalState"} else None


def json_hint(text: str) -> str | None:
    """Return a hint about a text that only Python's parser accepts as JSON, or None if Python rejects it as well."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return "it contains `NaN`, `Infinity`, or a `\\u` escape that is only one half of a surrogate pair"


def _airbyte(text: str) -> None:
    try:
        messages = msgspec.json.decode(text, type=list[_Message])
    except msgspec.ValidationError as error:
        raise UsageError(f"the state is not a list of Airbyte state messages: {error}") from error
    for index, message in enumerate(messages):
        data = bytes(message.data)[:1] in (b"{", b"n") or None
        parts = {"STREAM": message.stream, "GLOBAL": message.global_, "LEGACY": data}
        if parts.get(message.type or "LEGACY") is None:
            raise UsageError(f"message {index} of the state is not a STREAM, GLOBAL or LEGACY state with its content")
    kinds = [message.type or "LEGACY" for message in messages]
    if len(kinds) > 1 and {*kinds} != {"STREAM"}:
        raise UsageError(
            f"the state has the messages {', '.join(kinds)}",
            hint="it must be several STREAM messages, or a single GLOBAL or LEGACY message",
        )


def streams(text: str, dialect: Dialect) -> list[str]:
    """Return the streams in a state (`namespace.name`), in its order. Raises StateError if it cannot be read."""
    if dialect == "singer" or text.lstrip().startswith("{"):
        return list(_bookmarks(_read(text, Raws)))
    found: list[str] = []
    for message in _read(text, list[_Message] | None) or ():
        found += [str(state.stream_descriptor) for state in _states(message)]
    return found


def _states(message: _Message) -> list[_StreamState]:
    if message.stream:
        return [message.stream]
    return (message.global_.stream_states if message.global_ else None) or []


def _bookmarks(whole: Raws) -> Raws:
    return _read(whole.get("bookmarks", _NULL), Raws | None) or {}


def _read(text: str | msgspec.Raw, kind: Any) -> Any:
    """Return a saved state, or a part of it, as a value of that kind."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableState(f"the saved state cannot be read: {error}") from error


def _require_known(stream: str, known: list[str]) -> None:
    if stream not in known:
        hint = f"streams of this state: {', '.join(known) or 'none'}"
        raise UsageError(f"the state has no stream `{stream}`", hint=hint)


def without_stream(text: str, dialect: Dialect, stream: str) -> str:
    """Return the state without one stream. Raises UsageError if the stream is not in the state."""
    _require_known(stream, streams(text, dialect))
    if dialect == "singer" or text.lstrip().startswith("{"):
        whole = _read(text, Raws)
        bookmarks = _bookmarks(whole)
        del bookmarks[stream]
        return _text({**whole, "bookmarks": _raw(bookmarks)})
    return _edited(text, lambda state: None if _name(state) == stream else state)


def _edited(text: str, change: Callable[[msgspec.Raw], msgspec.Raw | None]) -> str:
    kept = [edited(message, change) for message in _read(text, list[msgspec.Raw])]
    return _text([message for message in kept if message is not None])


def _name(state: msgspec.Raw) -> str:
    descriptor: _Descriptor = _read(state, _StreamState).stream_descriptor
    return str(descriptor)


def renamed(text: str, dialect: Dialect, renames: Mapping[str, str]) -> str:
    """Return the state with renamed streams. Raises UsageError for an unknown stream, and if two get one name.

    Names are `namespace.name` for streams with a namespace.
    """
    if not renames:
        return text
    known = streams(text, dialect)
    for stream, new in renames.items():
        _require_known(stream, known)
        if same := [each for each in known if each != stream and renames.get(each, each) == new]:
            raise UsageError(
                f"the streams `{stream}` and `{same[0]}` would both be `{new}`, so a position would be lost",
                hint=f"rename `{same[0]}`, too: `--rename {same[0]}=OTHER`",
            )
    if dialect == "singer" or text.lstrip().startswith("{"):
        whole = _read(text, Raws)
        bookmarks = _bookmarks(whole)
        named = {renames.get(stream, stream): bookmark for stream, bookmark in bookmarks.items()}
        return _text({**whole, "bookmarks": _raw(named)})
    return _edited(text, lambda state: _state_renamed(state, renames))


def merged(into: str, other: str, dialect: Dialect) -> str:
    """Return the state `into` with the streams of `other`, which replace streams of the same names.

    Raises UsageError for Airbyte states of which the streams have no positions of their own.
    """
    if dialect == "singer":
        return _text(_merged_singer(_read(into, Raws), _read(other, Raws)))
    both = [_per_stream(text) for text in (into, other)]
    return _text(list({**both[0], **both[1]}.values()))


def _merged_singer(into: Raws, other: Raws) -> Raws:
    """Return the merged state without `currently_syncing`: some taps skip the streams before that one."""
    whole = {name: value for name, value in {**into, **other}.items() if name != "currently_syncing"}
    if "bookmarks" in whole:
        whole["bookmarks"] = _raw({**_bookmarks(into), **_bookmarks(other)})
    return whole


def _per_stream(text: str) -> dict[tuple[str | None, str], msgspec.Raw]:
    """Return each STREAM message of a state by the stream's namespace and name."""
    is_legacy = text.lstrip().startswith("{")
    raws = [] if is_legacy else _read(text, list[msgspec.Raw] | None) or []
    found = [(state.stream_descriptor, raw) for raw in raws if (state := _read(raw, _Message).stream)]
    if is_legacy or len(found) != len(raws):
        raise UsageError(
            "a GLOBAL or LEGACY state cannot be merged: its streams share a position",
            hint="`tapdock state copy` replaces a whole state",
        )
    return {(stream.namespace, stream.name): raw for stream, raw in found}


def _state_renamed(raw: msgspec.Raw, renames: Mapping[str, str]) -> msgspec.Raw:
    old = _read(raw, _StreamState).stream_descriptor
    new = renames.get(str(old))
    if new is None:
        return raw
    namespace, _, name = new.rpartition(".") if old.namespace else ("", "", new)
    descriptor = {"name": name, **({"namespace": namespace} if namespace else {})}
    return _raw({**_read(raw, Raws), "stream_descriptor": _raw(descriptor)})


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
