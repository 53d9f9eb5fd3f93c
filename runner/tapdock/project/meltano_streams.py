"""Convert what Meltano's `metadata` and `schema` say about streams into options of streams."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from tapdock.project.meltano_files import Notes
from tapdock.project.meltano_references import referred
from tapdock.project.model import ReplicationMethod

__all__ = ["streams_of"]

_MAPPINGS = ("metadata", "schema")
_OURS = {"replication-key": "cursor_field", "table-key-properties": "primary_key", "view-key-properties": "primary_key"}
_METHODS = ReplicationMethod.__args__  # type: ignore[attr-defined] # a Literal


def streams_of(name: str, extras: Mapping[str, Any], notes: Notes, *path: str | int) -> dict[str, Any]:
    """Return the options of streams from `metadata` and `schema`, whose keys are `metadata.<stream>.<field>.<key>`.

    For Meltano, the last key that matches a stream counts, also if it is a glob. Here, a name goes before a glob, so
    a later glob also changes the options of the names that it matches.
    """
    found: dict[str, Any] = {}
    for key, value in extras.items():
        kind, _, rest = key.partition(".")
        if kind not in _MAPPINGS or "." not in rest:
            continue
        stream, *fields, last = rest.split(".")
        if last == "selected" and (kind == "metadata" or not fields):
            if value is not False:
                notes.add(f"`metadata` of {name} (`{rest}`): select it with `select`", *path, kind)
        elif any(referred(value)) and not (kind == "schema" and fields):
            notes.add(f"`{kind}` of {name} (`{rest}`), which has a variable: write the value itself", *path, kind)
        elif (option := _option(kind, fields, last, value)) is None:
            notes.add(f"`metadata` of {name} (`{rest}`)", *path, kind)
        else:
            place, ours = option
            for other, options in found.items():
                if fnmatchcase(other, stream) and _has(options, place):
                    _put(options, place, ours)
            _put(found.setdefault(stream, {}), place, ours)
    return found


def _option(kind: str, fields: list[str], last: str, value: Any) -> tuple[tuple[str, ...], Any] | None:
    """Return where a value is in the options of a stream, and the value there; None if it cannot be carried over."""
    if kind == "schema" and fields:
        return ("schema", *fields, last), value
    if not fields and last in _OURS:
        return (_OURS[last],), [value] if isinstance(value, str) else value
    if not fields and last in ("replication-method", "forced-replication-method"):
        method = str(value).upper()
        return (("replication_method",), method) if method in _METHODS else None
    parts = ".".join(part for part in fields if part != "properties")
    return ("metadata", *((parts,) if parts else ()), last), value


def _has(options: Any, place: tuple[str, ...]) -> bool:
    for part in place:
        if not isinstance(options, dict) or part not in options:
            return False
        options = options[part]
    return True


def _put(options: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    *folders, last = place
    for folder in folders:
        options = options.setdefault(folder, {})
    options[last] = value
