"""Read one line of a connector's output: its messages, text beside them, and messages that cannot be read.

Both dialects follow the same rules (protocol.md 1.3). A whole message is taken, whatever stands before or after it on
its line. A message that must not be lost and cannot be read is refused. All other text belongs in the log, also a whole
JSON object that only quotes a message.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from tapdock.protocol import lines

__all__ = ["Dialect", "Part"]

M = TypeVar("M")

_MOST = 100  # beginnings of JSON on one line that are no messages; the rest of the line is not searched
_MOST_EXPLAINED = 1 << 20
_BESIDE = "text beside a message on its line was logged"
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_OPEN = re.compile(r'\{\s*"')
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]*)"')
_CUT_TYPE = re.compile(rb'"type"\s*:\s*"[A-Za-z_]*\Z')
_SORTED = re.compile(rb'\{\s*"(?:record|state)"\s*:\s*\{')  # keys in alphabetical order: the type comes last
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode


class Part(NamedTuple, Generic[M]):
    """A part of a line: a `message`; or a message that is `refused`, with the reason; or text for the log.

    `text` is the part, repaired if it is a message, and `as_it_came` is the same without repairs. `notes` describe the
    repairs. A refused part has the name of its `stream`, if there is one, and `is_record` if it can only be one RECORD.
    """

    text: bytes
    as_it_came: bytes
    message: M | None = None
    notes: tuple[str, ...] = ()
    refused: str | None = None
    stream: str | None = None
    is_record: bool = False


class Dialect(Generic[M]):
    """The messages of one protocol.

    `bodies` are the types of messages, each with the member that it always has. Messages of the types in `kept` must
    not be lost. `is_record` returns True for the members of an object that can only be a RECORD, although its type is
    missing or unknown.
    """

    def __init__(
        self,
        decoder: "msgspec.json.Decoder[M]",
        *,
        bodies: Mapping[str, str],
        kept: Collection[str],
        is_record: Callable[[Mapping[str, Raw]], bool],
    ) -> None:
        self._decoder = decoder
        self._bodies = dict(bodies)
        self._kept = frozenset(kept)
        self._is_record = is_record
        names = "|".join(sorted(kept))
        typed = rf'"type"\s*:\s*"(?:{names})"'
        self._begins = re.compile(rf"\{{[^{{}}]*{typed}")
        self._begins_in_bytes = re.compile(self._begins.pattern.encode())
        self._type = re.compile(typed.replace("(?:", "(").encode())
        self._spread = re.compile(rf"{typed}\s*[,}}]?".encode())
        self._ends = re.compile(rf"{typed}\s*\}}\s*\Z".encode())
        self._quoted_singly = re.compile(rf"\{{\s*'type'\s*:\s*'(?:{names})'".encode())

    def parts(self, line: bytes) -> list[Part[M]]:
        """Read a line tolerantly; never raises. A blank line is one part, which is text."""
        text = line.strip()
        if not text:
            return [Part(b"", b"")]
        try:
            if lines.is_clean_text(text):
                return [Part(text, text, self._decoder.decode(text))]
        except _NOT_READ:
            pass
        return self._searched(text)

    def _searched(self, line: bytes) -> list[Part[M]]:
        text = lines.as_text(line)
        found: list[Part[M]] = []
        last = at = tries = 0  # `last` is the end of the last message
        objects: list[tuple[int, int]] = []  # whole JSON objects since then, which are no messages
        while tries < _MOST and (start := _OPEN.search(text, at)):
            at = start.start()
            whole = lines.mend_at(text, at)
            if whole is None and self._begins.match(text, at):
                break
            part = self._of_object(whole[0]) if whole else None
            end = whole[1] if whole else at + 1
            if part is not None:
                found += (*self._of_text(text, last, at, objects), part)
                last, objects = end, []
            else:
                tries += 1
                objects += [(at, end)] if whole else []
            at = end
        found += self._of_text(text, last, len(text), objects)
        if len(found) == 1:
            return found if found[0].message else [found[0]._replace(text=line, as_it_came=line)]
        return [part if part.message or part.refused else part._replace(notes=(_BESIDE,)) for part in found]

    def _of_object(self, mended: lines.Mended) -> Part[M] | None:
        """Return the part for a whole JSON object; None if it is not a message."""
        text = mended.text
        try:
            return Part(text, mended.as_it_came, self._decoder.decode(text), mended.notes)
        except _NOT_READ as error:
            reason = str(error)
        try:
            members = _OBJECT.decode(text)
        except _NOT_READ:
            return self._unreadable(text, reason) if self._type.search(text) else None
        kind = _text(members.get("type"))
        upper = kind.upper() if kind else ""
        is_message = upper in self._bodies and (kind == upper or self._bodies[upper] in members)
        if is_message and kind != upper:
            # Singer's specification allows any case, and connectors of both protocols use it.
            whole = _ENCODE({**members, "type": upper})
            try:
                return Part(whole, whole, self._decoder.decode(whole), mended.notes)
            except _NOT_READ as error:
                reason = str(error)
        if is_message and upper in self._kept:
            return self._unreadable(text, reason, is_record=upper == "RECORD")
        if self._is_record(members):
            missing = f"there is no message type `{kind}`" if kind else "it has no `type`"
            return self._unreadable(text, missing, is_record=True)
        return None

    def _of_text(self, line: str, start: int, end: int, objects: list[tuple[int, int]]) -> list[Part[M]]:
        """Return the part for text that is not a message; none if it is blank. `objects` in it are not searched."""
        text = lines.as_bytes(line[start:end]).strip()
        if not text:
            return []
        outside = text
        if objects:
            cuts = [start, *(place for pair in objects for place in pair), end]
            outside = lines.as_bytes("".join(line[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True))).strip()
        reason = self._broken(outside)
        if reason is None and b"\0" in outside and self._broken(outside.replace(b"\0", b"")):
            reason = "it is UTF-16 text, and must be UTF-8"
        if reason is None:
            return [Part(text, text)]
        kinds = self._type.findall(outside)
        return [self._unreadable(text, reason, is_record=kinds == [b"RECORD"])]

    def _broken(self, text: bytes) -> str | None:
        """Return why a message that must not be lost cannot be read; None if the text is clearly none."""
        if self._spread.fullmatch(text):
            return "it is spread over several lines, and must be on one"
        if self._quoted_singly.match(text):
            return "it is not JSON, because its quotes are single"
        start = text.find(b"{")
        if start >= 0 and any(pattern.search(text, start) for pattern in (self._type, _CUT_TYPE, _SORTED)):
            is_long = len(text) > _MOST_EXPLAINED  # copies of it would need much memory
            return "it is not complete JSON" if is_long else lines.flaw(text[self._beginning(text) :])
        return "it is not complete JSON, because its beginning is missing" if self._ends.search(text) else None

    def _beginning(self, text: bytes) -> int:
        """Return where a broken message begins. Text before it may contain braces as well."""
        found = self._begins_in_bytes.search(text) or _SORTED.search(text)
        return found.start() if found else text.find(b"{")

    def _unreadable(self, text: bytes, reason: str, *, is_record: bool = False) -> Part[M]:
        named = _STREAM.search(text)
        stream = named[1].decode(errors="replace") if named else None
        of = f" of stream `{stream}`" if stream else ""
        refused = f"a message{of} cannot be read: {reason}"
        return Part(text, text, refused=refused, stream=stream, is_record=is_record)


def _text(raw: Raw | None) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str) if raw else None
    except _NOT_READ:
        return None
