"""The files of a spool: what a source has printed, in parts, so that it can be run into targets later.

A spool is a folder of batches, `00001`, `00002` and so on. Each batch is one reading of the source: compressed parts
with its messages, and `manifest.json`, which is written last. A folder without it was not finished.
"""

import gzip
import hashlib
import os
import re
import shlex
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from tapdock.errors import EngineError, UsageError
from tapdock.files import made, write_whole
from tapdock.project.model import Kind
from tapdock.protocol.catalog import ConfiguredStream, Stream

__all__ = ["FORMAT", "MAPPED", "Batch", "BatchWriter", "Manifest", "Part", "read_spool", "same_state"]

FORMAT = 1
MAPPED = 2
"""The format of files to which maps were applied: an older tapdock would apply them again."""
_MANIFEST = "manifest.json"
_NAME = re.compile(r"\d{5}")
_LONGEST_PART = 64 << 20  # bytes before they are compressed
_PIECE = 1 << 20
_STATE = msgspec.json.Decoder(float_hook=Decimal)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a batch: its name, its size in bytes, and the SHA-256 of its content."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is. `start` is the state from which the source was read, `end` the state after all records.

    `maps` is a digest of the maps that were applied, and `mapped` are the streams that they have made of `streams`.
    """

    format: int = FORMAT
    tapdock: str
    source: str
    kind: Kind
    read_at: str
    offered: tuple[Stream, ...]
    streams: tuple[ConfiguredStream, ...]
    records: dict[str, int]
    parts: tuple[Part, ...]
    start: str | None = None
    end: str | None = None
    maps: str | None = None
    mapped: tuple[ConfiguredStream, ...] = ()


class _Format(msgspec.Struct):
    format: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    folder: Path
    manifest: Manifest

    def pieces(self) -> Iterator[bytes]:
        """Yield the messages in pieces of any size. Raises EngineError for a file that cannot be read."""
        for part in self.manifest.parts:
            path = self.folder / part.name
            try:
                with path.open("rb") as raw, gzip.open(cast("BinaryIO", hashed := _Hashed(raw))) as file:
                    while piece := file.read(_PIECE):
                        yield piece
            except (OSError, EOFError, zlib.error) as error:
                raise EngineError(f"{path} cannot be read: {error}") from error
            if hashed.digest.hexdigest() != part.sha256:
                raise EngineError(
                    f"{path} has changed since the run began", hint="read the source again into a new folder"
                )


class _Hashed:
    """A file whose content is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def read_spool(folder: Path) -> tuple[Batch, ...]:
    """Return the batches of a spool in order, after a look at every file. Raises UsageError for a damaged spool."""
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        hint = f"`tapdock run SOURCE --to {shlex.quote(str(folder))}` writes a spool"
        raise UsageError(f"the spool {folder} cannot be read: {error.strerror}", hint=hint) from error
    if odd := [name for name in names if not _NAME.fullmatch(name)]:
        raise UsageError(f"{folder} is not a spool: it contains `{odd[0]}`", hint="name another folder")
    batches = tuple(_batch(folder / name) for name in names)
    for number, (name, batch) in enumerate(zip(names, batches, strict=True), start=1):
        before = batches[number - 2].manifest.end if number > 1 else batch.manifest.start
        if int(name) != number or not same_state(before, batch.manifest.start):
            hint = "put the missing folders back, or read the source again into a new folder"
            raise UsageError(
                f"the spool {folder} is not complete: {name} does not follow on the batch before it", hint=hint
            )
    return batches


def _batch(folder: Path) -> Batch:
    """Return a batch whose files are as they were written."""
    again = "read the source again into a new folder"
    try:
        text = (folder / _MANIFEST).read_bytes()
    except FileNotFoundError as error:
        hint = f"if no `tapdock run --to` writes to it, `rm -r {shlex.quote(str(folder))}` removes it"
        raise UsageError(f"{folder} was not finished: it has no {_MANIFEST}", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{folder / _MANIFEST} cannot be read: {error.strerror}") from error
    try:
        found = msgspec.json.decode(text, type=_Format).format
        if found not in (FORMAT, MAPPED):
            what = f"{folder} has the format {found} of a spool, but this tapdock reads formats {FORMAT} and {MAPPED}"
            raise UsageError(what, hint=f"use the tapdock that wrote it, or {again}")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"{folder / _MANIFEST} is damaged: {error}", hint=again) from error
    for part in manifest.parts:
        path = folder / part.name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", hint=again) from error
        if digest != part.sha256:
            raise UsageError(f"{path} has changed since it was written", hint=again)
    return Batch(folder=folder, manifest=manifest)


def same_state(one: str | None, other: str | None) -> bool:
    """Return True for two equal states. How their JSON is written does not matter."""
    return _value(one) == _value(other)


def _value(state: str | None) -> object:
    return _STATE.decode(state) if state else None


class BatchWriter:
    """Writes a new batch. A context manager: without `finish`, nothing of the batch is left."""

    def __init__(self, spool: Path, number: int) -> None:
        self.folder = spool / f"{number:05}"
        self._parts: list[Part] = []
        self._file: _PartFile | None = None
        self._finished = False

    def __enter__(self) -> "BatchWriter":
        try:
            made(self.folder.parent)
            self.folder.mkdir(mode=0o700)
        except FileExistsError as error:
            raise UsageError(f"{error.filename} exists", hint="another `tapdock run --to` may be writing") from error
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be created: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        if not self._finished:
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises EngineError if they cannot be written."""
        if not lines:
            return
        try:
            self._file = self._file or _PartFile(self.folder / f"part-{len(self._parts) + 1:05}.jsonl.gz")
            self._file.write(lines)
            if self._file.written > _LONGEST_PART:
                self._end_part()
        except OSError as error:
            raise self._failed(error) from error

    def finish(self, manifest: Manifest) -> Manifest:
        """Write the manifest with the parts, after all of them are on the disk. Raises EngineError."""
        try:
            self._end_part()
            whole = msgspec.structs.replace(manifest, parts=tuple(self._parts))
            write_whole(self.folder / _MANIFEST, msgspec.json.encode(whole) + b"\n", alone=True)
        except OSError as error:
            raise self._failed(error) from error
        self._finished = True
        return whole

    def _end_part(self) -> None:
        if self._file:
            self._parts.append(self._file.finish())
            self._file = None

    def _failed(self, error: OSError) -> EngineError:
        return EngineError(f"{self.folder} cannot be written: {error.strerror}", hint="free space on its disk")


class _PartFile:
    """A compressed file. `written` counts the bytes before they are compressed."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self._path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._raw = os.fdopen(descriptor, "w+b")
        self._gzip = gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", compresslevel=1, mtime=0)

    def write(self, lines: bytes) -> None:
        self._gzip.write(lines)
        self.written += len(lines)

    def finish(self) -> Part:
        self._gzip.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        size = self._raw.tell()
        self._raw.seek(0)
        digest = hashlib.file_digest(self._raw, "sha256").hexdigest()
        self._raw.close()
        return Part(name=self._path.name, size=size, sha256=digest)

    def close(self) -> None:
        with suppress(OSError):
            self._raw.close()
