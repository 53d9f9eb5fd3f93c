"""Split a batch into lines of JSON, and repair objects that a strict parser refuses."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

__all__ = [
    "Mended",
    "Whole",
    "as_bytes",
    "as_text",
    "flaw",
    "is_clean_text",
    "is_one_a_line",
    "mend",
    "mend_at",
    "nulled_fields",
    "split",
    "values",
    "whole_messages",
]

M = TypeVar("M")

# A string that is not closed is matched once, up to the end. Without this, a search from each quote would take hours.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_ODD = re.compile(rb"(" + _STRING + rb")|-?Infinity\b|NaN\b", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
# The first group is kept: an escaped backslash, or a whole surrogate pair.
_LONE_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_BYTE = re.compile(r"\(byte (\d+)\)\Z")
_SPACE = " \t\r\n"
_VALUES = msgspec.json.Decoder(msgspec.Raw)
_FIRST_VALUE = json.JSONDecoder(strict=False, parse_int=len, parse_float=len)

_NOT_A_NUMBER = "`NaN` or `Infinity` was replaced by null"
_NOT_TEXT = "bytes that are not Unicode text were replaced by U+FFFD"


class Mended(NamedTuple):
    """The first JSON object of a text, repaired; the same object `as_it_came`; and the `rest` of the text.

    `notes` describe the repairs.
    """

    text: bytes
    rest: bytes
    notes: tuple[str, ...]
    as_it_came: bytes


class Whole(NamedTuple, Generic[M]):
    """A batch in which each line is one message: `lines` without blank ones, and the `messages` in them.

    `numbers` are those of the messages' lines in the batch, from 1, and `total` is the number of all its lines.
    """

    lines: bytes
    messages: list[M]
    numbers: Sequence[int]
    total: int


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


def is_one_a_line(batch: bytes, objects: int) -> bool:
    """Return True if each line of a batch, which was decoded to that many objects, is exactly one of them.

    A decoder of many lines also accepts two objects on a line, and an object that is spread over several lines. But
    such an object may be cut at the end of the next batch, and must be refused every time.
    """
    if batch.count(b"\n") + (not batch.endswith(b"\n")) != objects or not batch.startswith(b"{"):
        return False
    return objects - 1 == batch.count(b"}\n{") or objects - 1 == batch.count(b"}\r\n{")  # each count is slow


def whole_messages(batch: bytes, decode: Callable[[bytes], list[M]]) -> "Whole[M] | None":
    """Return the messages of a clean batch with one message a line; None if it must be read line by line.

    Blank lines are left out: they are harmless. `decode` decodes all lines at once, and raises msgspec.MsgspecError or
    RecursionError.
    """
    if not is_clean_text(batch):
        return None
    try:
        messages = decode(batch)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if is_one_a_line(batch, len(messages)):
        return Whole(batch, messages, range(1, len(messages) + 1), len(messages))
    texts = split(batch)
    kept = {number: text for number, text in enumerate(texts, start=1) if not text.isspace() and text}
    written = b"\n".join(kept.values()) + b"\n"
    if len(kept) == len(texts) or not is_one_a_line(written, len(messages)):
        return None
    return Whole(written, messages, tuple(kept), len(texts))


def values(batch: bytes) -> int:
    """Return the number of JSON values in a batch, 0 if it is not valid JSON. Text in it is not checked."""
    try:
        return len(_VALUES.decode_lines(batch))
    except (msgspec.MsgspecError, RecursionError):
        return 0


def mend(line: bytes) -> Mended | None:
    """Return the first JSON object of a text with common damage repaired; all other bytes are unchanged.

    NaN and Infinity become null, bytes that are not Unicode text become U+FFFD, and control characters in strings are
    escaped (protocol.md 1.3, 3.0). Return None if the text does not begin with an object.
    """
    text = as_text(line).strip(_SPACE)
    found = mend_at(text, 0)
    return found and found[0]._replace(rest=as_bytes(text[found[1] :].strip(_SPACE)))


def mend_at(text: str, start: int) -> tuple[Mended, int] | None:
    """Return the object that begins at `start` in a text of `as_text`, without its `rest`, and where it ends."""
    try:
        end = _FIRST_VALUE.raw_decode(text, start)[1] if text.startswith("{", start) else 0
    except (ValueError, RecursionError):
        return None
    if not end:
        return None
    own = as_bytes(text[start:end])
    clean, notes = _repaired(own)
    return Mended(clean, b"", notes, own), end


def _repaired(own: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return JSON text without common damage, and the notes about the repairs."""
    notes: dict[str, None] = {}

    def mended(match: re.Match[bytes]) -> bytes:
        string = match[1]
        if string is None:
            notes[_NOT_A_NUMBER] = None
            return b"null"
        whole = _LONE_SURROGATE.sub(lambda pair: pair[1] or b"\\ufffd", string)
        if whole != string:
            notes[_NOT_TEXT] = None
        return _CONTROL.sub(lambda control: b"\\u%04x" % control[0][0], whole)

    clean = own
    if not is_clean_text(own):
        clean = own.decode("utf-8", "replace").encode()
        notes[_NOT_TEXT] = None
    return _ODD.sub(mended, clean), tuple(notes)


def flaw(text: bytes) -> str:
    """Return what is wrong with a text that should be a JSON object. Damage that is repaired is not what is wrong.

    >>> flaw(b'{"type":"RECORD", "x": 01}')
    'it is not valid JSON: invalid number (byte 24)'
    """
    clean, _ = _repaired(text)
    try:
        _VALUES.decode(clean)
    except RecursionError:
        return "its JSON is nested too deeply"
    except msgspec.MsgspecError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        place = _BYTE.search(reason)
        if place and clean[int(place[1]) :].startswith(b"{"):
            return f"it is not complete JSON: another object begins inside of it {place[0]}"
        return f"it is not valid JSON: {reason}" if place else "it is not complete JSON"
    return "its JSON is nested too deeply"  # that is all that only Python's parser refuses


def as_text(line: bytes) -> str:
    """Return a line as text; each byte that is not Unicode becomes a character that `as_bytes` turns back."""
    return line.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


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
