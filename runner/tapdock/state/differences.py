"""What differs between two versions of a state: its streams, and the values in them."""

from typing import Any

import msgspec

from tapdock.state.envelope import Envelope

__all__ = ["Change", "changes", "described"]

_LONGEST = 40
_WHOLE, _SHARED = "(whole state)", "(shared state)"
_NULL = msgspec.Raw(b"null")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a state that differs: a value of a stream, or a stream that was added (no `before`) or removed.

    `field` is the field of the stream's state, None for the whole. `before` and `after` are JSON text.
    """

    stream: str
    field: str | None = None
    before: str | None = None
    after: str | None = None


def changes(old: Envelope | None, new: Envelope | None) -> list[Change] | None:
    """Return what differs between two versions, in the order of the streams; None if one of them cannot be read."""
    try:
        before, after = _parts(old), _parts(new)
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError):
        return None
    found: list[Change] = []
    for stream in dict.fromkeys((*before, *after)):
        found += _of_stream(stream, before.get(stream), after.get(stream))
    return found


def _of_stream(stream: str, before: str | None, after: str | None) -> list[Change]:
    if before == after:
        return []
    old, new = _fields(before), _fields(after)
    if old is None or new is None:
        return [Change(stream=stream, before=before, after=after)]
    fields = (name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name))
    return [Change(stream=stream, field=name, before=old.get(name), after=new.get(name)) for name in fields]


def described(change: Change) -> str:
    """Return a change in a few words.

    >>> described(Change(stream="users", field="id", before="5", after="9"))
    'users.id: 5 -> 9'
    """
    name = change.stream if change.field is None else f"{change.stream}.{change.field}"
    if change.before is None:
        return f"{name} added ({_short(change.after)})"
    if change.after is None:
        return f"{name} removed ({_short(change.before)})"
    return f"{name}: {_short(change.before)} -> {_short(change.after)}"


def _short(text: str | None) -> str:
    text = text or ""
    if text.startswith('"') and text.endswith('"') and "\\" not in text:
        text = text[1:-1]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _parts(envelope: Envelope | None) -> dict[str, str]:
    """Return the JSON text of each stream's state. Raises MsgspecError, KeyError, TypeError for an unusable state."""
    if envelope is None or envelope.state is None:
        return {}
    value: Any = msgspec.json.decode(envelope.state, type=dict[str, msgspec.Raw] | list[dict[str, msgspec.Raw]])
    if isinstance(value, dict):
        bookmarks = msgspec.json.decode(value.get("bookmarks", _NULL), type=dict[str, msgspec.Raw] | None)
        rest = {name: raw for name, raw in value.items() if name != "bookmarks"}
        whole = {_WHOLE: _text(rest)} if rest or bookmarks is None else {}
        return {**{name: _text(raw) for name, raw in (bookmarks or {}).items()}, **whole}
    found: dict[str, str] = {}
    for message in value:
        found |= _of_message(message)
    return found


def _of_message(message: dict[str, msgspec.Raw]) -> dict[str, str]:
    if bytes(message.get("stream", _NULL)) != b"null":
        return dict([_of_state(message["stream"])])
    if bytes(message.get("global", _NULL)) != b"null":
        whole = msgspec.json.decode(message["global"], type=dict[str, msgspec.Raw])
        states = msgspec.json.decode(whole.get("stream_states", _NULL), type=list[msgspec.Raw] | None) or []
        return {_SHARED: _text(whole.get("shared_state", _NULL)), **dict(map(_of_state, states))}
    return {_WHOLE: _text(message.get("data", _NULL))}


def _of_state(raw: msgspec.Raw) -> tuple[str, str]:
    state = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    named = msgspec.json.decode(state["stream_descriptor"], type=dict[str, Any])
    name = f"{named['namespace']}.{named['name']}" if named.get("namespace") else str(named["name"])
    return name, _text(state.get("stream_state", _NULL))


def _fields(text: str | None) -> dict[str, str] | None:
    """Return the fields of an object with their JSON text, or None for another value."""
    if not (text or "").startswith("{"):
        return None
    return {name: _text(raw) for name, raw in msgspec.json.decode(str(text), type=dict[str, msgspec.Raw]).items()}


def _text(value: Any) -> str:
    """Return JSON text without white space, so that only values are compared. Numbers keep every digit."""
    return msgspec.json.format(bytes(msgspec.json.encode(value)), indent=-1).decode()
