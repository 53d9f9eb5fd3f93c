"""Explain for each stream and field of a source whether a run reads it, and why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tapdock.connectors.choice import Choice
from tapdock.connectors.matching import Offered
from tapdock.connectors.selection import choices_of, select_streams
from tapdock.project.model import Connector
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.protocol.patterns import Path
from tapdock.translate.catalogs.singer import tap_stream_id, unsupported_fields

__all__ = ["ExplainedField", "ExplainedStream", "explained"]


class ExplainedField(msgspec.Struct, frozen=True, kw_only=True):
    """A declared field. `types` are its JSON types without null; `reason` says why it is read or not."""

    path: Path
    types: tuple[str, ...]
    is_read: bool
    reason: str


class ExplainedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with its fields. The key and the cursor are those of the source if the stream is not read."""

    stream: Stream
    tap_stream_id: str | None
    is_read: bool
    reason: str
    sync_mode: str | None
    key: tuple[Path, ...]
    cursor: Path
    fields: tuple[ExplainedField, ...]


def explained(
    streams: Sequence[Stream],
    connector: Connector,
    *,
    origin: Callable[[str], str | None],
    singer: bool,
    warn: Callable[[str], None],
) -> tuple[ExplainedStream, ...]:
    """Return what a run reads. `origin` returns where a pattern of the project was written.

    Raises UsageError if the project's selection does not fit the streams.
    """
    read = {one.stream.key: one for one in select_streams(streams, connector.select, connector.streams, warn=warn)}
    offered = Offered(streams)
    (choice,) = choices_of(offered, connector.select, warn=lambda _: None)
    return tuple(
        _stream(offered, stream, read.get(stream.key), _Reasons(choice, origin), singer=singer) for stream in streams
    )


class _Reasons:
    def __init__(self, choice: Choice, origin: Callable[[str], str | None]) -> None:
        self.choice = choice
        self._origin = origin

    def excluded(self, stream: Stream, path: Path) -> str | None:
        pattern = self.choice.excluding(stream.key, path)
        if pattern is None:
            return None
        place = self._origin(f"!{pattern}")
        return f"excluded by `!{pattern}`" + (f" ({place})" if place else "")


def _stream(
    offered: Offered, stream: Stream, read: ConfiguredStream | None, reasons: _Reasons, *, singer: bool
) -> ExplainedStream:
    unsupported = frozenset(unsupported_fields(stream) if singer else ())
    not_read = None if read else reasons.excluded(stream, ()) or "not selected"
    fields = (
        ExplainedField(path=path, types=tuple(_types(schema)), is_read=is_read, reason=reason)
        for path, schema in offered.fields[stream.key].items()
        for is_read, reason in [_reason(stream, path, read, reasons, unsupported)]
    )
    return ExplainedStream(
        stream=stream,
        tap_stream_id=tap_stream_id(stream),
        is_read=read is not None,
        reason=not_read or "selected",
        sync_mode=read.sync_mode if read else None,
        key=read.primary_key if read else stream.source_defined_primary_key,
        cursor=read.cursor_field if read else stream.default_cursor_field,
        fields=tuple(fields),
    )


def _reason(
    stream: Stream, path: Path, read: ConfiguredStream | None, reasons: _Reasons, unsupported: frozenset[str]
) -> tuple[bool, str]:
    """Return whether a field is read, and why."""
    if excluded := reasons.excluded(stream, path):
        return False, excluded
    if read is None:
        return False, "not selected"
    for role, paths in (("key", read.primary_key), ("cursor", (read.cursor_field,))):
        if any(found and found[: len(path)] == path for found in paths):
            return True, f"automatic: {role}"
    if path[0] in unsupported:
        return False, "unsupported"
    exclusion = read.exclusion
    if any(exclusion.verdict(path[:end]) == "remove" for end in range(1, len(path) + 1)):
        return False, "not selected"
    return True, "selected"


def _types(schema: Any) -> Iterator[str]:
    """Yield the types of a field without null; those of its alternatives if it has none itself."""
    if not isinstance(schema, Mapping):
        return
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind] if kind else []
    for name in ("anyOf", "oneOf") if not kinds else ():
        branches = schema.get(name)
        kinds += [found for branch in (branches if isinstance(branches, list) else ()) for found in _types(branch)]
    yield from dict.fromkeys(str(each) for each in kinds if each != "null")
