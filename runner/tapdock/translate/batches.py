"""BATCH messages of Meltano's SDK: records in files of a folder that both containers share."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tapdock.errors import TranslationError
from tapdock.launch import SCRATCH
from tapdock.protocol.singer import BatchMessage

__all__ = ["bodies", "is_plain"]

_GZIP = b"\x1f\x8b"
_HINT = f"let the tap write them below `file://{SCRATCH}` (`batch_config.storage.root`), as `jsonl`"


def bodies(message: BatchMessage, *, scratch: str | None, number: int) -> Iterator[bytes]:
    """The record bodies of a BATCH, byte for byte; each file is removed once it was read.

    `scratch` is the shared folder as we have it. Raises TranslationError for files that are elsewhere, or of a kind
    that cannot be read here.
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
            with path.open("rb") as raw:
                # Some taps compress without saying so.
                file = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
                for line in file:
                    if body := line.strip():
                        yield body
            path.unlink()
        except (OSError, EOFError) as error:
            what = f"line {number}: a file of a BATCH of stream `{stream}` cannot be read: {error}"
            raise TranslationError(what) from error


def is_plain(message: BatchMessage, *, scratch: str | None) -> bool:
    """Whether its files are as it says: what is compressed without saying so, no target can read."""
    if message.encoding.compression:
        return True
    paths = [_located(url, scratch) for url in message.manifest]
    try:
        return not any(path and _is_gzip(path) for path in paths)
    except OSError:
        return True  # the target will say so


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


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
