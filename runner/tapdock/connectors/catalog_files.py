"""Committed catalogs: `catalogs/NAME.json` beside the project file, in a form that is easy to review in git."""

from pathlib import Path

import msgspec
from msgspec import Raw

from tapdock.errors import SourceError, UsageError
from tapdock.files import write_whole

__all__ = ["FOLDER", "content", "file_of", "pretty", "unusable", "write"]

FOLDER = "catalogs"


def file_of(project: Path, source: str) -> Path:
    """Return the path of a source's committed catalog. `project` is the folder of the project file."""
    return project / FOLDER / f"{source}.json"


def content(project: Path, source: str) -> bytes:
    """Return the committed catalog. Raises UsageError if it is missing or cannot be read."""
    try:
        return file_of(project, source).read_bytes()
    except FileNotFoundError:
        shown = f"{FOLDER}/{source}.json"
        raise UsageError(
            f"source `{source}` has no committed catalog: {shown} does not exist",
            hint=f"`tapdock catalog commit {source}` writes it from what the source offers now",
        ) from None
    except OSError as error:
        raise unusable(project, source, error.strerror or "unknown error") from error


def unusable(project: Path, source: str, reason: str) -> UsageError:
    return UsageError(
        f"{file_of(project, source)} cannot be used: {reason}",
        hint=f"`tapdock catalog commit {source}` replaces it with what the source offers now",
    )


def write(project: Path, source: str, catalog: bytes) -> bool:
    """Write a committed catalog. Return False if the file already has this content. Raises UsageError, SourceError."""
    file, new = file_of(project, source), pretty(catalog)
    try:
        if file.is_file() and file.read_bytes() == new:
            return False
        file.parent.mkdir(exist_ok=True)
        write_whole(file, new, mode=0o644)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="check its permissions") from error
    return True


def pretty(catalog: bytes) -> bytes:
    """Return a catalog as indented JSON whose order does not depend on the source's. Raises SourceError.

    Streams, the metadata of a tap's fields and the members of all objects are sorted. Numbers keep every digit.
    """
    try:
        streams = msgspec.json.decode(catalog, type=dict[str, Raw])
        ordered = _ordered(Raw(msgspec.json.encode(streams)), listed=("streams", "metadata"))
        return msgspec.json.format(bytes(ordered), indent=2) + b"\n"
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SourceError(f"the source's catalog cannot be written: {error}") from error


def _ordered(value: Raw, *, listed: tuple[str, ...], name: str = "") -> Raw:
    """Return JSON with sorted objects. The members of lists with a name in `listed` are sorted too."""
    text = bytes(value)
    if text[:1] == b"{":
        members = msgspec.json.decode(text, type=dict[str, Raw])
        return Raw(
            msgspec.json.encode({key: _ordered(members[key], listed=listed, name=key) for key in sorted(members)})
        )
    if text[:1] == b"[":
        items = [bytes(_ordered(item, listed=listed)) for item in msgspec.json.decode(text, type=list[Raw])]
        if name in listed:
            items.sort(key=_place)
        return Raw(msgspec.json.encode([Raw(item) for item in items]))
    return value


def _place(item: bytes) -> tuple[list[str], bytes]:
    """Return the place of a stream, or of the metadata of a field, in its list."""
    try:
        found = msgspec.json.decode(item, type=_Named)
    except msgspec.MsgspecError:
        return [], item
    names = [found.namespace or "", found.tap_stream_id or found.stream or found.name or ""]
    return ([*names, *found.breadcrumb], item)


class _Named(msgspec.Struct):
    """What identifies an item of a list in a catalog: of an Airbyte source, of a tap, or of a tap's metadata."""

    namespace: str | None = None
    name: str | None = None
    stream: str | None = None
    tap_stream_id: str | None = None
    breadcrumb: list[str] = []
