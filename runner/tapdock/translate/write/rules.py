"""Rules that change values: a rule gets a value's raw JSON and returns the JSON to send instead.

A rule that does not change a value returns the same object. Values without a rule keep their bytes.
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
from msgspec import Raw

__all__ = [
    "EMPTY",
    "Rule",
    "Unwritable",
    "as_number",
    "as_text",
    "chain",
    "copied",
    "drop",
    "fields",
    "finder",
    "items",
    "marked_deleted",
    "may_have",
    "with_member",
    "without",
]

Rule = Callable[[bytes], bytes]
EMPTY = b"{}"
"""An object of which a rule removed every member."""


class Unwritable(ValueError):
    """A rule cannot write a record. The text continues the words "a record of stream `s`"."""


_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_TEXT = msgspec.json.Decoder(str)
_NUMBER = re.compile(r"(-?)0*((?:0(?![0-9])|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_ESCAPED = re.compile(rb"\\u00[2-7]")
"""An ASCII character that is escaped, although JSON does not require it."""
_NO_NUMBER = frozenset({"NaN", "Infinity", "-Infinity"})


def as_text(value: bytes) -> bytes:
    """Return JSON text in a string; strings and null are unchanged.

    >>> as_text(b'{"a":1.50}')
    b'"{\\\\"a\\\\":1.50}"'
    """
    return value if value[:1] in (b'"', b"n") else _ENCODE(value.decode())


def as_number(value: bytes) -> bytes:
    """Return a number in a string without its quotes, with all digits; "NaN" and the infinities become null.

    Text that is not a number is unchanged: its record does not fit the schema (protocol.md 3.3).
    """
    if value[:1] != b'"':
        return value
    text = _TEXT.decode(value)
    if text in _NO_NUMBER:
        return b"null"
    number = _NUMBER.fullmatch(text)
    return (number[1] + number[2]).encode() if number else value


def drop(value: bytes) -> bytes:
    """A mark for `fields`: the field is removed. It is never called."""
    raise AssertionError(f"only a field can be dropped, not {value!r}")


def fields(rules: Mapping[str, Rule]) -> Rule:
    """Return a rule that applies rules to some fields of an object."""

    def rewrite(value: bytes) -> bytes:
        if value[:1] != b"{":
            return value
        values = _OBJECT.decode(value)
        changed = False
        for name in [name for name in values if name in rules]:
            rule = rules[name]
            if rule is drop:
                del values[name]
                changed = True
                continue
            old = bytes(values[name])
            new = rule(old)
            if new is not old:
                values[name] = Raw(new)
                changed = True
        return _ENCODE(values) if changed else value

    return rewrite


def items(rule: Rule) -> Rule:
    """Return a rule that applies a rule to every item of an array."""

    def rewrite(value: bytes) -> bytes:
        if value[:1] != b"[":
            return value
        old = [bytes(item) for item in _ARRAY.decode(value)]
        new = [rule(item) for item in old]
        if all(after is before for after, before in zip(new, old, strict=True)):
            return value
        return b"[" + b",".join(new) + b"]"

    return rewrite


def chain(rules: Sequence[Rule]) -> Rule | None:
    """Return a rule that applies rules one after the other; None if there are none."""
    if len(rules) < 2:
        return rules[0] if rules else None

    def rewrite(value: bytes) -> bytes:
        for rule in rules:
            value = rule(value)
        return value

    return rewrite


def with_member(body: bytes, name: str, value: bytes) -> bytes:
    """Return an object with one more member after the others; all other bytes are unchanged.

    A member of this name that the object already has is replaced, because an object has each name once.

    >>> with_member(b'{"a":1.50}', "b", b"2")
    b'{"a":1.50,"b":2}'
    """
    if may_have(body, name):
        body = bytes(_ENCODE({key: member for key, member in _OBJECT.decode(body).items() if key != name}))
    end = body.rstrip()[:-1]
    comma = b"," if end.strip() != b"{" else b""
    return b"%s%s%s:%s}" % (end, comma, _ENCODE(name), value)


def may_have(body: bytes, name: str) -> bool:
    """Return False only if an object certainly has no member of this name, in any form that JSON allows for a name."""
    return _one_finder(name)(body)


@functools.cache
def _one_finder(name: str) -> Callable[[bytes], bool]:
    mark = _ENCODE(name)
    if not name.isascii() or b"\\" in mark or "/" in name:
        return finder((name,))
    return lambda body: mark in body or (b"\\u00" in body and _ESCAPED.search(body) is not None)


def without(names: Collection[str]) -> Rule:
    """Return a rule that removes some fields. A body that cannot contain their names is not parsed.

    >>> without(["é"])(rb'{"\\u00e9":1,"a":2}')
    b'{"a":2}'
    """
    may_contain = finder(names)
    rule = fields(dict.fromkeys(names, drop))

    def rewrite(value: bytes) -> bytes:
        return rule(value) if may_contain(value) else value

    return rewrite


def marked_deleted(column: str, other: str) -> Rule:
    """Return a rule that copies the time of a deletion from one protocol's column to the other's (protocol.md 3.4)."""
    may_contain = finder([column])

    def rewrite(value: bytes) -> bytes:
        if not may_contain(value):
            return value
        when = _OBJECT.decode(value).get(column)
        return value if when is None or bytes(when) == b"null" else with_member(value, other, bytes(when))

    return rewrite


def finder(names: Collection[str], *, parts: Sequence[bytes] = ()) -> Callable[[bytes], bool]:
    """Return a fast test: False only if an object has none of these names, in any form that JSON allows for a name.

    Without an escape, a name has only one form. So an escape that could be part of a name means that it may be there.
    `parts` are letters and digits inside of other names.
    """
    marks = [*(_ENCODE(name) for name in names), *parts]
    marks.append(b"\\" if any(b"\\" in mark for mark in marks) else b"\\u")
    if any("/" in name for name in names):
        marks.append(b"\\/")

    def may_contain(value: bytes) -> bool:
        return any(mark in value for mark in marks)

    return may_contain


def copied(copies: Mapping[str, tuple[str, ...]], *, key: Sequence[tuple[str, ...]]) -> Rule:
    """Return a rule that adds top-level columns with copies of nested fields; null if a record has no such field.

    The rule raises Unwritable if all fields of the `key` are null, because all such records would become one row.
    """

    named = ", ".join(f"`{'.'.join(path)}`" for path in key)

    def rewrite(value: bytes) -> bytes:
        if all(_at(value, path) == b"null" for path in key):
            raise Unwritable(f"has no value for its key {named}")
        for column, path in copies.items():
            value = with_member(value, column, _at(value, path))
        return value

    return rewrite


def _at(value: bytes, path: Sequence[str]) -> bytes:
    for name in path:
        if value[:1] != b"{":
            return b"null"
        value = bytes(_OBJECT.decode(value).get(name, b"null"))
    return value
