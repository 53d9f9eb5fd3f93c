"""Convert states from and to the formats of other runners. Values keep their text.

Meltano (protocol.md 2.3): `{"completed": {"singer_state": …}, "partial": {"singer_state": …}}` in its files, and
`{"singer_state": …}` from `meltano state get`. Airbyte: the object of its API (`stateType`, `streamState`,
`globalState`, `state`), the lists inside it that its UI shows, and the input of a connector (a list of messages, or a
legacy object).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from tapdock.errors import UnreadableState, UsageError
from tapdock.state import edit
from tapdock.state.envelope import Dialect

__all__ = ["Format", "Text", "exported", "imported"]

Format = Literal["airbyte", "meltano"]
Raws = dict[str, msgspec.Raw]


class Text(NamedTuple):
    """A state in the format that a connector reads."""

    text: str
    dialect: Dialect


def imported(text: str, *, source: Format, renames: Mapping[str, str]) -> Text:
    """Return another runner's state in tapdock's form. `renames` maps old to new names of streams.

    Raises UsageError for text of another format, and for an unknown stream in `renames`.
    """
    try:
        value = msgspec.json.decode(text, type=Raws | list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the state is not a JSON object or list: {error}", hint=edit.json_hint(text)) from error
    try:
        found = _of_meltano(value) if source == "meltano" else _of_airbyte(value)
    except (KeyError, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the state does not have the format of {source.title()}: {error}") from error
    if found.text in ("{}", "[]"):
        raise UsageError("the state is empty")
    edit.dialect_of(found.text, wanted=found.dialect)
    return Text(edit.renamed(found.text, found.dialect, renames), found.dialect)


def _of_meltano(value: Raws | list[msgspec.Raw]) -> Text:
    if isinstance(value, list):
        raise UsageError("a Meltano state must be an object", hint="for a list, use `--format airbyte`")
    if "completed" in value or "partial" in value:
        given = _without_nulls(value)
        parts = [_without_nulls(_object(given[name])) for name in ("completed", "partial") if name in given]
        merged: Any = {}
        for part in parts:
            if "singer_state" in part:
                merged = _laid_over(merged, part["singer_state"])
        state = msgspec.json.encode(merged)
    else:
        state = _without_null(value["singer_state"]) if "singer_state" in value else msgspec.json.encode(value)
    inner = _without_nulls(_object(state))
    if "airbyte_state" in inner:  # the state of a wrapped Airbyte source
        return _of_airbyte(_decoded(inner["airbyte_state"]))
    return Text(_compact(state), "singer")


def _laid_over(under: Any, over: bytes | msgspec.Raw) -> Any:
    """Merge deeply, as Meltano does: objects by key, all other values as a whole. Leaves stay raw."""
    try:
        members = msgspec.json.decode(over, type=Raws)
    except msgspec.ValidationError:
        return msgspec.Raw(bytes(over))
    base = dict(under) if isinstance(under, dict) else {}
    return {**base, **{name: _laid_over(base.get(name), member) for name, member in members.items()}}


def _of_airbyte(value: Raws | list[msgspec.Raw]) -> Text:
    if isinstance(value, list):
        return Text(_text([_message(each) for each in value]), "airbyte")
    kind = msgspec.json.decode(value["stateType"], type=str).lower() if "stateType" in value else None
    given = _without_nulls(value)  # the API returns all members for every kind
    if kind == "not_set":
        raise UsageError("this Airbyte connection has no state yet")
    if kind == "stream" or (kind is None and "streamState" in given):
        return _of_airbyte(msgspec.json.decode(given["streamState"], type=list[msgspec.Raw]))
    if kind == "global" or (kind is None and ("globalState" in given or "streamStates" in given)):
        return Text(_text([_global(_object(given["globalState"]) if "globalState" in given else value)]), "airbyte")
    if kind == "legacy":
        return Text(_compact(bytes(given["state"])), "airbyte")
    return Text(_text(value), "airbyte")


def _without_nulls(members: Raws) -> Raws:
    return {name: member for name, member in members.items() if bytes(member) != b"null"}


def _without_null(state: msgspec.Raw) -> bytes:
    return b"{}" if bytes(state) == b"null" else bytes(state)


def _message(raw: msgspec.Raw) -> msgspec.Raw | Raws:
    """Return a protocol message unchanged, and convert a stream state of the API to such a message."""
    one = _object(raw)
    if "streamDescriptor" not in one:
        return msgspec.Raw(_compact(bytes(raw)).encode())
    return {"type": msgspec.Raw(b'"STREAM"'), "stream": _raw(_stream(one))}


def _stream(one: Raws) -> Raws:
    state = one.get("streamState", msgspec.Raw(b"null"))
    return {"stream_descriptor": one["streamDescriptor"], "stream_state": state}


def _global(whole: Raws) -> Raws:
    states = msgspec.json.decode(whole["streamStates"], type=list[Raws] | None)
    inner: dict[str, Any] = {"stream_states": [_stream(one) for one in states or ()]}
    if "sharedState" in whole:
        inner = {"shared_state": whole["sharedState"], **inner}
    return {"type": msgspec.Raw(b'"GLOBAL"'), "global": _raw(inner)}


def exported(text: str, dialect: Dialect, *, target: Format) -> str:
    """Return the input of `meltano state set`, or Airbyte's connection state.

    Raises UsageError for a Singer state as Airbyte's, and StateError for a saved state that cannot be read.
    """
    if target == "meltano":
        state = {"airbyte_state": msgspec.Raw(text.encode())} if dialect == "airbyte" else msgspec.Raw(text.encode())
        try:
            return _text({"singer_state": state})
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnreadableState(f"the saved state cannot be read: {error}") from error
    if dialect == "singer":
        raise UsageError("a Singer state cannot be exported for Airbyte", hint="use `--format meltano`")
    return text


def _decoded(raw: msgspec.Raw) -> Raws | list[msgspec.Raw]:
    """Decode the state of a wrapped tap, which may be JSON inside of a JSON string."""
    text = msgspec.json.decode(raw, type=str).encode() if bytes(raw).startswith(b'"') else bytes(raw)
    return msgspec.json.decode(text, type=Raws | list[msgspec.Raw])


def _object(raw: bytes | msgspec.Raw) -> Raws:
    try:
        return msgspec.json.decode(raw, type=Raws)
    except msgspec.MsgspecError as error:
        raise UsageError(f"the state does not have this format: {error}") from error


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _text(value: object) -> str:
    return _compact(msgspec.json.encode(value))


def _compact(raw: bytes) -> str:
    return msgspec.json.format(raw, indent=-1).decode()
