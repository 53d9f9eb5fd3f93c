"""What a state text is, and the same without a stream; values stay as they were written."""

from collections.abc import Mapping

import msgspec

from tapdock.errors import UsageError
from tapdock.state.envelope import Dialect

__all__ = ["dialect_of", "renamed", "streams", "without_stream"]

Raws = dict[str, msgspec.Raw]


class _Descriptor(msgspec.Struct):
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class _StreamState(msgspec.Struct):
    stream_descriptor: _Descriptor


class _Global(msgspec.Struct):
    stream_states: list[_StreamState] = []


class _Message(msgspec.Struct):
    type: str = "LEGACY"
    stream: _StreamState | None = None
    global_: _Global | None = msgspec.field(name="global", default=None)


def dialect_of(text: str, *, wanted: Dialect | None) -> Dialect:
    """A list is Airbyte's, an object Singer's unless Airbyte is `wanted` (legacy state); else UsageError."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(f"the state is not JSON: {error}") from error
    match value:
        case list() if wanted != "singer":
            _airbyte(text)
            return "airbyte"
        case dict() if "type" in value and ("stream" in value or "global" in value) and wanted != "singer":
            raise UsageError("the state is one Airbyte message", hint="put it into a list: `[…]`")
        case dict():
            if wanted != "airbyte" and not isinstance(value.get("bookmarks", {}), dict):
                raise UsageError("`bookmarks` of the state is not an object")
            return wanted or "singer"
        case list():
            raise UsageError("the state is a list; a Singer state is an object", hint="use `--dialect airbyte`")
    raise UsageError("the state is neither a list (Airbyte) nor an object (Singer)")


def _airbyte(text: str) -> list[_Message]:
    try:
        messages = msgspec.json.decode(text, type=list[_Message])
    except msgspec.ValidationError as error:
        raise UsageError(f"the state is not a list of Airbyte state messages: {error}") from error
    for index, message in enumerate(messages):
        parts = {"STREAM": message.stream, "GLOBAL": message.global_, "LEGACY": message}
        if parts.get(message.type) is None:
            raise UsageError(f"message {index} of the state is not a STREAM, GLOBAL or LEGACY state")
    return messages


def streams(text: str, dialect: Dialect) -> list[str]:
    """The streams that a state speaks of (`namespace.name`), in its order."""
    if dialect == "singer" or text.lstrip().startswith("{"):
        bookmarks = msgspec.json.decode(text, type=Raws).get("bookmarks")
        return list(msgspec.json.decode(bookmarks, type=Raws)) if bookmarks is not None else []
    found: list[str] = []
    for message in _airbyte(text):
        states = message.global_.stream_states if message.global_ else []
        found += [str(state.stream_descriptor) for state in ([message.stream] if message.stream else states)]
    return found


def _require_known(stream: str, known: list[str]) -> None:
    if stream not in known:
        hint = f"it has: {', '.join(known) or 'no single streams'}"
        raise UsageError(f"the state has no stream `{stream}`", hint=hint)


def without_stream(text: str, dialect: Dialect, stream: str) -> str:
    """The state without one stream; UsageError where it does not speak of it."""
    _require_known(stream, streams(text, dialect))
    if dialect == "singer" or text.lstrip().startswith("{"):
        whole = msgspec.json.decode(text, type=Raws)
        bookmarks = msgspec.json.decode(whole["bookmarks"], type=Raws)
        del bookmarks[stream]
        return _text({**whole, "bookmarks": _raw(bookmarks)})
    kept = [_airbyte_without(raw, stream) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
    return _text([raw for raw in kept if raw is not None])


def _airbyte_without(raw: msgspec.Raw, stream: str) -> msgspec.Raw | None:
    message = msgspec.json.decode(raw, type=_Message)
    if message.stream is not None:
        return None if str(message.stream.stream_descriptor) == stream else raw
    if message.global_ is None:
        return raw
    whole = msgspec.json.decode(raw, type=Raws)
    inner = msgspec.json.decode(whole["global"], type=Raws)
    states = msgspec.json.decode(inner["stream_states"], type=list[msgspec.Raw])
    left = [state for state in states if str(msgspec.json.decode(state, type=_StreamState).stream_descriptor) != stream]
    return _raw({**whole, "global": _raw({**inner, "stream_states": _raw(left)})})


def renamed(text: str, dialect: Dialect, renames: Mapping[str, str]) -> str:
    """With other names for streams, `namespace.name` where they have a namespace. UsageError for an unknown one."""
    for stream in renames:
        _require_known(stream, streams(text, dialect))
    if not renames:
        return text
    if dialect == "singer" or text.lstrip().startswith("{"):
        whole = msgspec.json.decode(text, type=Raws)
        bookmarks = msgspec.json.decode(whole["bookmarks"], type=Raws)
        named = {renames.get(stream, stream): bookmark for stream, bookmark in bookmarks.items()}
        return _text({**whole, "bookmarks": _raw(named)})
    return _text([_airbyte_renamed(raw, renames) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])])


def _airbyte_renamed(raw: msgspec.Raw, renames: Mapping[str, str]) -> msgspec.Raw:
    message = msgspec.json.decode(raw, type=Raws)
    if "stream" in message:
        return _raw({**message, "stream": _state_renamed(message["stream"], renames)})
    if "global" not in message:
        return raw
    inner = msgspec.json.decode(message["global"], type=Raws)
    states = msgspec.json.decode(inner["stream_states"], type=list[msgspec.Raw])
    named = _raw([_state_renamed(state, renames) for state in states])
    return _raw({**message, "global": _raw({**inner, "stream_states": named})})


def _state_renamed(raw: msgspec.Raw, renames: Mapping[str, str]) -> msgspec.Raw:
    old = msgspec.json.decode(raw, type=_StreamState).stream_descriptor
    new = renames.get(str(old))
    if new is None:
        return raw
    namespace, _, name = new.rpartition(".") if old.namespace else ("", "", new)
    descriptor = {"name": name, **({"namespace": namespace} if namespace else {})}
    return _raw({**msgspec.json.decode(raw, type=Raws), "stream_descriptor": _raw(descriptor)})


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
