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

_MOST = 100  # candidates for messages on one line; more of a line is not searched
_BESIDE = "text beside a message on its line was logged"
_NOT_READ = (msgspec.MsgspecError, RecursionError, UnicodeError)
_OPEN = re.compile(rb'\{\s*"')
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]*)"')
_CUT_TYPE = re.compile(rb'"type"\s*:\s*"[A-Za-z_]*\Z')
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

    `types` are all types of messages. Messages of the types in `kept` must not be lost. `is_record` returns True for
    the members of an object that can only be a RECORD, although its type is missing or unknown.
    """

    def __init__(
        self,
        decoder: "msgspec.json.Decoder[M]",
        *,
        types: Collection[str],
        kept: Collection[str],
        is_record: Callable[[Mapping[str, Raw]], bool],
    ) -> None:
        self._decoder = decoder
        self._types = frozenset(types)
        self._kept = frozenset(kept)
        self._is_record = is_record
        names = "|".join(sorted(kept)).encode()
        self._type = re.compile(rb'"type"\s*:\s*"(' + names + rb')"', re.IGNORECASE)
        self._begins = re.compile(rb'\{[^{}]*"type"\s*:\s*"(?:' + names + rb')"', re.IGNORECASE)
        self._spread = re.compile(rb'"type"\s*:\s*"(?:' + names + rb')"\s*[,}]?', re.IGNORECASE)
        self._quoted_singly = re.compile(rb"\{\s*'type'\s*:\s*'(?:" + names + rb")'", re.IGNORECASE)

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
        found: list[Part[M]] = []
        other, loose = b"", b""  # the text since the last message, and the same without whole JSON objects
        rest = line
        for _ in range(_MOST):
            start = _OPEN.search(rest)
            if start is None:
                break
            before, rest = rest[: start.start()], rest[start.start() :]
            other, loose = other + before, loose + before
            mended = lines.mend(rest)
            if mended is None and self._begins.match(rest):
                break
            if mended is None:
                other, loose, rest = other + rest[:1], loose + rest[:1], rest[1:]
                continue
            part = self._of_object(mended)
            if part is None:
                other += mended.as_it_came
            else:
                found += (*self._of_text(other, loose), part)
                other = loose = b""
            rest = mended.rest
        found += self._of_text(other + rest, loose + rest)
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
        if upper in self._types and upper != kind:
            # Singer's specification allows any case, and connectors of both protocols use it.
            whole = _ENCODE({**members, "type": upper})
            try:
                return Part(whole, whole, self._decoder.decode(whole), mended.notes)
            except _NOT_READ as error:
                reason = str(error)
        if upper in self._kept:
            return self._unreadable(text, reason, is_record=upper == "RECORD")
        if self._is_record(members):
            missing = f"there is no message type `{kind}`" if kind else "it has no `type`"
            return self._unreadable(text, missing, is_record=True)
        return None

    def _of_text(self, text: bytes, loose: bytes) -> list[Part[M]]:
        """Return the part for text that is not a message; none if it is blank."""
        if not text.strip():
            return []
        reason = self._broken(loose)
        if reason is None and b"\0" in loose and self._broken(loose.replace(b"\0", b"")):
            reason = "it is UTF-16 text, and must be UTF-8"
        if reason is None:
            return [Part(text.strip(), text.strip())]
        kinds = [kind.upper() for kind in self._type.findall(loose)]
        return [self._unreadable(text, reason, is_record=kinds == [b"RECORD"])]

    def _broken(self, text: bytes) -> str | None:
        """Return why a message that must not be lost cannot be read; None if the text is clearly none."""
        start = text.find(b"{")
        if start >= 0 and (self._type.search(text, start) or _CUT_TYPE.search(text, start)):
            return "it is not complete JSON"
        if self._spread.fullmatch(text.strip()):
            return "it is spread over several lines, and must be on one"
        if self._quoted_singly.match(text.strip()):
            return "it is not JSON, because its quotes are single"
        return None

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
