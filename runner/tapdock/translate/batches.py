"""BATCH messages of Meltano's SDK: records in files of a folder that both containers share."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.launch import SCRATCH
from tapdock.protocol.lines import is_clean_text, mend
from tapdock.protocol.singer import BatchMessage
from tapdock.translate.tally import Tally
from tapdock.translate.voice import Voice

__all__ = ["bodies", "rows_of"]

_UNREADABLE = (OSError, EOFError, zlib.error)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_GZIP = b"\x1f\x8b"
_HINT = f"let the tap write them below `file://{SCRATCH}` (`batch_config.storage.root`), as `jsonl`"


def bodies(message: BatchMessage, *, scratch: str | None, number: int, voice: Voice, tally: Tally) -> Iterator[bytes]:
    """The record bodies of a BATCH, byte for byte unless they need mending; each file is removed once it was read.

    `scratch` is the shared folder as we have it. Raises TranslationError for files that are elsewhere, or of a kind
    that cannot be read here; a row that is no JSON object is refused, or set aside.
    """
    stream, encoding = message.stream, message.encoding
    if encoding.format != "jsonl" or encoding.compression not in (None, "none", "gzip"):
        kind = f"{encoding.format}{f', {encoding.compression}' if encoding.compression else ''}"
        raise TranslationError(f"line {number}: a BATCH of stream `{stream}` has files of a kind `{kind}`", hint=_HINT)
    for url in message.manifest:
        path = _located(url, scratch)
        if path is None:
            raise TranslationError(f"line {number}: a BATCH of stream `{stream}` names `{url}`", hint=_HINT)
        try:
            for row, line in enumerate(_lines(path), 1):
                if not line.strip():
                    continue
                body, notes = _body(line)
                voice.mended(notes, number=number)
                if body is None:
                    what = f"line {number}: row {row} of a file of a BATCH of stream `{stream}` is no JSON object"
                    voice.bad_record(TranslationError(what), tally=tally, stream=stream, text=line.strip())
                else:
                    yield body
            path.unlink()
        except _UNREADABLE as error:
            what = f"line {number}: a file of a BATCH of stream `{stream}` cannot be read: {error}"
            raise TranslationError(what) from error


def _lines(path: Path) -> Iterator[bytes]:
    """Some taps compress without saying so."""
    with path.open("rb") as raw:
        yield from gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw


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


def rows_of(message: BatchMessage, *, scratch: str | None) -> int | None:
    """How many records a target will find in its files; None where they are not as it says.

    What is compressed without saying so, no target can read; of files that are elsewhere nothing is known (0).
    """
    rows = 0
    for path in (_located(url, scratch) for url in message.manifest):
        if path is None or message.encoding.format != "jsonl":
            continue
        try:
            with path.open("rb") as raw:
                packed = raw.peek(2)[:2] == _GZIP
                if packed and not message.encoding.compression:
                    return None
                rows += sum(1 for line in (gzip.GzipFile(fileobj=raw) if packed else raw) if line.strip())
        except _UNREADABLE:
            return 0  # the target will say so
    return rows


def _located(url: str, scratch: str | None) -> Path | None:
    """A file of the shared folder, as we have it; None for one that is anywhere else."""
    parts = urlsplit(url)
    if scratch is None or parts.scheme not in ("", "file"):
        return None
    path = Path(unquote(parts.path))
    if not path.is_relative_to(SCRATCH):
        return None
    here = Path(scratch).resolve()
    found = (here / path.relative_to(SCRATCH)).resolve()
    return found if found.is_relative_to(here) else None
