"""The maps of all streams of a run, with what can only be checked over all of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.schema_edits import merged, pruned
from tapdock.text.nearest import did_you_mean
from tapdock.translate.maps.columns import with_columns
from tapdock.translate.maps.protect import matching_paths
from tapdock.translate.maps.settings import Entry, MapSettings, glob_matches
from tapdock.translate.maps.stream_map import Keys, StreamMap

__all__ = ["maps_for", "maps_of", "read_schema"]


def maps_of(
    streams: Sequence[ConfiguredStream],
    settings: MapSettings,
    *,
    left_out: Collection[str] = (),
    all_known: bool = True,
) -> Mapping[StreamKey, tuple[StreamMap, ...]]:
    """Return the maps of each stream that has some; `()` means that the stream is removed.

    A stream without a map is absent: its records are passed on as they are. `left_out` are names of streams that the
    source offers, and that are not read: maps may name them. Without `all_known`, the source may send more streams.

    Raises UsageError for a map of a stream or a field that does not exist, and for two streams with one name.
    """
    found: dict[StreamKey, tuple[StreamMap, ...]] = {}
    for one in streams:
        maps = maps_for(one.stream.key, read_schema(one), one.primary_key, settings)
        if maps is not None:
            found[one.stream.key] = maps
            for each in maps:
                _require_distinct(each, settings)
    known = [*(one.stream.key for one in streams), *(StreamKey(None, name) for name in left_out)]
    for entry in settings.entries:
        if all_known:
            _require_streams(entry, known, settings)
        _require_fields(entry, streams, settings)
    if all_known:
        _require_rules(streams, left_out, settings)
    _require_own_names(streams, found, settings)
    return found


def read_schema(one: ConfiguredStream) -> dict[str, Any]:
    """Return the schema of what is read of a stream: with the user's fragments, without fields that are excluded."""
    text = merged(msgspec.json.encode(one.stream.json_schema), one.fragments)
    return msgspec.json.decode(pruned(text, one.exclusion)[0], type=dict[str, Any])


def _require_streams(entry: Entry, known: Collection[StreamKey], settings: MapSettings) -> None:
    if any(glob_matches(entry.streams, key) for key in known):
        return
    where = (entry.name, "__source__") if entry.is_copy else (entry.name,)
    names = [str(key) for key in known]
    hint = did_you_mean(entry.streams, names) or f"known: {', '.join(names) or 'none'}"
    raise settings.error(
        *where, problem=f"maps the stream `{entry.streams}`, which the source does not have", hint=hint
    )


def _require_fields(entry: Entry, streams: Sequence[ConfiguredStream], settings: MapSettings) -> None:
    """Raise UsageError for a field that is removed, although no stream of the entry has it: it may be misspelled."""
    of_entry = [one for one in streams if glob_matches(entry.streams, one.stream.key)]
    properties = [one.stream.json_schema.get("properties") or {} for one in of_entry]
    if not of_entry or not all(properties):
        return
    known = {name for fields in properties for name in fields}
    for name, text in entry.fields.items():
        if text is None and name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(sorted(known))}"
            raise settings.error(entry.name, name, problem="removes a field that the stream does not have", hint=hint)


def _require_distinct(each: StreamMap, settings: MapSettings) -> None:
    """Raise UsageError for a new field whose name differs from that of another only in case.

    Most targets have one column for both, and the other field would leave the source as it is.
    """
    own = each.entry.fields
    others = {name.lower(): name for name in each.declared if own.get(name, "") is not None and not each.removes(name)}
    for name in own:
        other = others.get(name.lower(), name)
        if name not in each.declared and other != name:
            problem = f"is a new field beside `{other}`, which differs only in case"
            hint = f"write `{other}` to replace its value, or remove that field: `{other}: null`"
            raise settings.error(each.entry.name, name, problem=problem, hint=hint)


def _require_rules(streams: Sequence[ConfiguredStream], left_out: Collection[str], settings: MapSettings) -> None:
    """Raise UsageError for a rule that protects no field of any stream: its pattern may be misspelled."""
    for rule in settings.rules:
        about = [(one, matching_paths(rule.pattern, one.stream.key, one.stream.json_schema)) for one in streams]
        if any(found or not one.stream.json_schema.get("properties") for one, found in about if found is not None):
            continue
        if any(matching_paths(rule.pattern, StreamKey(None, name), {}) is not None for name in left_out):
            continue
        names = [f"{one.stream.key}.{name}" for one in streams for name in one.stream.json_schema.get("properties", {})]
        hint = did_you_mean(rule.pattern, names) or "`tapdock select NAME --list --all` lists streams with their fields"
        raise settings.error(rule.pattern, problem="matches no field of any stream", hint=hint)


def _require_own_names(
    streams: Sequence[ConfiguredStream], found: Mapping[StreamKey, tuple[StreamMap, ...]], settings: MapSettings
) -> None:
    taken: dict[StreamKey, StreamKey] = {}
    for one in streams:
        key = one.stream.key
        for alias in [each.alias for each in found[key]] if key in found else [key.name]:
            name = StreamKey(key.namespace, alias)
            if name in taken:
                problem = f"writes both `{taken[name]}` and `{key}` to the stream `{name}`"
                hint = "use another name: `__alias__: \"'pre_' + __stream_name__\"` gives each stream of a glob its own"
                raise settings.error(problem=problem, hint=hint)
            taken[name] = key


def maps_for(
    key: StreamKey, schema: Mapping[str, Any], primary_key: Keys, settings: MapSettings
) -> tuple[StreamMap, ...] | None:
    """Return the maps of a stream, the one with its own name first; `()` if it is removed, None if nothing maps it.

    The entry that is written last wins, whether it names the stream or is a glob. Raises UsageError.
    """
    entries = [entry for entry in settings.entries if glob_matches(entry.streams, key)]
    own = [entry for entry in entries if not entry.is_copy]
    copies = [entry for entry in entries if entry.is_copy]
    if own:
        first = [] if own[-1].is_removed else [own[-1]]
    elif settings.removes_others:
        first = []
    else:
        first = [Entry(name=key.name, streams=key.name)]
    used = [with_columns(entry, key, settings, schema, primary_key) for entry in (*first, *copies)]
    made = tuple(StreamMap(entry, key, settings, schema=schema, primary_key=primary_key) for entry in used)
    is_untouched = not own and not copies and first and not settings.flattening and not made[0].guards
    return None if is_untouched and not settings.columns else made
