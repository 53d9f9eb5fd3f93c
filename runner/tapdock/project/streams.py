"""Read a user's options for the streams of a source."""

from pathlib import Path
from typing import Any

import msgspec

from tapdock.project.fields import Field
from tapdock.project.keys import STREAM, misplaced, names
from tapdock.project.model import CatalogFile, DestinationMode, ReplicationMethod, StreamOptions, SyncMode

__all__ = ["catalog_file", "stream_options"]

_MODES: dict[ReplicationMethod, SyncMode] = {
    "FULL_TABLE": "full_refresh",
    "INCREMENTAL": "incremental",
    "LOG_BASED": "incremental",
}


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
    )


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
