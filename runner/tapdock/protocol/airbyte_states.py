"""Edit the states of single streams inside Airbyte state messages. All other values keep their text."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

__all__ = ["edited"]


def edited(message: Raw, change: Callable[[Raw], Raw | None]) -> Raw | None:
    """Return a state message after `change` was applied to the state of each stream in it.

    `change` takes an object with a `stream_descriptor`. It returns the same object, another one, or None to remove it.
    A STREAM message whose state is removed becomes None; a GLOBAL message keeps its shared state. A message in which
    nothing changes is returned as it is. Raises msgspec.MsgspecError if it is not a state message.
    """
    members = msgspec.json.decode(message, type=dict[str, Raw])
    stream = members.get("stream")
    if stream is not None and bytes(stream) != b"null" and bytes(members.get("type", b"")) != b'"GLOBAL"':
        new = change(stream)
        return message if new is stream else None if new is None else _raw({**members, "stream": new})
    body = msgspec.json.decode(members.get("global", b"null"), type=dict[str, Raw] | None) or {}
    states = msgspec.json.decode(body.get("stream_states", b"null"), type=list[Raw] | None) or []
    changed = [change(state) for state in states]
    if all(new is old for new, old in zip(changed, states, strict=True)):
        return message
    kept = [state for state in changed if state is not None]
    return _raw({**members, "global": _raw({**body, "stream_states": _raw(kept)})})


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
