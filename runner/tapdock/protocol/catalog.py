"""Streams that a source offers, and the configured streams of a run."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tapdock.errors import SourceError, UsageError
from tapdock.project.model import DestinationMode, Schemaless, SyncMode, UndeclaredFields
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.patterns import Path
from tapdock.protocol.schema_edits import Fragment, merged, pruned

__all__ = ["ConfiguredStream", "Stream", "StreamKey", "bare_names", "configured", "configured_catalog", "parse_catalog"]


class StreamKey(NamedTuple):
    """Identity of a stream; null, absent and empty namespaces are the same (protocol.md 1.4)."""

    namespace: str | None
    name: str

    @classmethod
    def of(cls, namespace: str | None, name: str) -> "StreamKey":
        return cls(namespace or None, name)

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


def bare_names(keys: Iterable[StreamKey]) -> dict[StreamKey, StreamKey]:
    """Return the streams that messages may name without their namespace, because no other stream has the name.

    >>> bare_names([StreamKey("a", "users"), StreamKey("a", "orders"), StreamKey("b", "orders")])
    {StreamKey(namespace=None, name='users'): StreamKey(namespace='a', name='users')}
    """
    known = tuple(keys)
    counts = Counter(key.name for key in known)
    return {StreamKey(None, key.name): key for key in known if key.namespace and counts[key.name] == 1}


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that a source offers (AirbyteStream, protocol.md 1.1); `raw` is the source's own JSON text."""

    name: str
    namespace: str | None = None
    json_schema: dict[str, Any] = {}
    supported_sync_modes: tuple[str, ...] = ("full_refresh",)
    source_defined_cursor: bool = False
    default_cursor_field: tuple[str, ...] = ()
    source_defined_primary_key: tuple[tuple[str, ...], ...] = ()
    is_resumable: bool = False
    is_file_based: bool = False
    raw: str = ""

    @property
    def key(self) -> StreamKey:
        return StreamKey.of(self.namespace, self.name)


class ConfiguredStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that a run reads. `excluded` are top-level fields that the user did not select.

    `denied` are those of them that the user excluded by name. `added` are the fields of its key and its cursor that are
    read although the user did not select them. `nested` are fields inside of others that are not read, by path.
    `hidden` are patterns of `!` for fields of the stream: no field that they match is read, declared or not.
    `fragments` are the user's schemas of single fields, for the target. `metadata` is for a Singer tap's catalog, by
    field; that of the stream itself has an empty path.

    `flatten_keys` copies nested parts of a key into columns of their own. With `log_based`, the tap reads changes from
    a database's log. With `learns_key`, a key in the tap's own SCHEMA replaces the key of its discovery.
    `undeclared` and `schemaless` are None if only the options of the translation decide.
    """

    stream: Stream
    sync_mode: SyncMode
    destination_sync_mode: DestinationMode = "append"
    cursor_field: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    nested: tuple[Path, ...] = ()
    hidden: tuple[str, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    metadata: tuple[tuple[Path, dict[str, Any]], ...] = ()
    flatten_keys: bool = False
    log_based: bool = False
    learns_key: bool = False
    undeclared: UndeclaredFields | None = None
    schemaless: Schemaless | None = None
    generation_id: int = 0
    minimum_generation_id: int = 0
    sync_id: int = 0

    @property
    def exclusion(self) -> Exclusion:
        """The fields that are removed from schemas and records."""
        return Exclusion(self.excluded, self.nested, self.hidden)

    def landed(self) -> "ConfiguredStream":
        """Return a stream of an Airbyte source with the user's fragments in its schema, as the target gets it."""
        if not self.fragments:
            return self
        members = _members(self.stream)
        members["json_schema"] = Raw(merged(members["json_schema"], self.fragments))
        raw = msgspec.json.encode(members).decode()
        schema = msgspec.json.decode(members["json_schema"], type=dict[str, Any])
        stream = msgspec.structs.replace(self.stream, json_schema=schema, raw=raw if self.stream.raw else "")
        return msgspec.structs.replace(self, stream=stream, fragments=())


def configured(
    stream: Stream,
    sync_mode: SyncMode,
    *,
    cursor: tuple[str, ...],
    key: tuple[tuple[str, ...], ...],
    excluded: Collection[str],
    denied: Collection[str] = (),
    nested: Iterable[Path] = (),
    hidden: Iterable[str] = (),
    fragments: Iterable[Fragment] = (),
    metadata: Iterable[tuple[Path, dict[str, Any]]] = (),
    destination: DestinationMode | None = None,
    flatten_keys: bool = False,
    log_based: bool = False,
    learns_key: bool = False,
    undeclared: UndeclaredFields | None = None,
    schemaless: Schemaless | None = None,
) -> ConfiguredStream:
    """Return a configured stream. Key and cursor fields are never excluded, so `denied` must not contain them.

    Without a `destination` mode, it is `append_dedup` if there is a key, else `append`. Raises UsageError if every
    field is excluded, because its records would be empty.
    """
    automatic = {path[0] for path in (cursor, *key) if path}
    properties = stream.json_schema.get("properties")
    if isinstance(properties, dict) and properties and not properties.keys() - set(excluded) | automatic:
        hint = f"select a field of it, or exclude the stream with `!{stream.key}`"
        raise UsageError(f"no field of stream `{stream.key}` is selected", hint=hint)
    return ConfiguredStream(
        stream=stream,
        sync_mode=sync_mode,
        destination_sync_mode=destination or ("append_dedup" if key else "append"),
        cursor_field=cursor,
        primary_key=key,
        excluded=tuple(name for name in excluded if name not in automatic),
        denied=tuple(denied),
        added=tuple(name for name in excluded if name in automatic),
        nested=tuple(nested),
        hidden=tuple(hidden),
        fragments=tuple(fragments),
        metadata=tuple(metadata),
        flatten_keys=flatten_keys,
        log_based=log_based,
        learns_key=learns_key,
        undeclared=undeclared,
        schemaless=schemaless,
    )


_REQUIRED = {"json_schema": Raw(b"{}"), "supported_sync_modes": Raw(b'["full_refresh"]')}
"""Defaults for members that a stream must have, and some do not have."""
_ABSENT = (b"null", b"[]")
"""The values of `supported_sync_modes` that are the same as none."""


class _Catalog(msgspec.Struct):
    streams: list[dict[str, Raw]]


def parse_catalog(catalog: bytes | Raw) -> tuple[Stream, ...]:
    """Return the streams of a CATALOG's body, each with its raw text. Raises SourceError."""
    try:
        streams = tuple(_parse_stream(raw) for raw in msgspec.json.decode(catalog, type=_Catalog).streams)
    except msgspec.MsgspecError as error:
        raise SourceError(f"the source's catalog cannot be read: {error}") from error
    seen: set[StreamKey] = set()
    for stream in streams:
        if stream.key in seen:
            raise SourceError(f"the source's catalog has two streams `{stream.key}`")
        seen.add(stream.key)
    return streams


def _parse_stream(fields: dict[str, Raw]) -> Stream:
    known = {name: value for name, value in fields.items() if name != "raw" and bytes(value) != b"null"}
    stream = msgspec.json.decode(msgspec.json.encode(known), type=Stream)
    modes = stream.supported_sync_modes or ("full_refresh",)  # a stream that names no mode can still be read in full
    return msgspec.structs.replace(stream, supported_sync_modes=modes, raw=msgspec.json.encode(fields).decode())


def configured_catalog(
    streams: Iterable[ConfiguredStream], *, names: Mapping[StreamKey, StreamKey] | None = None
) -> bytes:
    """Return the file for an Airbyte connector's `--catalog` (protocol.md 1.1, ConfiguredAirbyteStream).

    Each stream object is the source's own, with unknown keys; only excluded fields are removed from its json_schema.
    `names` are the names of streams in a destination, if they differ.
    """
    return msgspec.json.encode({"streams": [_configured(stream, names or {}) for stream in streams]})


_OURS = (
    "excluded",
    "denied",
    "added",
    "nested",
    "hidden",
    "fragments",
    "metadata",
    "flatten_keys",
    "log_based",
    "learns_key",
    "undeclared",
    "schemaless",
)
"""Members of a configured stream that are not in the protocol."""


def _configured(configured: ConfiguredStream, names: Mapping[StreamKey, StreamKey]) -> dict[str, Any]:
    entry = msgspec.structs.asdict(configured)
    for ours in _OURS:
        del entry[ours]
    stream = _without_fields(configured)
    if name := names.get(configured.stream.key):
        for member, value in _REQUIRED.items():
            if bytes(stream.get(member, Raw(b"null"))) in _ABSENT:
                stream[member] = value
        stream.pop("namespace", None)
        stream |= {"name": Raw(msgspec.json.encode(name.name))}
        stream |= {"namespace": Raw(msgspec.json.encode(name.namespace))} if name.namespace else {}
    entry["stream"] = stream
    return entry


def _without_fields(configured: ConfiguredStream) -> dict[str, Raw]:
    fields = _members(configured.stream)
    if "json_schema" in fields and bytes(fields["json_schema"])[:1] == b"{":
        fields["json_schema"] = Raw(pruned(fields["json_schema"], configured.exclusion)[0])
    return fields


def _members(stream: Stream) -> dict[str, Raw]:
    """Return the members of a source's own stream object."""
    if stream.raw:
        return msgspec.json.decode(stream.raw, type=dict[str, Raw])
    fields = msgspec.json.decode(msgspec.json.encode(stream), type=dict[str, Raw])
    return {name: value for name, value in fields.items() if name != "raw" and bytes(value) != b"null"}
