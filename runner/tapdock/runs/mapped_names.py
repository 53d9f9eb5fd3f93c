"""A hint for patterns of a selection with names that exist only after the maps."""

from collections.abc import Iterator, Sequence

from tapdock.errors import UsageError
from tapdock.protocol.catalog import Stream
from tapdock.protocol.patterns import escaped, splits, unescaped
from tapdock.translate.maps.alias import alias_of
from tapdock.translate.maps.settings import Entry, MapSettings, glob_matches

__all__ = ["name_hint"]


def name_hint(patterns: Sequence[str], offered: Sequence[Stream], maps: MapSettings, *, error: str) -> str | None:
    """Return a hint if the pattern of an error has the name that a map gives to a stream or a field; None otherwise.

    A selection has the names of the source. `error` is the text of the error, which names the pattern or its field.
    """
    known = {stream.name for stream in offered} | {str(stream.key) for stream in offered}
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        if not any(f"`{unescaped(part)}`" in error for part in (plain, *(field for _, field in splits(plain)))):
            continue
        for part, field in [(plain, ""), *splits(plain)]:
            name = unescaped(part)
            for stream, entry, alias in _mapped(offered, maps):
                own = escaped(str(stream.key))
                if name == alias and name not in known:
                    use = f"`{own}.{field}`" if field and field not in entry.fields else f"`{own}`"
                    return f"`{name}` is the name of `{stream.key}` after its map; select by the source's name: {use}"
                if name in (stream.name, str(stream.key)) and unescaped(field) in entry.fields:
                    return (
                        f"`{field}` is computed by the map of `{stream.key}`: select the fields that it is computed of,"
                        f" or remove it in `{maps.place}.{entry.name}`"
                    )
    return None


def _mapped(offered: Sequence[Stream], maps: MapSettings) -> Iterator[tuple[Stream, Entry, str]]:
    """Yield each stream with each entry of the maps that is about it, and its name after the map."""
    for stream in offered:
        for entry in maps.entries:
            if not entry.is_removed and glob_matches(entry.streams, stream.key):
                try:
                    yield stream, entry, alias_of(entry, stream.name, maps)
                except UsageError:  # a wrong map has its own error, once the streams are chosen
                    continue
