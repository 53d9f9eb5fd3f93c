"""Select the streams and fields that a run reads, and how, by patterns and stream options."""

from collections.abc import Callable, Mapping, Sequence

from tapdock.connectors.choice import Choice, chosen, left_out, narrowing
from tapdock.connectors.matching import Offered
from tapdock.connectors.stream_modes import Modes, destination_mode, merges, sync_mode
from tapdock.connectors.stream_options import field_metadata, fragments, options_by_stream, require_field
from tapdock.errors import UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured
from tapdock.protocol.patterns import escaped

__all__ = ["choices_of", "select_streams"]


def select_streams(
    streams: Sequence[Stream],
    patterns: Sequence[str],
    options: Mapping[str, StreamOptions],
    *,
    only: Sequence[str] = (),
    modes: Modes | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> tuple[ConfiguredStream, ...]:
    """Return the streams to read, in the catalog's order. Without a pattern, everything is selected.

    `patterns` are those of the project. `only` are those of one run, which select among what the project selects. A
    pattern is `stream`, `stream.field` or `namespace.stream.field`, with globs; `field` may be nested: `address.city`.
    `!` excludes, and has precedence. A stream may also be named by its `tap_stream_id`. Key and cursor fields need not
    be selected; they cannot be excluded if the sync modes need them. `modes` are the modes that the target does not
    support; None if the target is not known. `warn` gets a message for each glob that matches nothing. Raises
    UsageError, whose hint is the nearest name.
    """
    offered = _offered(streams)
    choices = choices_of(offered, patterns, only=only, warn=warn)
    chosen_options = options_by_stream(offered, options, warn=warn)
    streams_to_read = tuple(
        _configure(offered, stream, chosen_options[stream.key], choices, modes=modes)
        for stream in streams
        if all(choice.reads(stream.key) for choice in choices)
    )
    if not streams_to_read:
        known = [str(stream.key) for stream in streams]
        more = f" and {len(known) - _MOST_LISTED} more" * (len(known) > _MOST_LISTED)
        raise UsageError("no stream is selected", hint=f"streams: {', '.join(known[:_MOST_LISTED])}{more}")
    return streams_to_read


_MOST_LISTED = 20


def _offered(streams: Sequence[Stream]) -> Offered:
    if not streams:
        raise UsageError(
            "the source offers no streams",
            hint="check its config: its user may lack the permission to read, or a filter may exclude everything",
        )
    return Offered(streams)


def choices_of(
    offered: Offered, patterns: Sequence[str], *, only: Sequence[str] = (), warn: Callable[[str], None]
) -> tuple[Choice, ...]:
    """Return what the project chooses, and what a run chooses among it: a field is read if both read it."""
    project = chosen(offered, patterns, warn=warn)
    return (project, narrowing(offered, project, only, warn=warn)) if only else (project,)


def _configure(
    offered: Offered,
    stream: Stream,
    options: StreamOptions,
    choices: Sequence[Choice],
    *,
    modes: Modes | None,
) -> ConfiguredStream:
    cursor = options.cursor_field or stream.default_cursor_field
    key = options.primary_key or stream.source_defined_primary_key
    for path in (options.cursor_field, *options.primary_key):
        require_field(stream, path)
    mode = sync_mode(stream, options, has_cursor=bool(cursor))
    destination = destination_mode(stream, options, mode, has_key=bool(key), modes=modes or {})
    if cursor and _is_denied(choices, stream, cursor):
        if mode == "incremental" and not options.log_based:
            raise _needed(stream, cursor, "its cursor", "sync_mode: full_refresh")
        cursor = ()
    if found := [path for path in key if path and _is_denied(choices, stream, path)]:
        if merges(options, destination, modes):
            raise _needed(stream, found[0], "part of its key", "destination_sync_mode: append")
        key = ()
    automatic = {path[0] for path in (cursor, *key) if path}
    excluded, nested = left_out(offered, stream.key, choices, automatic=automatic)
    return configured(
        stream,
        mode,
        cursor=cursor,
        key=key,
        excluded=excluded,
        denied=tuple(name for name in excluded if _is_denied(choices, stream, (name,))),
        nested=nested,
        hidden=dict.fromkeys(pattern for choice in choices for pattern in choice.hidden.get(stream.key, ())),
        fragments=fragments(stream, offered, options),
        metadata=field_metadata(stream, offered, options),
        destination=destination,
        flatten_keys=options.flatten_keys,
        log_based=options.log_based,
        undeclared=options.undeclared_fields,
        schemaless=options.schemaless,
        learns_key=not options.primary_key
        and options.destination_sync_mode in (None, "append_dedup")
        and "append_dedup" not in (modes or {}),
    )


def _is_denied(choices: Sequence[Choice], stream: Stream, path: Sequence[str]) -> bool:
    return any(choice.forbids(stream.key, tuple(path)) for choice in choices)


def _needed(stream: Stream, path: Sequence[str], role: str, mode: str) -> UsageError:
    """Return the error for an excluded field that the sync modes need. `mode` does not need it."""
    name, field = str(stream.key), ".".join(path)
    return UsageError(
        f"`select` excludes the field `{field}` of stream `{name}`, but it is {role}, which a run needs",
        hint=f"remove the `!` pattern of `{field}`, exclude the whole stream with `!{escaped(name)}`, or, if source and"
        f" target support it, write `{name}: {{{mode}}}` under `streams`",
    )
