"""Split a batch into lines of JSON, and repair lines that a strict parser refuses."""

import json
import re
from typing import NamedTuple

__all__ = ["Mended", "is_clean_text", "mend", "nulled_fields", "split"]

# A string that is not closed is matched once, up to the end. Without this, a search from each quote would take hours.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_ODD = re.compile(rb"(" + _STRING + rb")|-?Infinity\b|NaN\b", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
# The first group is kept: an escaped backslash, or a whole surrogate pair.
_LONE_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_FIRST_VALUE = json.JSONDecoder(strict=False, parse_int=len, parse_float=len)

_NOT_A_NUMBER = "`NaN` or `Infinity` was replaced by null"
_NOT_TEXT = "bytes that are not Unicode text were replaced by U+FFFD"


class Mended(NamedTuple):
    """A line's first JSON object, repaired, and the `rest` of the line; `notes` describe the repairs."""

    text: bytes
    rest: bytes
    notes: tuple[str, ...]


def split(lines: bytes) -> list[bytes]:
    """Split at line feeds only, because a carriage return is JSON whitespace. The last line may lack its own."""
    parts = lines.split(b"\n")
    if not parts[-1]:
        parts.pop()
    return parts


def is_clean_text(data: bytes) -> bool:
    """Return True for valid UTF-8, which the JSON parser does not check in raw values."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def mend(line: bytes) -> Mended | None:
    """Return the first JSON object of a line with common damage repaired; all other bytes are unchanged.

    NaN and Infinity become null, bytes that are not Unicode text become U+FFFD, and control characters in strings are
    escaped (protocol.md 1.3, 3.0). Return None if the line does not begin with an object.
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
    """Return the names of the fields in the member `within` of a line that contain a NaN or an infinity."""
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
