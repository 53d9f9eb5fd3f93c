"""Inspect and edit the text of a state: its protocol, its streams, and their names. Other values keep their text.

An invalid state from a user raises a UsageError. An unreadable saved state raises a StateError: somebody changed it.
A null in place of a list or an object counts as absent, because some writers write all members.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.errors import StateError, UsageError
from tapdock.state.envelope import Dialect

__all__ = ["UNREADABLE", "dialect_of", "json_hint", "renamed", "streams", "without_stream"]

Raws = dict[str, msgspec.Raw]
_NULL = msgspec.Raw(b"null")
UNREADABLE = (
    "`tapdock state get` prints it, `tapdock state set` replaces it, `tapdock state rollback` restores an older version"
)
"""The hint for a saved state that cannot be read."""


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


def dialect_of(text: str, *, wanted: Dialect | None) -> Dialect:
    """Return the protocol of a state: a list is Airbyte's, an object is Singer's.

    With `wanted="airbyte"`, an object is a legacy Airbyte state. Raises UsageError for everything else.
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
        case dict() if "type" in value and ("stream" in value or "global" in value) and wanted != "singer":
            raise UsageError("the state is a single Airbyte message", hint="put it into a list: `[…]`")
        case dict():
            if wanted != "airbyte" and bytes(value.get("bookmarks", _NULL))[:1] not in (b"{", b"n"):
                raise UsageError("`bookmarks` of the state is not an object")
            return wanted or "singer"
    raise UsageError("the state is a list; a Singer state is an object", hint="use `--dialect airbyte`")


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
        parts = {"STREAM": message.stream, "GLOBAL": message.global_, "LEGACY": message}
        if parts.get(message.type or "LEGACY") is None:
            raise UsageError(f"message {index} of the state is not a STREAM, GLOBAL or LEGACY state")


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
        raise StateError(f"the saved state cannot be read: {error}", hint=UNREADABLE) from error


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
    kept = [_airbyte_without(raw, stream) for raw in _read(text, list[msgspec.Raw])]
    return _text([raw for raw in kept if raw is not None])


def _airbyte_without(raw: msgspec.Raw, stream: str) -> msgspec.Raw | None:
    message = _read(raw, _Message)
    if message.stream is not None:
        return None if str(message.stream.stream_descriptor) == stream else raw
    names = [str(state.stream_descriptor) for state in _states(message)]
    if stream not in names:
        return raw
    return _with_states(raw, [state for state, name in zip(_raw_states(raw), names, strict=True) if name != stream])


def _raw_states(message: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the states of single streams inside a GLOBAL message that has some."""
    inner: Raws = _read(_read(message, Raws)["global"], Raws)
    states: list[msgspec.Raw] = _read(inner["stream_states"], list[msgspec.Raw])
    return states


def _with_states(message: msgspec.Raw, states: list[msgspec.Raw]) -> msgspec.Raw:
    whole = _read(message, Raws)
    inner = _read(whole["global"], Raws)
    return _raw({**whole, "global": _raw({**inner, "stream_states": _raw(states)})})


def renamed(text: str, dialect: Dialect, renames: Mapping[str, str]) -> str:
    """Return the state with renamed streams. Raises UsageError for an unknown stream.

    Names are `namespace.name` for streams with a namespace.
    """
    for stream in renames:
        _require_known(stream, streams(text, dialect))
    if not renames:
        return text
    if dialect == "singer" or text.lstrip().startswith("{"):
        whole = _read(text, Raws)
        bookmarks = _bookmarks(whole)
        named = {renames.get(stream, stream): bookmark for stream, bookmark in bookmarks.items()}
        return _text({**whole, "bookmarks": _raw(named)})
    return _text([_airbyte_renamed(raw, renames) for raw in _read(text, list[msgspec.Raw])])


def _airbyte_renamed(raw: msgspec.Raw, renames: Mapping[str, str]) -> msgspec.Raw:
    message = _read(raw, _Message)
    if message.stream is not None:
        whole = _read(raw, Raws)
        return _raw({**whole, "stream": _state_renamed(whole["stream"], renames)})
    if not _states(message):
        return raw
    return _with_states(raw, [_state_renamed(state, renames) for state in _raw_states(raw)])


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
