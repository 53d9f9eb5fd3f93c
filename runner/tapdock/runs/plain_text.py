"""Which fields maps protect, so that they are never written into files, where the maps have not changed them yet."""

from collections.abc import Iterable, Iterator, Sequence

from tapdock.errors import UsageError
from tapdock.project.model import Connector, Pipeline
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.protocol.exclusion import DELETE_MARKS
from tapdock.protocol.patterns import escaped, is_glob, matcher, splits, unescaped
from tapdock.translate.maps.expression import compiled
from tapdock.translate.maps.field import Field
from tapdock.translate.maps.protect import matching_paths
from tapdock.translate.maps.settings import Entry, FieldRule, MapSettings, glob_matches, settings_of

__all__ = ["require_nothing_protected"]

_MOST_NAMED = 3
_ANY = "*"


def require_nothing_protected(
    pipelines: Iterable[Pipeline], source: Connector, streams: Sequence[ConfiguredStream]
) -> None:
    """Raise UsageError if maps of a pipeline of the source protect or remove fields that are read.

    The maps of the source itself are applied to the files. Without `streams`, they are known only during the run, and
    each field that a map protects may be in them.
    """
    for wanted in [each for each in pipelines if each.source == source.name and each.has_maps]:
        settings = settings_of(wanted, source)
        found = list(dict.fromkeys(_plain(settings, streams))) if settings else []
        if not found:
            continue
        names = ", ".join(f"`{each}`" for each in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise UsageError(
            f"the maps of pipeline `{wanted.name}` protect or remove {names}{more}, but the files would have these"
            " fields in plain text",
            hint="move the maps to the source, whose maps are applied to the files; or exclude such fields with"
            f" `select`, for example `!{found[0]}`",
        )


def _plain(settings: MapSettings, streams: Sequence[ConfiguredStream]) -> Iterator[str]:
    """Yield what is protected and not excluded, as patterns of fields."""
    for rule in settings.rules:
        if not streams or any(_is_read_by_rule(rule, one) for one in streams):
            yield rule.pattern
    for entry in settings.entries:
        if not streams:
            yield from (f"{entry.streams}.{name}" for name in _protected(settings, entry, None))
        for one in streams:
            for name in _protected(settings, entry, one) if glob_matches(entry.streams, one.stream.key) else ():
                if name == _ANY or one.exclusion.verdict((name,)) != "remove":
                    yield f"{entry.streams}.{name if name == _ANY else escaped(name)}"


def _is_read_by_rule(rule: FieldRule, one: ConfiguredStream) -> bool:
    """Return True if a stream may have a field that the rule protects. It need not be declared."""
    key, exclusion = one.stream.key, one.exclusion
    paths = matching_paths(rule.pattern, key, one.stream.json_schema)
    if paths is None:
        return False
    names = (key.name, str(key))
    fields = [field for stream, field in splits(rule.pattern) if any(matcher(stream).fullmatch(name) for name in names)]
    if not all(
        field in one.hidden or (not is_glob(field) and exclusion.verdict((unescaped(field),)) == "remove")
        for field in fields
    ):
        return True
    return any(
        not any(exclusion.verdict(path[:end]) == "remove" for end in range(1, len(path) + 1))
        for path in paths
        if path not in DELETE_MARKS
    )


def _protected(settings: MapSettings, entry: Entry, one: ConfiguredStream | None) -> Iterator[str]:
    """Yield the top-level fields of the source whose values an entry hides; `*` if it may be any field."""
    declared = list(one.stream.json_schema.get("properties") or {}) if one else []
    if entry.only_listed:
        key = entry.keys if entry.keys is not None else [path[0] for path in one.primary_key] if one else ()
        listed = {*entry.fields, *key, *(mark for (mark,) in DELETE_MARKS)}
        yield from [name for name in declared if name not in listed] if declared else [_ANY]
    for name, text in entry.fields.items():
        made = compiled(text, settings.scope(None), field=name) if text is not None else None
        field = Field.of(name, text, made, declared=declared)
        is_own = not declared or name in declared or field.uses_own
        if made is None or (is_own and (field.protects or field.replaces)):
            yield name
        if made and field.protects:
            yield from [_ANY] if made.reads is None else sorted(made.reads)
