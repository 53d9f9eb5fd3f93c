"""Read BATCH messages of Meltano's SDK: records in files of a folder that both containers share."""

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
"""The bytes of records that are collected before they are passed on."""
_MOST_UNPACKED = 8 << 30
_UNREADABLE = (OSError, EOFError, zlib.error)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_GZIP = b"\x1f\x8b"
_HINT = f"set `batch_config.storage.root` of the tap to `file://{SCRATCH}` and its format to `jsonl`"


def bodies(
    message: BatchMessage, *, translation: TranslateOptions, number: int, notices: Notices, tally: Tally
) -> Iterator[bytes]:
    """Yield the record bodies of a BATCH, byte for byte unless they need a repair. Each file is removed after it.

    `translation.scratch` is this process's path of the shared folder. A row that is not a JSON object is refused, or
    set aside. Raises TranslationError for files in other places, and for unsupported formats.
    """
    stream, encoding = message.stream, message.encoding
    if encoding.format != "jsonl" or encoding.compression not in (None, "none", "gzip"):
        kind = f"{encoding.format}{f', {encoding.compression}' if encoding.compression else ''}"
        what = f"line {number}: a BATCH of stream `{stream}` has files of the unsupported format `{kind}`"
        raise TranslationError(what, hint=_HINT)
    for url in message.manifest:
        parts = parts_of(url)
        if translation.scratch is None or parts is None:
            what = f"line {number}: a BATCH of stream `{stream}` names `{url}`, which is not in the shared folder"
            raise TranslationError(what, hint=_HINT)
        try:
            with opened(translation.scratch, parts) as file:
                for row, line in enumerate(_lines(file.data, translation.max_line), 1):
                    if not line.strip():
                        continue
                    body, notes = _body(line)
                    notices.mended(notes, number=number)
                    if body is None:
                        what = f"line {number}: row {row} of a BATCH file of stream `{stream}` is not a JSON object"
                        notices.bad_record(TranslationError(what), tally=tally, stream=stream, text=line.strip())
                    else:
                        yield body
                file.remove()
        except _UNREADABLE as error:
            what = f"line {number}: a file of a BATCH of stream `{stream}` cannot be read: {error}"
            raise TranslationError(what) from error


def _lines(raw: BinaryIO, max_line: int) -> Iterator[bytes]:
    """Yield lines of a file, also if a tap compressed it without declaring it. Raises OSError for files too large."""
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
    """Return a row unchanged if it is clean, else repaired, with notes; None if it is not an object."""
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
    """Return the number of records in a BATCH's files; 0 for files that are not in the shared folder.

    Return None for a file that is compressed without declaring it, because no target can read it.
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
            return 0  # the target will report it
    return rows
