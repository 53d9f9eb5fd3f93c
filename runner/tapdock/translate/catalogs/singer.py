"""Read streams from a Singer tap's catalog, and write the catalog that selects what to read (protocol.md 2.2, 3.2)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import SourceError
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.fields import breadcrumbs
from tapdock.protocol.patterns import Path
from tapdock.protocol.schema_edits import merged
from tapdock.translate.schemas.to_airbyte import airbyte_schema

__all__ = [
    "declared_schema",
    "emitted_names",
    "message_names",
    "says_keyless",
    "selected_catalog",
    "singer_streams",
    "tap_stream_id",
    "unsupported_fields",
]

_Members = dict[str, Raw]
_METHODS = {"full_refresh": "FULL_TABLE", "incremental": "INCREMENTAL"}


class _Metadata(msgspec.Struct):
    metadata: dict[str, Any] = {}
    breadcrumb: tuple[str, ...] = ()


class _Id(msgspec.Struct):
    tap_stream_id: str | None = None


class _Entry(msgspec.Struct):
    tap_stream_id: str | None = None
    stream: str | None = None
    schema: dict[str, Any] = {}
    metadata: list[_Metadata] = []
    key_properties: list[str] | None = None
    replication_key: str | None = None
    replication_method: str | None = None

    @property
    def name(self) -> str:
        return self.stream or self.tap_stream_id or ""

    @property
    def root(self) -> dict[str, Any]:
        return next((each.metadata for each in self.metadata if not each.breadcrumb), {})


class _Catalog(msgspec.Struct):
    streams: list[Raw]


def singer_streams(catalog: bytes, *, namespaced: bool = False) -> tuple[Stream, ...]:
    """Return the streams of a catalog from `--discover`, each with its raw entry. Raises SourceError.

    Their names are those in the catalog; if two are equal, they are the `tap_stream_id`. With `namespaced`, the
    database schema in the metadata is the namespace, and is removed from the beginning of the name.
    """
    try:
        raws = msgspec.json.decode(catalog, type=_Catalog).streams
        entries = [(bytes(raw).decode(), msgspec.json.decode(raw, type=_Entry)) for raw in raws]
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise SourceError(f"the tap's catalog cannot be read: {error}") from error
    keys = [_key(entry, namespaced=namespaced) for _, entry in entries]
    times = Counter(keys)
    streams = tuple(
        _stream(entry, key if times[key] == 1 else StreamKey(None, entry.tap_stream_id or entry.name), raw)
        for (raw, entry), key in zip(entries, keys, strict=True)
    )
    for key, count in Counter(stream.key for stream in streams).items():
        if count > 1 or not key.name:
            raise SourceError(f"the tap's catalog has {count} streams `{key}`" if key.name else "a stream has no name")
    return streams


def _key(entry: _Entry, *, namespaced: bool) -> StreamKey:
    schema = entry.root.get("schema-name")
    if not namespaced or not isinstance(schema, str) or not schema:
        return StreamKey(None, entry.name)
    return StreamKey(schema, entry.name.removeprefix(f"{schema}-"))


def _stream(entry: _Entry, key: StreamKey, raw: str) -> Stream:
    root = entry.root
    forced = _method(root.get("forced-replication-method"))
    method = forced or _method(root.get("replication-method")) or entry.replication_method
    cursor = _cursor(root, entry)
    increments = method != "FULL_TABLE" or (cursor and not forced)
    keys = entry.key_properties or _names(root, "table-key-properties") or _names(root, "view-key-properties")
    return Stream(
        name=key.name,
        namespace=key.namespace,
        json_schema=airbyte_schema(entry.schema),
        supported_sync_modes=("full_refresh", *(("incremental",) if increments else ())),
        source_defined_cursor=bool(increments and (cursor or method in ("INCREMENTAL", "LOG_BASED"))),
        default_cursor_field=(cursor,) if cursor and increments else (),
        source_defined_primary_key=tuple((name,) for name in keys),
        raw=raw,
    )


def _method(said: Any) -> str | None:
    """Return a replication method; some catalogs have an object with it."""
    found = said.get("replication-method") if isinstance(said, dict) else said
    return found if isinstance(found, str) else None


def _cursor(root: Mapping[str, Any], entry: _Entry) -> str | None:
    """Return the tap's replication key. Of several possible keys, none is used: a wrong one would miss changes."""
    valid = _names(root, "valid-replication-keys")
    named = root.get("replication-key") or entry.replication_key or (valid[0] if len(valid) == 1 else None)
    if not isinstance(named, str | None):
        raise SourceError(f"the tap's catalog cannot be read: `replication-key` of `{entry.name}` is not a name")
    return named


def _names(root: Mapping[str, Any], member: str) -> list[str]:
    """Return a list of names in a stream's metadata. Raises SourceError: without its key, rows would be duplicated."""
    names = root.get(member) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SourceError(f"the tap's catalog cannot be read: `{member}` of a stream is not a list of names")
    return names


def emitted_names(stream: Stream) -> tuple[str, ...]:
    """Return the names that messages may have for a stream: taps for databases may put the schema in front."""
    entry = _entry(stream)
    schema = entry.root.get("schema-name")
    return tuple(name for name in (entry.stream, entry.tap_stream_id, f"{schema}-{entry.name}", stream.name) if name)


def tap_stream_id(stream: Stream) -> str | None:
    """Return the id that a tap's catalog gives to a stream. It does not depend on the names of other streams."""
    try:
        return msgspec.json.decode(stream.raw, type=_Id).tap_stream_id if stream.raw else None
    except msgspec.MsgspecError:
        return None  # the stream of an Airbyte source


def unsupported_fields(stream: Stream) -> tuple[str, ...]:
    """Return the fields that a tap's catalog declares although the tap cannot read them."""
    entry = _entry(stream)
    said = {each.breadcrumb: each.metadata.get("inclusion") for each in entry.metadata}
    properties = entry.schema.get("properties")
    return tuple(
        name
        for name, inner in (properties if isinstance(properties, dict) else {}).items()
        if "unsupported"
        in (said.get(("properties", name)), inner.get("inclusion") if isinstance(inner, dict) else None)
    )


def message_names(stream: Stream) -> tuple[str, str, str]:
    """Return a stream's name in messages for each of three kinds of taps: they use one kind for all their streams.

    These are its name in the catalog, its `tap_stream_id`, and its name with the database schema in front.
    """
    entry = _entry(stream)
    schema = entry.root.get("schema-name")
    return entry.name, entry.tap_stream_id or entry.name, f"{schema}-{entry.name}" if schema else entry.name


def says_keyless(stream: Stream) -> bool:
    """Return True if the tap's catalog says that a stream has no key; False if it has one or does not say."""
    entry = _entry(stream)
    said = [entry.root.get(name) for name in ("table-key-properties", "view-key-properties")]
    found = [keys for keys in (entry.key_properties, *said) if keys is not None]
    return bool(found) and not any(found)


def _entry(stream: Stream) -> _Entry:
    return msgspec.json.decode(stream.raw, type=_Entry) if stream.raw else _Entry(stream=stream.name)


def declared_schema(stream: ConfiguredStream) -> dict[str, Any]:
    """Return the schema that a tap's catalog declares, for an Airbyte destination, with the user's fragments."""
    if not stream.fragments or not stream.stream.raw:
        return stream.stream.json_schema
    declared = msgspec.json.decode(stream.stream.raw, type=_Members).get("schema", Raw(b"{}"))
    return airbyte_schema(msgspec.json.decode(merged(declared, stream.fragments), type=dict))


def selected_catalog(
    streams: Iterable[Stream], chosen: Iterable[ConfiguredStream], *, legacy: bool, log_key: str | None = None
) -> bytes:
    """Return the file for `--catalog`: every stream of the tap, with an explicit selection in its metadata.

    With `legacy`, or if the tap's catalog does it, the selection is in the schemas as well, as taps with `--properties`
    require it. `log_key` is the replication key that a tap requires for reading a database's log.
    """
    wanted = {one.stream.key: one for one in chosen}
    return msgspec.json.encode(
        {"streams": [_selected(stream, wanted.get(stream.key), legacy=legacy, log_key=log_key) for stream in streams]}
    )


def _selected(stream: Stream, chosen: ConfiguredStream | None, *, legacy: bool, log_key: str | None) -> dict[str, Any]:
    entry = _entry(stream)
    members: dict[str, Any] = msgspec.json.decode(stream.raw, type=_Members)
    if chosen and chosen.fragments:
        members["schema"] = Raw(merged(members.get("schema", Raw(b"{}")), chosen.fragments))
        entry.schema = msgspec.json.decode(members["schema"])
    root = dict(entry.root) | {"selected": chosen is not None}
    if chosen:
        root |= _replication(entry, chosen, log_key)
        for name in ("replication_method", "replication_key"):  # if a tap's catalog has these, the tap may read them
            if name.replace("_", "-") in root and (name in members or chosen.log_based):
                members[name] = root[name.replace("_", "-")]
    fields = _field_metadata(entry, chosen)
    told = entry.schema.get("properties")
    properties: dict[str, Any] = told if isinstance(told, dict) else {}
    if chosen:
        root |= next((said for path, said in chosen.metadata if not path), {})
    metadata = [((), root), *fields.items()]
    members["metadata"] = [{"breadcrumb": path, "metadata": said} for path, said in metadata]
    if legacy or "selected" in entry.schema:
        schema = dict(entry.schema) | {"selected": chosen is not None}
        schema["properties"] = {
            name: {**inner, "selected": fields["properties", name]["selected"]} if isinstance(inner, dict) else inner
            for name, inner in properties.items()
        }
        members["schema"] = schema
    return members


def _field_metadata(entry: _Entry, chosen: ConfiguredStream | None) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the metadata of fields, by place. Fields inside of others have some if they are not read, or had some.

    Without it, a tap of Meltano's SDK reads a field if it reads the one around it.
    """
    exclusion = chosen.exclusion if chosen else Exclusion(())
    fields = {each.breadcrumb: dict(each.metadata) for each in entry.metadata if each.breadcrumb}
    known = breadcrumbs(entry.schema)
    for place, path in known.items():
        if len(path) == 1 or place in fields or _is_removed(exclusion, path):
            fields.setdefault(place, {})
    for place, said in fields.items():
        if place in known:
            is_read = chosen is not None and _is_read(said, known[place], exclusion)
            said["selected"] = is_read or said.get("inclusion") == "automatic"
    for path, more in chosen.metadata if chosen else ():
        for place in (place for place, known_path in known.items() if path and known_path == path):
            fields.setdefault(place, {}).update(more)
    return fields


def _replication(entry: _Entry, chosen: ConfiguredStream, log_key: str | None) -> dict[str, Any]:
    if _method(entry.root.get("forced-replication-method")):
        return {}
    if chosen.log_based:
        return {"replication-method": "LOG_BASED"} | ({"replication-key": log_key} if log_key else {})
    said = {"replication-method": _METHODS[chosen.sync_mode]}
    if chosen.sync_mode == "incremental" and not chosen.cursor_field:
        return {}  # the tap decides
    return said | ({"replication-key": chosen.cursor_field[0]} if chosen.sync_mode == "incremental" else {})


def _is_read(said: Mapping[str, Any], path: Path, exclusion: Exclusion) -> bool:
    return said.get("inclusion") != "unsupported" and not _is_removed(exclusion, path)


def _is_removed(exclusion: Exclusion, path: Path) -> bool:
    return any(exclusion.verdict(path[:end]) == "remove" for end in range(1, len(path) + 1))
