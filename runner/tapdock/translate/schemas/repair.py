"""Repair a tap's schema for Singer targets: remove keywords that their validators cannot read (protocol.md 2.4)."""

from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Raw

__all__ = ["repaired"]

_FLAGS = ("exclusiveMaximum", "exclusiveMinimum", "required")
"""Keywords that are a boolean in older drafts, and a number or a list since the sixth draft."""
_DIGITS = 14
_PRECISION = 28
"""Targets divide by `multipleOf` with 28 digits, and fail for a quotient with more. So it may have 14 fractional
digits, and fewer if the declared `maximum` is large.
"""
_BY_NAME = ("properties", "patternProperties", "definitions", "$defs")
_WITHIN = ("items", "additionalItems", "additionalProperties", "not", "anyOf", "oneOf", "allOf")
_Members = dict[str, Raw]


def repaired(schema: bytes | Raw) -> tuple[bytes, tuple[str, ...]]:
    """Return the schema, and the names of the keywords that were removed; every other value is unchanged.

    No keyword that is removed is about values that a target stores. A schema that cannot be read is returned unchanged.

    >>> repaired(b'{"type":"number","maximum":1e5,"exclusiveMaximum":true}')
    (b'{"type":"number","maximum":1e5}', ('exclusiveMaximum',))
    """
    removed: dict[str, None] = {}
    try:
        text = _schema(bytes(schema), removed)
    except (msgspec.MsgspecError, RecursionError):
        return bytes(schema), ()
    return (text if removed else bytes(schema)), tuple(removed)


def _schema(text: bytes, removed: dict[str, None]) -> bytes:
    if not text.lstrip().startswith(b"{"):
        return text
    members = msgspec.json.decode(text, type=_Members)
    for name in [name for name in members if _is_unreadable(name, members)]:
        removed[name] = None
        del members[name]
    for name in _BY_NAME:
        if name in members and bytes(members[name]).startswith(b"{"):
            named = msgspec.json.decode(members[name], type=_Members)
            members[name] = _encoded({key: Raw(_schema(bytes(one), removed)) for key, one in named.items()})
    for name in _WITHIN:
        if name in members:
            members[name] = Raw(_within(bytes(members[name]), removed))
    return msgspec.json.encode(members)


def _within(text: bytes, removed: dict[str, None]) -> bytes:
    """Return a schema, or a list of schemas."""
    if not text.startswith(b"["):
        return _schema(text, removed)
    return bytes(_encoded([Raw(_schema(bytes(one), removed)) for one in msgspec.json.decode(text, type=list[Raw])]))


def _encoded(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def _is_unreadable(name: str, members: _Members) -> bool:
    value = bytes(members[name])
    if name in _FLAGS:
        return value in (b"true", b"false")
    if name != "multipleOf":
        return False
    digits = -_exponent(value, lowest=True)
    largest = _exponent(bytes(members.get("maximum", b"0")), lowest=False)
    return digits > _DIGITS or (digits > 0 and digits + largest >= _PRECISION)


def _exponent(value: bytes, *, lowest: bool) -> int:
    """Return the power of ten of a number's lowest or highest digit; 0 for what is not a number."""
    try:
        number = Decimal(value.decode()).normalize()
    except (InvalidOperation, UnicodeError):
        return 0
    exponent = number.as_tuple().exponent
    return 0 if not isinstance(exponent, int) else exponent if lowest else number.adjusted()
