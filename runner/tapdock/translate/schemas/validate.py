"""Check that a record's values match the types in its schema, without creating Python objects of them."""

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

__all__ = ["checker"]

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int | float,  # `1.0` is an integer by JSON schema
    "number": int | float,
    "boolean": bool,
    "object": dict[str, Raw],
    "array": list[Raw],
    "null": None,
}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
"""Characters that msgspec refuses in the name of a field, because JSON escapes them."""
_TOO_BIG = "out of range"  # for numbers in Python, not for those of a target


def checker(schema: Mapping[str, Any]) -> Callable[[bytes], str | None] | None:
    """Return a function that returns the problem of a body, or None; None if the schema requires nothing.

    Only types of top-level fields are checked, because only these are columns of targets. null is always allowed.

        >>> checker({"properties": {"a": {"type": "integer"}}})(b'{"a":"x"}')
        'does not match its schema: Expected `int | float | null`, got `str` - at `$.a`'
    """
    typed = {name: kind for name, inner in schema.get("properties", {}).items() if (kind := _type(inner)) is not None}
    odd = {name: msgspec.json.Decoder(typed.pop(name) | None) for name in list(typed) if _ESCAPED.search(name)}
    if not typed and not odd:
        return None
    fields = [(f"f{place}", kind, None) for place, kind in enumerate(typed.values())]
    names = {f"f{place}": name for place, name in enumerate(typed)}
    decode = msgspec.json.Decoder(msgspec.defstruct("Record", fields, rename=names, gc=False)).decode

    def problem(body: bytes) -> str | None:
        try:
            decode(body)
        except msgspec.ValidationError as error:
            return None if _TOO_BIG in str(error) else f"does not match its schema: {error}"
        return _problem_of(body, odd) if odd else None

    return problem


def _problem_of(body: bytes, decoders: Mapping[str, "msgspec.json.Decoder[Any]"]) -> str | None:
    """Return the problem of the fields whose names a struct cannot have."""
    members = msgspec.json.decode(body, type=dict[str, Raw])
    for name in decoders.keys() & members.keys():
        try:
            decoders[name].decode(members[name])
        except msgspec.ValidationError as error:
            if _TOO_BIG not in str(error):
                return f"does not match its schema: {error} - at `$.{_shown(name)}`"
    return None


def _shown(name: str) -> str:
    """Return a name as JSON escapes it: a message has no line breaks, and shows the same as the record."""
    return msgspec.json.encode(name).decode()[1:-1]


def _type(schema: Any) -> Any:
    """Return the type of a field for the decoder; None if any value is allowed."""
    if not isinstance(schema, dict) or "type" not in schema:
        return None
    said = schema["type"]
    kinds = [str(kind) for kind in (said if isinstance(said, list) else [said])]
    if not kinds or any(kind not in _TYPES for kind in kinds):
        return None
    return functools.reduce(operator.or_, (_TYPES[kind] for kind in kinds if kind != "null"), None) or None
