"""BATCH messages of Meltano's SDK: records in files of a folder that both containers share."""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.launch import SCRATCH
from tapdock.protocol.lines import is_clean_text, mend
from tapdock.protocol.singer import BatchMessage
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.read.scratch import opened, parts_of
from tapdock.translate.tally import Tally

__all__ = ["PIECE", "bodies", "rows_of"]

PIECE = 1 << 20
"""How many bytes of records are gathered before they are passed on."""
_MOST_UNPACKED = 8 << 30
_UNREADABLE = (OSError, EOFError, zlib.error)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_GZIP = b"\x1f\x8b"
_HINT = f"let the tap write them below `file://{SCRATCH}` (`batch_config.storage.root`), as `jsonl`"


def bodies(
    message: BatchMessage, *, translation: TranslateOptions, number: int, notices: Notices, tally: Tally
) -> Iterator[bytes]:
    """The record bodies of a BATCH, byte for byte unless they need mending; each file is removed once it was read.

    `translation.scratch` is the shared folder as this process has it. A row that is not a JSON object is refused, or
    set aside. Raises TranslationError for files that are elsewhere and for kinds of files that cannot be read here.
    """
    stream, encoding = message.stream, message.encoding
    if encoding.format != "jsonl" or encoding.compression not in (None, "none", "gzip"):
        kind = f"{encoding.format}{f', {encoding.compression}' if encoding.compression else ''}"
        raise TranslationError(f"line {number}: a BATCH of stream `{stream}` has files of a kind `{kind}`", hint=_HINT)
    for url in message.manifest:
        parts = parts_of(url)
        if translation.scratch is None or parts is None:
            raise TranslationError(f"line {number}: a BATCH of stream `{stream}` names `{url}`", hint=_HINT)
        try:
            with opened(translation.scratch, parts) as file:
                for row, line in enumerate(_lines(file.data, translation.max_line), 1):
                    if not line.strip():
                        continue
                    body, notes = _body(line)
                    notices.mended(notes, number=number)
                    if body is None:
                        what = f"line {number}: row {row} of a file of a BATCH of stream `{stream}` is no JSON object"
                        notices.bad_record(TranslationError(what), tally=tally, stream=stream, text=line.strip())
                    else:
                        yield body
                file.remove()
        except _UNREADABLE as error:
            what = f"line {number}: a file of a BATCH of stream `{stream}` cannot be read: {error}"
            raise TranslationError(what) from error


def _lines(raw: BinaryIO, max_line: int) -> Iterator[bytes]:
    """Some taps compress without saying so. Raises OSError for more than memory or time should be spent on."""
    packed = _is_packed(raw)
    file = gzip.GzipFile(fileobj=raw) if packed else raw
    size = 0
    while line := file.readline(max_line + 1):
        size += len(line)
        if len(line) > max_line:
            raise OSError(f"a row is longer than the limit of {max_line / (1 << 20):g} MiB")
        if packed and size > _MOST_UNPACKED:
            raise OSError(f"it unpacks to more than {_MOST_UNPACKED >> 30} GiB")
        yield line


def _is_packed(raw: BinaryIO) -> bool:
    begins = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    return begins


def _body(line: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """A row as it is where it is clean, else mended; None for what is no object."""
    text = line.strip()
    try:
        if is_clean_text(text):
            _OBJECT.decode(text)
            return text, ()
    except (msgspec.MsgspecError, RecursionError):
        pass
    mended = mend(text)
    return (None, ()) if mended is None or mended.rest else (mended.text, mended.notes)


def rows_of(message: BatchMessage, *, translation: TranslateOptions) -> int | None:
    """How many records a target will find in its files; None where they are not as it says.

    What is compressed without saying so, no target can read; of files that are elsewhere nothing is known (0).
    """
    rows = 0
    for parts in map(parts_of, message.manifest):
        if translation.scratch is None or parts is None or message.encoding.format != "jsonl":
            continue
        try:
            with opened(translation.scratch, parts) as file:
                if _is_packed(file.data) and not message.encoding.compression:
                    return None
                rows += sum(1 for line in _lines(file.data, translation.max_line) if line.strip())
        except _UNREADABLE:
            return 0  # the target will say so
    return rows
