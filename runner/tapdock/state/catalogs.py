"""The catalog of the last successful run, beside the state of its pipeline: what the next run compares with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tapdock.errors import StateError
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import key_of, source_of
from tapdock.protocol.catalog import StreamKey
from tapdock.state.backends.base import Backend

__all__ = [
    "PREFIX",
    "Found",
    "KeptCatalog",
    "SeenStream",
    "Written",
    "copy",
    "find",
    "keep",
    "latest",
    "move",
    "require_replaceable",
    "saved_at",
]

PREFIX = "catalog/"
VERSION = 1


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How a run wrote a stream: its key in the target, and a digest of what its map does to each field."""

    key: tuple[tuple[str, ...], ...] = ()
    maps: dict[str, str] = {}


class SeenStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as a run saw it. `read` are the top-level fields that the project selects, None without the stream.
    `unread` are the fields inside of others that it does not select. `inferred` are the JSON types of top-level fields
    that no schema declares. `written` is by the label of a stream in the target; it is empty if it is not known.

    `json_schema`, `sync_modes`, `primary_key` and `cursor_field` are those that the source declares.
    """

    namespace: str | None = None
    name: str
    json_schema: dict[str, Any] = {}
    sync_modes: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()
    cursor_field: tuple[str, ...] = ()
    read: tuple[str, ...] | None = None
    unread: tuple[tuple[str, ...], ...] = ()
    inferred: dict[str, str] = {}
    written: dict[str, Written] = {}

    @property
    def key(self) -> StreamKey:
        return StreamKey.of(self.namespace, self.name)


class KeptCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form. `key` is that of the state, `namespaced` says how a tap's streams were named."""

    version: int = VERSION
    key: str
    run_id: str
    saved_at: str
    namespaced: bool = False
    streams: tuple[SeenStream, ...]


class Found(NamedTuple):
    """What is stored under a key. `damage` is the reason why it cannot be read; `version` is that of the object.

    `is_newer`: a newer tapdock wrote it, so this one does not replace it.
    """

    catalog: KeptCatalog | None = None
    version: str | None = None
    damage: str | None = None
    is_newer: bool = False


class _Versioned(msgspec.Struct):
    version: int


def find(backend: Backend, key: str) -> Found:
    """Return the kept catalog of a state. Raises StateError of the backend, but not for damage."""
    stored = backend.get(PREFIX + key)
    if stored is None:
        return Found()
    try:
        version = msgspec.json.decode(stored.body, type=_Versioned).version
        if version != VERSION:
            damage = f"it has format version {version}, but this tapdock reads only version {VERSION}"
            return Found(version=stored.version, damage=damage, is_newer=True)
        kept = msgspec.json.decode(stored.body, type=KeptCatalog)
    except (ValueError, RecursionError) as error:
        return Found(version=stored.version, damage=str(error))
    if kept.key != key:
        return Found(version=stored.version, damage="it belongs to another state")
    return Found(catalog=kept, version=stored.version)


def saved_at(body: bytes) -> str | None:
    """Return when a stored catalog was saved; None if it cannot be read."""
    try:
        kept = msgspec.json.decode(body, type=KeptCatalog)
    except (ValueError, RecursionError):
        return None
    return kept.saved_at if kept.version == VERSION else None


def keep(backend: Backend, catalog: KeptCatalog, *, expected: str | None) -> None:
    """Replace version `expected`. Raises StateError, and Conflict if another run has kept its catalog meanwhile."""
    try:
        body = msgspec.json.encode(catalog) + b"\n"
    except (ValueError, RecursionError) as error:  # a number or a nesting that JSON cannot have
        raise StateError(f"the catalog cannot be written: {error}") from error
    backend.put(PREFIX + catalog.key, body, expected=expected)


def latest(
    backend: Backend, source: str, environment: str | None, *, pipelines: Mapping[str, Pipeline]
) -> KeptCatalog | None:
    """Return the newest catalog of a source in an environment; None if there is none that can be read.

    The states of `pipelines` may have any name (`state_id`), also one that looks like that of another source. Raises
    StateError.
    """
    among = [key_of(each, environment) for each in pipelines.values() if each.source == source]
    saved = (name.removeprefix(PREFIX) for name in backend.names(PREFIX))
    keys = {
        key
        for key in saved
        if source_of(key, pipelines) == source and key.partition(":")[0] == (environment or "default")
    }
    found = [find(backend, key).catalog for key in sorted(keys.union(among))]
    return max((each for each in found if each), key=lambda each: (each.saved_at, each.run_id), default=None)


def require_replaceable(backend: Backend, key: str) -> None:
    """Raise StateError if a newer tapdock wrote the catalog of a state: this one does not replace it."""
    found = find(backend, key)
    if found.is_newer:
        raise StateError(
            f"the catalog beside the state `{key}` cannot be replaced: {found.damage}",
            hint="use the newer tapdock that wrote it",
        )


def copy(backend: Backend, old: str, new: str) -> bool:
    """Keep the catalog of a state under another name too. Return False if there is none, now also there.

    A catalog that was there belonged to another state. Raises StateError, also for a catalog that cannot be read.
    """
    require_replaceable(backend, new)
    found, there = find(backend, old), find(backend, new)
    if found.catalog is None:
        if there.version:
            backend.delete(PREFIX + new)
        if found.damage or there.version:
            reason = f"cannot be read: {found.damage}" if found.damage else "does not exist"
            raise StateError(f"the catalog of {old} {reason}")
        return False
    keep(backend, msgspec.structs.replace(found.catalog, key=new), expected=there.version)
    return True


def move(backend: Backend, old: str, new: str) -> None:
    """Keep the catalog of a state under its new name, if there is one. Raises StateError like `copy`."""
    if copy(backend, old, new):
        backend.delete(PREFIX + old)
