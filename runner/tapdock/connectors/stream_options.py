"""Options of single streams: find those of each stream, merge them, and check the fields that they name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.matching import Offered, unknown_name
from tapdock.errors import UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import Stream, StreamKey
from tapdock.protocol.patterns import Path, is_glob, matcher, pieces, unescaped
from tapdock.protocol.schema_edits import Fragment

__all__ = ["field_metadata", "fragments", "options_by_stream", "require_field", "require_singer_options"]

_UNKNOWN = frozenset({"$ref", "oneOf", "anyOf", "allOf"})
"""Keywords of schemas whose fields are not all under `properties`."""
_MERGED = ("schema", "metadata")
"""Options that are mappings: those of several entries are put together."""


def options_by_stream(
    offered: Offered, options: Mapping[str, StreamOptions], *, warn: Callable[[str], None]
) -> dict[StreamKey, StreamOptions]:
    """Return the options of each stream. Of several entries that match it, each key is taken from the most exact one.

    The full name of a stream is more exact than a name that several streams may have, and a name more than a glob. Of
    two globs, the later one counts. `warn` gets a message for each glob that matches no stream. Raises UsageError for
    a name that does not exist.
    """
    known = {name for each in offered.names.values() for name in each}
    globs = [name for name in options if name not in known and is_glob(name)]
    exact = {unescaped(name) if name not in known else name: name for name in options if name not in globs}
    for name in exact:
        if name not in known:
            raise unknown_name("there is no stream", name, [str(stream.key) for stream in offered.streams], "streams")
    for glob in globs:
        if not any(_is_like(glob, each) for each in offered.names.values()):
            warn(f"warning: the name `{glob}` under `streams` matches no stream")
    return {
        key: _merged(
            [
                *(options[glob] for glob in globs if _is_like(glob, each)),
                *(options[exact[name]] for name in reversed(each) if name in exact),
            ]
        )
        for key, each in offered.names.items()
    }


def _is_like(glob: str, names: Sequence[str]) -> bool:
    return any(matcher(glob).fullmatch(name) for name in names)


def _merged(entries: Sequence[StreamOptions]) -> StreamOptions:
    """Return one entry with each key of the last entry that has it."""
    merged: dict[str, Any] = {}
    for entry in entries:
        given = {name: getattr(entry, name) for name in entry.given}
        merged |= {name: {**merged.get(name, {}), **given[name]} if name in _MERGED else given[name] for name in given}
    return StreamOptions(**merged)


def fragments(stream: Stream, offered: Offered, options: StreamOptions) -> tuple[Fragment, ...]:
    """Return the schemas that a user wrote for fields. Raises UsageError for a field that cannot exist."""
    found = []
    for name, fragment in options.schema.items():
        path = _path(name, offered, stream.key)
        if path not in offered.fields[stream.key]:
            require_field(stream, path)
        found.append((path, fragment))
    return tuple(found)


def field_metadata(stream: Stream, offered: Offered, options: StreamOptions) -> tuple[tuple[Path, dict[str, Any]], ...]:
    """Return what a user wrote for a tap's catalog: of the stream itself, and of fields, whose values are mappings."""
    own: dict[str, Any] = {}
    found: list[tuple[Path, dict[str, Any]]] = []
    for name, value in options.metadata.items():
        path = _path(name, offered, stream.key)
        if isinstance(value, Mapping) and path in offered.fields[stream.key]:
            found.append((path, dict(value)))
        else:
            own[name] = value
    return (*([((), own)] if own else ()), *found)


def require_singer_options(source: PreparedConnector) -> None:
    """Raise UsageError for options that only a Singer tap can have."""
    if source.kind == "singer":
        return
    if name := next((name for name, options in source.connector.streams.items() if options.metadata), None):
        raise UsageError(
            f"`sources.{source.connector.name}.streams.{name}.metadata` only applies to Singer taps, and"
            f" `{source.connector.name}` is an Airbyte source",
            hint="remove it: the catalog of an Airbyte source has no metadata",
        )


def _path(name: str, offered: Offered, key: StreamKey) -> Path:
    """Return the path of a field: a top-level name with dots in it has precedence."""
    return (name,) if (name,) in offered.fields[key] else tuple(unescaped(piece) for piece in pieces(name))


def require_field(stream: Stream, path: Sequence[str]) -> None:
    """Raise UsageError for a field that the stream's schema excludes. An object that declares none may have any."""
    schema: Any = stream.json_schema
    for place, name in enumerate(path):
        where = f"field `{'.'.join(path[:place])}` of stream `{stream.key}`" if place else f"stream `{stream.key}`"
        if not isinstance(schema, dict) or not _UNKNOWN.isdisjoint(schema):
            return
        known = schema.get("properties")
        if isinstance(known, dict) and known:
            if name not in known:
                raise unknown_name(f"{where} has no field", name, list(known), "fields")
            schema = known[name]
            continue
        if "object" not in _types(schema):
            raise UsageError(f"{where} is not an object: it has no field `{name}`", hint="name a field that exists")
        return


def _types(schema: Mapping[str, Any]) -> Sequence[Any]:
    kind = schema.get("type", "object")
    return kind if isinstance(kind, list) else [kind]
