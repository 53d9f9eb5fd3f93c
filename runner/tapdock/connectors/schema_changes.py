"""Compare two catalogs of one source: which streams and fields were added, removed and changed."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tapdock.connectors.schema_types import ARRAY, Kind, differences, properties, resolved, shown
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.protocol.fields import declared_fields
from tapdock.protocol.patterns import Path
from tapdock.state.catalogs import SeenStream

__all__ = ["SchemaChange", "changes", "fields_of", "is_inside", "named", "seen"]

_NAMED = 10


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between two catalogs. `field` is a path with dots; None for the stream itself.

    `is_read`: the project selects it, or did at the last successful run. `breaking`: something that was read is missing
    or has another type, key or cursor. `left_out`: it is new, and the run does not read it because of `freeze`.
    """

    stream: str
    field: str | None = None
    change: Kind
    detail: str | None = None
    is_read: bool
    breaking: bool = False
    left_out: bool = False
    is_nested: bool = False

    def __str__(self) -> str:
        name = f"{self.stream}.{self.field}" if self.field else self.stream
        return f"{name} {self.change}" + (f" ({self.detail})" if self.detail else "")


def seen(offered: Iterable[Stream], chosen: Iterable[ConfiguredStream]) -> tuple[SeenStream, ...]:
    """Return the streams of a catalog with the fields that are read of them."""
    chosen = tuple(chosen)
    read = {one.stream.key: frozenset(one.excluded) for one in chosen}
    unread = {one.stream.key: _unread(one) for one in chosen if one.nested or one.hidden}
    return tuple(
        SeenStream(
            namespace=each.namespace,
            name=each.name,
            json_schema=each.json_schema,
            sync_modes=each.supported_sync_modes,
            primary_key=each.source_defined_primary_key,
            cursor_field=each.default_cursor_field,
            read=tuple(name for name in fields_of(each.json_schema) if name not in read[each.key])
            if each.key in read
            else None,
            unread=unread.get(each.key, ()),
        )
        for each in offered
    )


def _unread(one: ConfiguredStream) -> tuple[Path, ...]:
    """Return the declared fields inside of others that are not read."""
    exclusion = one.exclusion
    paths = declared_fields(one.stream.json_schema)
    return tuple(path for path in paths if len(path) > 1 and exclusion.verdict(path) == "remove")


def changes(before: Iterable[SeenStream], now: Iterable[SeenStream]) -> tuple[SchemaChange, ...]:
    """Return what is different in `now`, in the order of the streams."""
    old: dict[StreamKey, SeenStream] = {each.key: each for each in before}
    new: dict[StreamKey, SeenStream] = {each.key: each for each in now}
    found: list[SchemaChange] = []
    for key in dict.fromkeys((*old, *new)):
        if key not in old:
            found.append(SchemaChange(stream=str(key), change="added", is_read=new[key].read is not None))
        elif key not in new:
            was_read = old[key].read is not None
            found.append(SchemaChange(stream=str(key), change="removed", is_read=was_read, breaking=was_read))
        else:
            found += _of_stream(old[key], new[key])
    return tuple(found)


def _of_stream(old: SeenStream, new: SeenStream) -> Iterator[SchemaChange]:
    was_read = old.read is not None
    is_read = was_read or new.read is not None
    for detail, breaking in _of_whole(old, new):
        yield SchemaChange(
            stream=str(old.key), change="changed", detail=detail, is_read=is_read, breaking=breaking and was_read
        )
    if old.json_schema == new.json_schema:
        return
    before, now = fields_of(old.json_schema), fields_of(new.json_schema)
    for name in dict.fromkeys((*before, *now)):
        was, selected = name in (old.read or ()), name in (new.read or ())
        if name not in before:
            yield _of_field(old, (name,), "added", shown(now[name]), is_read=selected)
        elif name not in now:
            yield _of_field(old, (name,), "removed", None, is_read=was, breaking=was)
        else:
            for each in differences(before[name], now[name]):
                path = (name, *each.path)
                field = tuple(part for part in path if part != ARRAY)
                had, has = was and not is_inside(field, old.unread), selected and not is_inside(field, new.unread)
                is_read = (had and each.kind != "added") or (has and each.kind != "removed")
                yield _of_field(old, path, each.kind, each.detail, is_read=is_read, breaking=each.narrows and had)


def _of_field(
    stream: SeenStream, path: tuple[str, ...], kind: Kind, detail: str | None, *, is_read: bool, breaking: bool = False
) -> SchemaChange:
    return SchemaChange(
        stream=str(stream.key),
        field=".".join(path),
        change=kind,
        detail=detail,
        is_read=is_read,
        breaking=breaking,
        is_nested=len(path) > 1,
    )


def _of_whole(old: SeenStream, new: SeenStream) -> Iterator[tuple[str, bool]]:
    """Yield differences of the stream itself, and whether they are breaking."""
    if old.primary_key != new.primary_key:
        yield f"key {_listed(old.primary_key)} -> {_listed(new.primary_key)}", True
    if old.cursor_field != new.cursor_field:
        yield f"cursor {_path(old.cursor_field)} -> {_path(new.cursor_field)}", True
    if set(old.sync_modes) != set(new.sync_modes):
        detail = f"sync modes {', '.join(sorted(old.sync_modes))} -> {', '.join(sorted(new.sync_modes))}"
        yield detail, not set(old.sync_modes) <= set(new.sync_modes)


def _listed(key: Sequence[Sequence[str]]) -> str:
    return ", ".join(map(".".join, key)) or "none"


def _path(field: Sequence[str]) -> str:
    return ".".join(field) or "none"


def fields_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of a stream's top-level fields, with definitions in place of references."""
    return dict(properties(resolved(schema)))


def is_inside(path: Path, paths: Collection[Path]) -> bool:
    """Return True if one of the paths is this one, or one around it."""
    return any(path[:end] in paths for end in range(1, len(path) + 1))


def named(found: Sequence[SchemaChange], most: int = _NAMED) -> str:
    """Return changes in one line: the first ones, and the number of the others."""
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(map(str, found[:most])) + more
