"""Read a user's options for the streams of a source."""

from pathlib import Path
from typing import Any

import msgspec

from tapdock.project.connector_values import CatalogFile
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.interpolate import Unset
from tapdock.project.keys import STREAM, misplaced, names
from tapdock.project.model import (
    DestinationMode,
    ReplicationMethod,
    Schemaless,
    StreamOptions,
    SyncMode,
    UndeclaredFields,
)
from tapdock.project.secret import Secret

__all__ = ["catalog_file", "stream_options"]

_MODES: dict[ReplicationMethod, SyncMode] = {
    "FULL_TABLE": "full_refresh",
    "INCREMENTAL": "incremental",
    "LOG_BASED": "incremental",
}

_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_DECIDED = {
    "selected": "use `select`",
    "replication-method": "write `replication_method` for the stream",
    "forced-replication-method": "write `replication_method` for the stream",
    "replication-key": "write `cursor_field` for the stream",
    "table-key-properties": "write `primary_key` for the stream",
    "view-key-properties": "write `primary_key` for the stream",
}
"""Metadata that tapdock writes into a catalog, and the option for each."""


def stream_options(field: Field) -> StreamOptions:
    """Return the options of one entry under `streams:`. `replication_method` is Singer's name for `sync_mode`."""
    known = names(STREAM)
    instead = {"selected": "use `select`", "replication_key": "write `cursor_field`"}
    keys = field.keys(known, instead={**misplaced(known), **instead})
    method: ReplicationMethod | None = None
    if "replication_method" in keys:
        method = keys["replication_method"].choice(ReplicationMethod)
        if "sync_mode" in keys:
            raise keys["replication_method"].error("means the same as `sync_mode`", hint="remove one of the two")
    mode: SyncMode | None = keys["sync_mode"].choice(SyncMode) if "sync_mode" in keys else None
    return StreamOptions(
        sync_mode=_MODES[method] if method else mode,
        log_based=method == "LOG_BASED",
        destination_sync_mode=_choice(keys, "destination_sync_mode", DestinationMode),
        cursor_field=keys["cursor_field"].texts() if "cursor_field" in keys else (),
        primary_key=tuple(part.texts() for part in keys["primary_key"].items()) if "primary_key" in keys else (),
        flatten_keys=keys["flatten_keys"].flag() if "flatten_keys" in keys else False,
        schema=_schemas(keys["schema"]) if "schema" in keys else {},
        metadata=_metadata(keys["metadata"]) if "metadata" in keys else {},
        undeclared_fields=_choice(keys, "undeclared_fields", UndeclaredFields),
        schemaless=_choice(keys, "schemaless", Schemaless),
        given=_given(keys),
    )


def _given(keys: dict[str, Field]) -> frozenset[str]:
    """Return the names of the attributes that the user wrote. The two words for the mode are one option."""
    modes = {"sync_mode", "log_based"} if {"sync_mode", "replication_method"} & keys.keys() else set()
    return frozenset(modes | keys.keys() - {"replication_method"})


def _schemas(field: Field) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema keywords of each field. Raises UsageError for one that is not a mapping, or is empty."""
    found = {}
    for name, inner in field.entries().items():
        if not isinstance(inner.value, dict) or not inner.value:
            raise inner.wrong("a mapping with keywords of JSON Schema", hint="for example `balance: {type: number}`")
        found[name] = _plain(inner)
        _require_types(inner)
    return found


def _require_types(field: Field) -> None:
    said = field.value.get("type")
    kinds = said if isinstance(said, list) else [said] if said is not None else []
    if wrong := next((kind for kind in kinds if kind not in _TYPES), None):
        hint = did_you_mean(str(wrong), _TYPES) or f"known: {', '.join(_TYPES)}"
        raise field.child("type").error(f"has `{wrong}`, which is not a type of JSON Schema", hint=hint)


def _metadata(field: Field) -> dict[str, Any]:
    """Return metadata for a Singer catalog. Raises UsageError for what an option of its own decides."""
    entries = field.entries()
    inside = [one for entry in entries.values() if isinstance(entry.value, dict) for one in entry.entries().items()]
    for name, inner in (*entries.items(), *inside):
        if name in _DECIDED:
            raise inner.error("cannot be set by `metadata`", hint=_DECIDED[name])
    return {name: _plain(inner) for name, inner in entries.items()}


def _plain(field: Field) -> Any:
    """Return a value as it is, without secrets. Raises UsageError for a variable."""
    match field.value:
        case Secret() | Unset():
            raise field.error("cannot contain a variable", hint="write the value itself")
        case dict():
            return {name: _plain(field.child(name)) for name in field.value}
        case list():
            return [_plain(item) for item in field.items()]
        case value:
            return value


def _choice(keys: dict[str, Field], name: str, kind: Any) -> Any:
    return keys[name].choice(kind) if name in keys else None


def catalog_file(field: Field, folder: Path) -> CatalogFile:
    """Return a catalog that the user keeps in a file, instead of the tap's own. Raises UsageError."""
    file = folder / Path(field.text()).expanduser()
    try:
        content = file.read_bytes()
        msgspec.json.decode(content, type=dict[str, list[msgspec.Raw]])
    except OSError as error:
        hint = "paths are relative to the project file"
        raise field.error(f"names {file}, which cannot be read: {error.strerror}", hint=hint) from error
    except msgspec.MsgspecError as error:
        hint = 'a catalog is `{"streams": […]}`'
        raise field.error(f"names {file}, which is not a catalog: {error}", hint=hint) from error
    return CatalogFile(file=file, content=content)
