"""Constant columns that each record of a run gets: those of a row of a matrix."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.patterns import Path
from tapdock.translate.maps.settings import Entry, MapSettings

__all__ = ["with_columns"]


def with_columns(
    entry: Entry, stream: StreamKey, settings: MapSettings, schema: Mapping[str, Any], key: tuple[Path, ...]
) -> Entry:
    """Return the entry of a stream with the columns. Its key gets `settings.key_columns`, if it has one.

    Without them, rows of two tenants with one id would replace each other in a table of both. Raises UsageError for a
    column that the stream has already: its own values would be lost.
    """
    columns = settings.columns
    if not columns:
        return entry
    declared = schema.get("properties") or {}
    for name in columns:
        if name in declared or name in entry.fields:
            raise UsageError(
                f"the stream `{stream}` already has a field `{name}`, which is also a column of the matrix",
                hint="give the column under `matrix.columns` another name",
            )
    keys = entry.keys
    if keys is None and all(len(path) == 1 for path in key):
        keys = tuple(path[0] for path in key)
    if keys and not declared:
        raise UsageError(
            f"the stream `{stream}` declares no fields, so `matrix.columns` cannot be a part of its key",
            hint="set `schemaless: infer` for the pipeline: it finds the fields in the first records",
        )
    if keys:
        keys = (*(name for name in settings.key_columns if name not in keys), *keys)
    values = {name: repr(str(value) if isinstance(value, str) else value) for name, value in columns.items()}
    return msgspec.structs.replace(entry, keys=keys if keys else entry.keys, fields={**entry.fields, **values})
