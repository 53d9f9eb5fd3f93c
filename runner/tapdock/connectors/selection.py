"""Select the streams and fields that a run reads, and how, by patterns and stream options."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from tapdock.connectors.stream_modes import Modes, destination_mode, merges, sync_mode
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey, configured
from tapdock.translate.catalogs.singer import tap_stream_id

__all__ = ["select_streams"]

Fields = dict[StreamKey, set[str]]
Names = dict[StreamKey, tuple[str, ...]]


def select_streams(
    streams: Sequence[Stream],
    patterns: Sequence[str],
    options: Mapping[str, StreamOptions],
    *,
    only: Sequence[str] = (),
    full_refresh: bool = False,
    modes: Modes | None = None,
) -> tuple[ConfiguredStream, ...]:
    """Return the streams to read, in the catalog's order. Without a pattern, everything is selected.

    `patterns` are those of the project. `only` are those of one run, which select among what the project selects. A
    pattern is `stream`, `stream.field` or `namespace.stream.field`, with globs. `!` excludes, and has precedence.
    A stream may also be named by its `tap_stream_id`. Key and cursor fields need not be selected; they cannot be
    excluded if the sync modes need them. With `full_refresh`, each stream that supports it is read in full. `modes` are
    the modes that the target does not support; None if the target is not known. Raises UsageError, whose hint is the
    nearest name.
    """
    if not streams:
        raise UsageError(
            "the source offers no streams",
            hint="check its config: its user may lack the permission to read, or a filter may exclude everything",
        )
    names = _names(streams)
    included, excluded = _chosen(streams, names, patterns)
    if only:
        included, excluded = _narrowed(streams, names, included, excluded, only)
    chosen = _options(streams, names, options)
    streams_to_read = tuple(
        _configure(
            stream,
            chosen[stream.key],
            unlisted=set(_fields(stream)) - included[stream.key],
            denied=excluded.get(stream.key, set()),
            full_refresh=full_refresh,
            modes=modes,
        )
        for stream in streams
        if stream.key in included and _WHOLE not in excluded.get(stream.key, ())
    )
    if not streams_to_read:
        raise UsageError("no stream is selected", hint=f"streams: {_listed(map(str, _keys(streams)))}")
    return streams_to_read


_WHOLE = "*"
"""A mark among the matched fields: the pattern matches the stream itself."""


def _chosen(streams: Sequence[Stream], names: Names, patterns: Iterable[str]) -> tuple[Fields, Fields]:
    """Return what patterns include and what they exclude."""
    patterns = list(patterns)
    included = _matches(streams, names, [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"])
    return included, _matches(streams, names, [pattern[1:] for pattern in patterns if pattern.startswith("!")])


def _narrowed(
    streams: Sequence[Stream], names: Names, included: Fields, excluded: Fields, only: Sequence[str]
) -> tuple[Fields, Fields]:
    """Return what the project includes and a run's patterns too, and what either of them excludes.

    Raises UsageError for a pattern that only matches what the project leaves out: it would change nothing.
    """
    for pattern in only:
        found = {} if pattern.startswith("!") else _matches(streams, names, [pattern])
        left_out = all(
            _WHOLE in excluded.get(key, ()) or fields.isdisjoint(included.get(key, set()) - excluded.get(key, set()))
            for key, fields in found.items()
        )
        if found and left_out:
            raise UsageError(
                f"`--select {pattern}` matches only what the project's `select` leaves out",
                hint="`--select` selects among what the project selects: to read more, change `select` of the source",
            )
    wanted, unwanted = _chosen(streams, names, only)
    both = {key: fields & wanted[key] for key, fields in included.items() if key in wanted}
    return both, {key: excluded.get(key, set()) | unwanted.get(key, set()) for key in {**excluded, **unwanted}}


def _matches(streams: Sequence[Stream], names: Names, patterns: Iterable[str]) -> Fields:
    matched: Fields = {}
    for pattern in patterns:
        found = _found(streams, names, pattern)
        if not found:
            raise _unknown(streams, names, pattern)
        for key, fields in found.items():
            matched.setdefault(key, set()).update(fields)
    return matched


def _names(streams: Sequence[Stream]) -> Names:
    """Return the names of each stream: its own, the one with its namespace, and the `tap_stream_id` of a tap.

    An id that is the name of another stream means that stream.
    """
    own = {name for stream in streams for name in (stream.name, str(stream.key))}
    names: Names = {}
    for stream in streams:
        number = tap_stream_id(stream)
        names[stream.key] = (str(stream.key), *((number,) if number and number not in own else ()), stream.name)
    return names


def _found(streams: Sequence[Stream], names: Names, pattern: str) -> Fields:
    """Return the fields that a pattern matches. A name that is exactly equal has precedence over globs.

    Globs are for names of streams, and only for ids of a tap if they match no name. Raises UsageError if the
    pattern is both the exact name of a stream and that of another stream's field.
    """
    whole = {stream.key: {_WHOLE, *_fields(stream)} for stream in streams if pattern in names[stream.key]}
    field = _exact_fields(streams, names, pattern)
    if whole and field:
        (key, (part,)), *_ = field.items()
        name = pattern.removesuffix(f".{part}")
        as_stream, as_field = pattern.replace(".", "[.]"), f"{name}.[{part[:1]}]{part[1:]}"
        raise UsageError(
            f"`{pattern}` is both a stream and a field of stream `{key}`",
            hint=f"write `{as_stream}` for the stream, or `{as_field}` for the field",
        )
    if whole or field:
        return whole or field
    own: Names = {stream.key: (stream.name, str(stream.key)) for stream in streams}
    return _globbed(streams, own, pattern) or _globbed(streams, names, pattern)


def _globbed(streams: Sequence[Stream], names: Names, pattern: str) -> Fields:
    """Return the matches of globs, as `stream.field` or as a stream."""
    splits = [place for place, character in enumerate(pattern) if character == "."]
    for place in reversed(splits):
        if found := _globbed_fields(streams, names, pattern[:place], pattern[place + 1 :]):
            return found
    return {stream.key: {_WHOLE, *_fields(stream)} for stream in streams if _is_named(names[stream.key], pattern)}


def _exact_fields(streams: Sequence[Stream], names: Names, pattern: str) -> Fields:
    """Return the field that the pattern names exactly as `stream.field`; both may have dots."""
    return {
        stream.key: {pattern.removeprefix(f"{name}.")}
        for stream in streams
        for name in names[stream.key]
        if pattern.startswith(f"{name}.") and pattern.removeprefix(f"{name}.") in _fields(stream)
    }


def _globbed_fields(streams: Sequence[Stream], names: Names, name: str, field: str) -> Fields:
    """Return the matches of globs for a stream and its fields; empty if they match no field."""
    exact = [stream for stream in streams if name in names[stream.key]]
    named = exact or [stream for stream in streams if _is_named(names[stream.key], name)]
    if field == "*":
        return {stream.key: {_WHOLE, *_fields(stream)} for stream in named}
    found = {stream.key: {known for known in _fields(stream) if fnmatchcase(known, field)} for stream in named}
    return {key: fields for key, fields in found.items() if fields}


def _is_named(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _fields(stream: Stream) -> list[str]:
    properties = stream.json_schema.get("properties")
    return list(properties) if isinstance(properties, dict) else []


def _keys(streams: Sequence[Stream]) -> list[StreamKey]:
    return [stream.key for stream in streams]


def _unknown(streams: Sequence[Stream], names: Names, pattern: str) -> UsageError:
    """Return the error for a pattern that matches no stream, or a stream without such a field."""
    name, _, field = pattern.rpartition(".")
    for stream in streams:
        if name and (name in names[stream.key] or _is_named(names[stream.key], name)):
            return _unknown_name(f"stream `{stream.key}` has no field", field, _fields(stream), "fields")
    return _unknown_name("there is no stream", pattern, [str(key) for key in _keys(streams)], "streams")


def _unknown_name(what: str, name: str, known: Sequence[str], kind: str) -> UsageError:
    near = did_you_mean(name, known)
    return UsageError(f"{what} `{name}`", hint=f"{near} " * bool(near) + f"{kind}: {_listed(known)}")


def _listed(names: Iterable[str], most: int = 20) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _options(
    streams: Sequence[Stream], names: Names, options: Mapping[str, StreamOptions]
) -> dict[StreamKey, StreamOptions]:
    """Return options by stream. The name of one stream has precedence over a name that may match several."""
    known = {name for each in names.values() for name in each}
    for name in options:
        if name not in known:
            raise _unknown_name("there is no stream", name, [str(key) for key in _keys(streams)], "streams")
    empty = StreamOptions()
    return {key: next((options[name] for name in each if name in options), empty) for key, each in names.items()}


def _configure(
    stream: Stream,
    options: StreamOptions,
    *,
    unlisted: set[str],
    denied: set[str],
    full_refresh: bool,
    modes: Modes | None,
) -> ConfiguredStream:
    cursor = options.cursor_field or stream.default_cursor_field
    key = options.primary_key or stream.source_defined_primary_key
    for path in (options.cursor_field, *options.primary_key):
        _require_field(stream, path)
    mode = sync_mode(stream, options, has_cursor=bool(cursor), full_refresh=full_refresh)
    destination = destination_mode(stream, options, mode, has_key=bool(key), modes=modes or {})
    if not denied.isdisjoint(cursor[:1]):
        if mode == "incremental" and not options.log_based:
            raise _needed(stream, cursor[0], "its cursor", "sync_mode: full_refresh")
        cursor = ()
    if found := [path[0] for path in key if path and path[0] in denied]:
        if merges(options, destination, modes):
            raise _needed(stream, found[0], "part of its key", "destination_sync_mode: append")
        key = ()
    return configured(
        stream,
        mode,
        cursor=cursor,
        key=key,
        excluded=tuple(name for name in _fields(stream) if name in unlisted | denied),
        denied=tuple(name for name in _fields(stream) if name in denied),
        destination=destination,
        flatten_keys=options.flatten_keys,
        log_based=options.log_based,
        learns_key=not options.primary_key
        and options.destination_sync_mode in (None, "append_dedup")
        and "append_dedup" not in (modes or {}),
    )


def _needed(stream: Stream, field: str, role: str, mode: str) -> UsageError:
    """Return the error for an excluded field that the sync modes need. `mode` does not need it."""
    name = str(stream.key)
    return UsageError(
        f"`select` excludes the field `{field}` of stream `{name}`, but it is {role}, which a run needs",
        hint=f"remove the `!` pattern of `{field}`, exclude the whole stream with `!{name}`, or, if source and target"
        f" support it, write `{name}: {{{mode}}}` under `streams`",
    )


def _require_field(stream: Stream, path: Sequence[str]) -> None:
    """Raise UsageError for a field that the stream's schema excludes. An object that declares none may have any."""
    schema: Any = stream.json_schema
    for place, name in enumerate(path):
        where = f"field `{'.'.join(path[:place])}` of stream `{stream.key}`" if place else f"stream `{stream.key}`"
        if not isinstance(schema, dict) or not _UNKNOWN.isdisjoint(schema):
            return
        known = schema.get("properties")
        if isinstance(known, dict) and known:
            if name not in known:
                raise _unknown_name(f"{where} has no field", name, list(known), "fields")
            schema = known[name]
            continue
        kind = schema.get("type", "object")
        if "object" not in (kind if isinstance(kind, list) else [kind]):
            raise UsageError(f"{where} is not an object: it has no field `{name}`", hint="name a field that exists")
        return


_UNKNOWN = frozenset({"$ref", "oneOf", "anyOf", "allOf"})
"""Keywords of schemas whose fields are not all under `properties`."""
