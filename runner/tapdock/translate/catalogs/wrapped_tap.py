"""Write an Airbyte source's streams as a Singer catalog, and read a runner's selection in it (protocol.md 2.2, 3.2)."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UsageError
from tapdock.project.model import SyncMode
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured, parse_catalog
from tapdock.protocol.fields import field_path
from tapdock.translate.names import singer_names
from tapdock.translate.schemas.to_singer import singer_schema

__all__ = ["selected_streams", "singer_catalog"]

_STREAM = "airbyte-stream"
"""Metadata of tapdock: the source's own stream object, so that a sync does not need another discovery."""


class _Metadata(msgspec.Struct):
    metadata: dict[str, Any]
    breadcrumb: tuple[str, ...] = ()


class _Entry(msgspec.Struct):
    tap_stream_id: str
    metadata: list[_Metadata] = []


class _Catalog(msgspec.Struct):
    streams: list[_Entry]


def singer_catalog(streams: Iterable[Stream]) -> dict[str, Any]:
    """Return the catalog for `--discover`: everything is selected, keys and cursors are automatic.

    Raises UsageError if names collide, or a stream declares no fields.
    """
    streams = tuple(streams)
    names = singer_names((stream.key for stream in streams), own_tables=False)
    return {"streams": [_entry(stream, names[stream.key]) for stream in streams]}


def _entry(stream: Stream, name: str) -> dict[str, Any]:
    schema = singer_schema(stream).schema
    key = [path[0] for path in stream.source_defined_primary_key if len(path) == 1]
    cursor = stream.default_cursor_field[:1] if len(stream.default_cursor_field) == 1 else ()
    increments = "incremental" in stream.supported_sync_modes
    method = "INCREMENTAL" if increments and (stream.source_defined_cursor or cursor) else "FULL_TABLE"
    root: dict[str, Any] = {
        "inclusion": "available",
        "selected-by-default": True,
        "table-key-properties": key,
        "replication-method": method,
        _STREAM: Raw(stream.raw.encode()),
    }
    root |= {"valid-replication-keys": list(cursor)} if cursor and increments else {}
    root |= {"schema-name": stream.namespace} if stream.namespace else {}
    fields = [
        {
            "breadcrumb": ["properties", field],
            "metadata": {"inclusion": "automatic" if field in (*key, *cursor) else "available"},
        }
        for field in schema["properties"]
    ]
    return {
        "tap_stream_id": name,
        "stream": name,
        "schema": schema,
        "key_properties": key,
        "replication_method": method,
        **({"replication_key": cursor[0]} if cursor and method == "INCREMENTAL" else {}),
        "metadata": [{"breadcrumb": [], "metadata": root}, *fields],
    }


def selected_streams(catalog: bytes) -> tuple[ConfiguredStream, ...]:
    """Return the streams that a catalog file selects; a stream without a selection is selected. Raises UsageError."""
    try:
        entries = msgspec.json.decode(catalog, type=_Catalog).streams
    except msgspec.MsgspecError as error:
        raise UsageError(f"the catalog cannot be read: {error}", hint="create one with `--discover`") from error
    selected = tuple(stream for entry in entries if (stream := _configured(entry)))
    if not selected:
        raise UsageError("the catalog selects no stream", hint="set `selected: true` in the metadata of one")
    return selected


def _configured(entry: _Entry) -> ConfiguredStream | None:
    known = {each.breadcrumb: each.metadata for each in entry.metadata}
    root = known.get((), {})
    if not _is_selected(root):
        return None
    if _STREAM not in root:
        raise UsageError(
            f"the catalog's stream `{entry.tap_stream_id}` is not from this tap", hint="create one with `--discover`"
        )
    (stream,) = parse_catalog(msgspec.json.encode({"streams": [root[_STREAM]]}))
    mode = _sync_mode(stream, root)
    cursor = (str(root["replication-key"]),) if root.get("replication-key") else stream.default_cursor_field
    left = [field_path(path) for path, said in known.items() if path and not _is_selected(said)]
    return configured(
        stream,
        mode,
        cursor=cursor,
        key=stream.source_defined_primary_key,
        excluded=[path[0] for path in left if len(path) == 1],
        nested=[path for path in left if len(path) > 1],
    )


def _is_selected(metadata: Mapping[str, Any]) -> bool:
    if metadata.get("inclusion") == "automatic":
        return True
    said = metadata.get("selected", metadata.get("selected-by-default"))
    return metadata.get("inclusion") != "unsupported" and (said is None or bool(said))


def _sync_mode(stream: Stream, root: Mapping[str, Any]) -> SyncMode:
    """Return the runner's sync mode if the source supports it, else one that the source supports."""
    method = root.get("forced-replication-method") or root.get("replication-method")
    can = stream.supported_sync_modes
    if method == "FULL_TABLE" and "full_refresh" in can:
        return "full_refresh"
    if method in ("INCREMENTAL", "LOG_BASED") and "incremental" in can:
        return "incremental"
    return "incremental" if "incremental" in can and "full_refresh" not in can else "full_refresh"
