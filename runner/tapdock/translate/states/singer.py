"""Read a saved Singer state: what a tap or a target gets of it, and what its bookmarks show (protocol.md 2.4, 3.5)."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UnreadableState
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.translate.catalogs.singer import emitted_names

__all__ = [
    "bookmarked_versions",
    "lacks_bookmark",
    "singer_state_on_a_line",
    "singer_state_to_pass",
    "without_skipped",
]

_Members = dict[str, Raw]


def singer_state_on_a_line(saved: str | None) -> str | None:
    """Return a saved state as a line of a Singer target can contain it; None if it is empty. Raises StateError.

    A state that a user has edited may have line breaks, and null in place of an object. Other states are unchanged.
    """
    members = _read(saved or "null")
    nulls = bytes(members.get("bookmarks", b"")) == b"null"
    if saved and members and not nulls and "\n" not in saved and "\r" not in saved:
        return saved
    kept = {name: member for name, member in members.items() if name != "bookmarks" or not nulls}
    return msgspec.json.format(msgspec.json.encode(kept), indent=-1).decode() if kept else None


def _read(saved: str | Raw) -> _Members:
    """Return the members of a saved state, or of its bookmarks. Raises StateError."""
    try:
        return msgspec.json.decode(saved, type=_Members | None) or {}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableState(f"the saved state is not a Singer state: {error}") from error


def singer_state_to_pass(saved: str | None, renewed: Collection[Stream]) -> str | None:
    """Return the text for `--state`: the saved text without bookmarks of streams that are read from their beginning.

    Otherwise a tap with a bookmark in a half-read table would send only the rest (protocol.md 3.5). Raises StateError.
    """
    if not saved or not renewed:
        return saved
    members = _read(saved)
    if bytes(members.get("bookmarks", b"null")) == b"null":
        return None  # it does not show which part belongs to which stream
    members.pop("currently_syncing", None)
    gone = {name for stream in renewed for name in emitted_names(stream)}
    kept = {name: bookmark for name, bookmark in _read(members["bookmarks"]).items() if name not in gone}
    return msgspec.json.encode({**members, "bookmarks": kept}).decode()


def without_skipped(value: Raw, saved: str | None, skipped: Collection[str], known: Collection[str]) -> Raw:
    """Return a state in which the bookmarks of skipped streams are those of the saved state, or missing.

    Otherwise the skipped records would never be read. `known` are the names of the streams that are read. A bookmark
    has the name of its stream in messages, or a longer id that ends with it. Raises MsgspecError.
    """
    if not skipped or not bytes(value).startswith(b"{"):
        return value
    members = msgspec.json.decode(value, type=_Members)
    ends = tuple(f"{mark}{name}" for name in skipped for mark in "-.")
    nested = bytes(members.get("bookmarks", b"")).startswith(b"{")
    bookmarks = _read(members["bookmarks"]) if nested else members
    gone = [name for name in bookmarks if name not in known and (name in skipped or name.endswith(ends))]
    if not gone:
        return value
    before = _read(saved or "null")
    before = _read(before.get("bookmarks", Raw(b"null"))) if nested else before
    kept = {name: bookmark for name, bookmark in bookmarks.items() if name not in gone}
    kept |= {name: before[name] for name in gone if name in before}
    return Raw(msgspec.json.encode({**members, "bookmarks": kept} if nested else kept))


def lacks_bookmark(saved: str | None, streams: Iterable[ConfiguredStream]) -> bool:
    """Return True if an incremental stream starts without a saved replication key value."""
    begun = {name for name, bookmark in _bookmarks(saved).items() if bookmark.get("replication_key_value") is not None}
    return any(
        one.sync_mode == "incremental" and not one.log_based and not begun & set(emitted_names(one.stream))
        for one in streams
    )


def bookmarked_versions(saved: str | None, streams: Iterable[ConfiguredStream]) -> dict[StreamKey, int]:
    """Return the version of each stream's snapshot in the saved state, if the tap keeps it there."""
    found: dict[StreamKey, int] = {}
    bookmarks = _bookmarks(saved)
    for one in streams:
        for name in emitted_names(one.stream):
            version = bookmarks.get(name, {}).get("version")
            if isinstance(version, int):
                found[one.stream.key] = version
    return found


def _bookmarks(saved: str | None) -> dict[str, dict[str, Any]]:
    """Return the bookmarks that are objects; none if the state has another form."""
    try:
        members = msgspec.json.decode(saved or "{}", type=_Members)
        bookmarks = msgspec.json.decode(members.get("bookmarks", Raw(b"{}")), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return {name: bookmark for name, bookmark in bookmarks.items() if isinstance(bookmark, dict)}
