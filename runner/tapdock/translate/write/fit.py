"""Fit the values of records to the types that a Singer target was told, where that changes no value's meaning.

Some sources do not follow their own schemas. Targets that validate would fail for such a record, and others would store
something else.
"""

import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.translate.write.rules import Rule, Unwritable, as_number, as_text, fields, items
from tapdock.translate.write.times import FORMATS, WITH_ZONE, WITHOUT_ZONE, timed

__all__ = ["Fit"]

_NUMBER = tuple(b"-0123456789"[place : place + 1] for place in range(11))
_FIRST = {
    "string": (b'"',),
    "integer": _NUMBER,
    "number": _NUMBER,
    "boolean": (b"t", b"f"),
    "object": (b"{",),
    "array": (b"[",),
}
"""The first bytes of the JSON values of each type."""
_WORDS = {"string": "text", "number": "a number", "boolean": "a boolean", "object": "an object", "array": "an array"}
_BOOLEANS = {b'"true"': b"true", b'"false"': b"false", b"1": b"true", b"0": b"false"}
_TEXT = msgspec.json.Decoder(str)
_Schema = Mapping[str, Any]


class Fit:
    """The fit of one stream's bodies to its Singer schema, in the form that `singer_schema` writes.

    Fields that the schema does not declare are not looked at. `timed` are the fields whose dates and times are written
    in the form of their `format`, by path, each with its `airbyte_type`.
    """

    def __init__(self, schema: _Schema, timed: Mapping[str, object] = MappingProxyType({})) -> None:
        self._notes: dict[str, None] = {}
        self._schema = schema
        self._timed = timed

    @functools.cached_property
    def _decode(self) -> Callable[[bytes], object]:
        return msgspec.json.Decoder(_type(self._schema)).decode

    @property
    def types(self) -> dict[str, Any]:
        """The types of the declared fields for a decoder, which raises msgspec.MsgspecError for an odd value."""
        return {name: _type(schema) for name, schema in self._schema["properties"].items()}

    @functools.cached_property
    def _rule(self) -> Rule:
        return self._of(self._schema, "")

    def is_odd(self, body: bytes) -> bool:
        """Return False if every declared value has its type. This creates values, but no objects for nested ones."""
        try:
            self._decode(body)
        except msgspec.MsgspecError:
            return True  # also for numbers that Python cannot hold
        return False

    def fitted(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        """Return an odd body with values converted, and a note for each field of which values were converted.

        A body is returned as it is if all its values fit. Raises Unwritable for a value that has no exact form.
        """
        self._notes.clear()
        try:
            return self._rule(body), tuple(self._notes)
        except msgspec.MsgspecError as error:
            raise Unwritable(f"cannot be read: {error}") from error

    def _of(self, schema: _Schema, path: str) -> Rule:
        kind = _kind(schema)
        inner: Rule | None = None
        if kind == "string" and schema.get("format") in FORMATS and (place := path.replace("[]", "")) in self._timed:
            return self._timing(schema["format"], path, self._timed[place])
        if kind == "object":
            within = {name: self._of(one, f"{path}.{name}".lstrip(".")) for name, one in schema["properties"].items()}
            inner = fields(within) if within else None
        elif kind == "array" and "items" in schema:
            inner = items(self._of(schema["items"], f"{path}[]"))
        return self._rewriting(kind, path, inner, is_plain="format" not in schema and "contentEncoding" not in schema)

    def _timing(self, name: str, path: str, zone: object) -> Rule:
        """Return the rule for a date or a time: text of another form is rewritten, and none is guessed."""

        def rewrite(value: bytes) -> bytes:
            if value[:1] == b"n":
                return value
            if value[:1] != b'"':
                raise Unwritable(f"has {_word(value)} in `{path}`, which its schema declares as `{name}`")
            text = _TEXT.decode(value)
            found = timed(name, text)
            if found is None:
                raise Unwritable(f"has text in `{path}` that is not a `{name}`")
            if zone in WITH_ZONE and not found.has_zone:
                raise Unwritable(f"has a time without a time zone in `{path}`, which its schema declares as `{zone}`")
            if zone in WITHOUT_ZONE and found.has_zone:
                raise Unwritable(f"has a time with a time zone in `{path}`, which its schema declares as `{zone}`")
            if name == "date-time" and not found.has_zone and zone not in WITHOUT_ZONE:
                self._notes[f"times without a time zone in `{path}` are passed on: the target decides which one"] = None
            if found.text == text:
                return value
            self._notes[f"text in `{path}` was written in the form of a `{name}`"] = None
            return b'"%s"' % found.text.encode()

        return rewrite

    def _rewriting(self, kind: str, path: str, inner: Rule | None, *, is_plain: bool) -> Rule:
        good, convert = (*_FIRST[kind], b"n"), _CONVERSIONS[kind]

        def rewrite(value: bytes) -> bytes:
            if value[:1] in good and (kind != "integer" or _is_whole(value)):
                return inner(value) if inner and value[:1] != b"n" else value
            new = convert(value) if is_plain else None
            if new is None:
                word = "a number with a fraction" if kind == "integer" and value[:1] in _NUMBER else _word(value)
                raise Unwritable(f"has {word} in `{path}`, which its schema declares as `{kind}`")
            self._notes[f"{_word(value)} in `{path}` was converted to `{kind}`"] = None
            return inner(new) if inner else new

        return rewrite


def _kind(schema: _Schema) -> str:
    kind = schema["type"]
    return str(kind[-1] if isinstance(kind, list) else kind)


def _word(value: bytes) -> str:
    return next(word for kind, word in _WORDS.items() if value[:1] in _FIRST[kind])


def _type(schema: _Schema) -> Any:
    """Return the type for the decoder. An object without declared fields is only skipped."""
    match _kind(schema):
        case "object":
            # Names that the decoder does not accept are not checked.
            named = [name for name in schema["properties"] if name.isprintable() and not {'"', "\\"} & set(name)]
            parts = [(f"f{place}", _type(schema["properties"][name]), None) for place, name in enumerate(named)]
            renamed = {f"f{place}": name for place, name in enumerate(named)}
            return msgspec.defstruct("Body", parts, rename=renamed, gc=False) | None
        case "array":
            return list[_type(schema["items"]) if "items" in schema else Raw] | None  # type: ignore[misc]
        case kind:
            return _SCALARS[kind]


_SCALARS: dict[str, Any] = {
    "string": str | None,
    "integer": int | None,
    "number": float | None,
    "boolean": bool | None,
}


def _is_whole(value: bytes) -> bool:
    """Return True for null and for a number without a fraction, such as `1.0` or `1e3`."""
    if value[:1] == b"n" or value.lstrip(b"-").isdigit():
        return True
    try:
        number = Decimal(value.decode())
        return number == number.to_integral_value()
    except ArithmeticError:
        return True  # its exponent is too large for a fraction


def _number(value: bytes) -> bytes | None:
    """Return a number in a string; None if the string has another form than the number itself."""
    new = as_number(value)
    return new if new == value[1:-1] else None


def _integer(value: bytes) -> bytes | None:
    new = _number(value)
    return new if new and _is_whole(new) else None


def _parsed(value: bytes, *, first: bytes) -> bytes | None:
    """Return JSON in a string, on one line; None if it is of another type."""
    if value[:1] != b'"':
        return None
    text = _TEXT.decode(value).strip().encode()
    if not text.startswith(first):
        return None
    try:
        return bytes(msgspec.json.format(text, indent=-1))
    except (msgspec.MsgspecError, RecursionError):
        return None


_CONVERSIONS: dict[str, Callable[[bytes], bytes | None]] = {
    "string": as_text,
    "integer": _integer,
    "number": _number,
    "boolean": _BOOLEANS.get,
    "object": functools.partial(_parsed, first=b"{"),
    "array": functools.partial(_parsed, first=b"["),
}
"""Conversions from another type; None if there is no exact form."""
