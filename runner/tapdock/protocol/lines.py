"""Lines of JSON: cutting a batch into them, and mending the odd one that a strict parser refuses."""

import json
import re
from typing import NamedTuple

__all__ = ["Mended", "is_clean_text", "mend", "nulled_fields", "split"]

# A string that is not closed is taken to the end, and once: looked for again from each quote in it, it takes hours.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_ODD = re.compile(rb"(" + _STRING + rb")|-?Infinity\b|NaN\b", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
# The first group is what stays: an escaped backslash, or a whole surrogate pair.
_LONE_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_FIRST_VALUE = json.JSONDecoder(strict=False, parse_int=len, parse_float=len)

_NOT_A_NUMBER = "`NaN` or `Infinity` was replaced by null"
_NOT_TEXT = "bytes that are no Unicode text were replaced by U+FFFD"


class Mended(NamedTuple):
    """A line's first JSON object, made parsable, and what follows it; `notes` say what was changed."""

    text: bytes
    rest: bytes
    notes: tuple[str, ...]


def split(lines: bytes) -> list[bytes]:
    """Cut at line feeds only (a carriage return is JSON whitespace); the last line may lack its own."""
    parts = lines.split(b"\n")
    if not parts[-1]:
        parts.pop()
    return parts


def is_clean_text(data: bytes) -> bool:
    """Whether this is UTF-8, which the JSON parser does not check in what it leaves raw."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def mend(line: bytes) -> Mended | None:
    """The first JSON object of a line with the usual damage repaired and every other byte as it was.

    NaN and Infinity become null, what is no Unicode text becomes U+FFFD, control characters in strings are
    escaped (protocol.md 1.3, 3.0). None where no object starts the line.
    """
    if line.lstrip()[:1] != b"{":
        return None
    notes: dict[str, None] = {}
    if not is_clean_text(line):
        line = line.decode("utf-8", "replace").encode()
        notes[_NOT_TEXT] = None

    def mended(match: re.Match[bytes]) -> bytes:
        string = match[1]
        if string is None:
            notes[_NOT_A_NUMBER] = None
            return b"null"
        whole = _LONE_SURROGATE.sub(lambda pair: pair[1] or b"\\ufffd", string)
        if whole != string:
            notes[_NOT_TEXT] = None
        return _CONTROL.sub(lambda control: b"\\u%04x" % control[0][0], whole)

    text = _ODD.sub(mended, line.strip()).decode()
    try:
        end = _FIRST_VALUE.raw_decode(text)[1] if text.startswith("{") else 0
    except (ValueError, RecursionError):
        return None
    if not end:
        return None
    return Mended(text[:end].encode(), text[end:].lstrip().encode(), tuple(notes))


def nulled_fields(line: bytes, *, within: str) -> tuple[str, ...]:
    """Names of the fields, in the member `within` of a line, that hold a NaN or an infinity somewhere."""
    try:
        body = json.loads(line.decode("utf-8", "replace"), strict=False, parse_int=len, parse_float=len).get(within)
    except (ValueError, AttributeError, RecursionError):
        return ()
    return tuple(name for name, value in body.items() if _has_no_number(value)) if isinstance(body, dict) else ()


def _has_no_number(value: object) -> bool:
    match value:
        case dict():
            return any(map(_has_no_number, value.values()))
        case list():
            return any(map(_has_no_number, value))
        case float():
            return True  # only `parse_constant` makes floats here
    return False
