"""Find the streams and fields of a source that a pattern matches."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.protocol.catalog import Stream, StreamKey
from tapdock.protocol.exclusion import DELETE_MARKS
from tapdock.protocol.fields import declared_fields, is_open
from tapdock.protocol.patterns import Path, escaped, is_glob, joined, matcher, pieces, splits, unescaped
from tapdock.translate.catalogs.singer import tap_stream_id

__all__ = ["WHOLE", "Fields", "Offered", "unknown_name"]

WHOLE: Path = ()
"""The path of a stream itself among the matched fields."""
Fields = dict[StreamKey, set[Path]]
Names = Mapping[StreamKey, tuple[str, ...]]


class Offered:
    """The streams of a source, with all their names and their declared fields."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = tuple(streams)
        self.names = _names(self.streams)
        self._own = {stream.key: (stream.name, str(stream.key)) for stream in self.streams}

    @cached_property
    def fields(self) -> Mapping[StreamKey, Mapping[Path, Any]]:
        """The schema of each declared field, by stream and path."""
        return {stream.key: declared_fields(stream.json_schema) for stream in self.streams}

    def matches(self, pattern: str, *, excludes: bool) -> Fields:
        """Return what a pattern matches; the path of a stream itself is `WHOLE`. Empty if it matches nothing.

        A name that is exactly equal has precedence over globs. Globs are for names of streams, and only for ids of a
        tap if they match no name. A pattern with several dots may be divided into stream and field in several ways:
        one that `excludes` means all of them, another means the longest name of the stream that matches.

        Raises UsageError if the pattern is both the exact name of a stream and that of another stream's field.
        """
        exact = {pattern} if is_glob(pattern) else {pattern, unescaped(pattern)}
        whole = [key for key, names in self.names.items() if not exact.isdisjoint(names)]
        field = self._exact_fields(pattern, excludes=excludes)
        if whole and field:
            raise _ambiguous(pattern, next(iter(field)))
        if whole or field:
            return field or {key: {WHOLE} for key in whole}
        return self._globbed(self._own, pattern, excludes=excludes) or self._globbed(
            self.names, pattern, excludes=excludes
        )

    def hidden(self, pattern: str) -> dict[StreamKey, list[str]]:
        """Return the part of a glob that is for fields, by stream. It also counts for fields that nobody declares."""
        found: dict[StreamKey, list[str]] = {}
        for name, field in splits(pattern) if is_glob(pattern) else ():
            for key in self._named(self._own, name) or self._named(self.names, name):
                found.setdefault(key, []).append(field)
        return found

    def _exact_fields(self, pattern: str, *, excludes: bool) -> Fields:
        """Return the field that the pattern names exactly; the names of its stream and of its fields may have dots.

        A pattern that `excludes` may also name a field inside of an object that declares none.
        """
        found: Fields = {}
        for key, names in self.names.items():
            fields = self.fields[key]
            for field in _divided(pattern, names):
                same = [path for path in fields if ".".join(path) == field]
                if not same and not is_glob(field):
                    same = [path for path in fields if matcher(field).fullmatch(joined(path))]
                if not same and excludes and not is_glob(field):
                    same = self._undeclared(key, field)
                if same:
                    found.setdefault(key, set()).update(same)
        return found

    def _undeclared(self, key: StreamKey, field: str) -> list[Path]:
        """Return the path of a field if the nearest declared object around it declares no fields."""
        path = tuple(unescaped(piece) for piece in pieces(field))
        fields = self.fields[key]
        end = next((end for end in range(len(path) - 1, 0, -1) if path[:end] in fields), 0)
        around = fields[path[:end]] if end else {}
        has_fields = any(len(other) > end and other[:end] == path[:end] for other in fields)
        return [path] if not has_fields and is_open(around) else []

    def _globbed(self, names: Names, pattern: str, *, excludes: bool) -> Fields:
        """Return the matches of globs, as `stream.field` or as a stream. A literal name of a stream means its field."""
        found: Fields = {}
        is_field = False
        for name, field in reversed(splits(pattern)):
            fields = self._globbed_fields(names, name, field, excludes=excludes)
            for key, paths in fields.items():
                found.setdefault(key, set()).update(paths)
            is_field = is_field or (bool(fields) and not is_glob(name))
            if found and not excludes:
                return found
        if not is_field:
            for key in _like(names, pattern):
                found.setdefault(key, set()).add(WHOLE)
        return found

    def _globbed_fields(self, names: Names, name: str, field: str, *, excludes: bool) -> Fields:
        named = self._named(names, name)
        if field == "*":
            return {key: {WHOLE} for key in named}
        matches = matcher(field).fullmatch
        kept = DELETE_MARKS if excludes and is_glob(field) else frozenset()
        found = {key: {path for path in self.fields[key] if matches(joined(path))} - kept for key in named}
        return {key: paths for key, paths in found.items() if paths}

    def _named(self, names: Names, name: str) -> list[StreamKey]:
        return [key for key, known in self.names.items() if name in known] or _like(names, name)

    def unknown(self, pattern: str) -> UsageError:
        """Return the error for a pattern that matches no stream, or a stream without such a field."""
        for name, field in reversed(splits(pattern)):
            for key in self._named(self.names, name):
                return self._unknown_field(key, field)
        known = [str(stream.key) for stream in self.streams]
        return unknown_name("there is no stream", unescaped(pattern), known, "streams")

    def _unknown_field(self, key: StreamKey, field: str) -> UsageError:
        path = tuple(unescaped(piece) for piece in pieces(field))
        end = next((end for end in range(len(path) - 1, 0, -1) if path[:end] in self.fields[key]), 0)
        inside = {other[: end + 1] for other in self.fields[key] if len(other) > end and other[:end] == path[:end]}
        known = [".".join(other) for other in self.fields[key] if other in inside]
        if end and not known:
            what = f"field `{'.'.join(path[:end])}` of stream `{key}` declares no field"
            hint = f"select the whole field: `{key}.{'.'.join(escaped(name) for name in path[:end])}`"
            return UsageError(f"{what} `{'.'.join(path[end:])}`", hint=hint)
        return unknown_name(f"stream `{key}` has no field", ".".join(path), known, "fields")


def _names(streams: Sequence[Stream]) -> Names:
    """Return the names of each stream: its own, the one with its namespace, and the `tap_stream_id` of a tap.

    An id that is the name of another stream means that stream.
    """
    own = {name for stream in streams for name in (stream.name, str(stream.key))}
    names: dict[StreamKey, tuple[str, ...]] = {}
    for stream in streams:
        number = tap_stream_id(stream)
        names[stream.key] = (str(stream.key), *((number,) if number and number not in own else ()), stream.name)
    return names


def _divided(pattern: str, names: Iterable[str]) -> list[str]:
    """Return the parts for fields of the ways to divide a pattern into the exact name of a stream and a field."""
    written = {name: pattern.removeprefix(f"{name}.") for name in names if pattern.startswith(f"{name}.")}
    for name, field in splits(pattern):
        if not is_glob(name) and unescaped(name) in names:
            written.setdefault(unescaped(name), field)
    return list(written.values())


def _like(names: Names, pattern: str) -> list[StreamKey]:
    """Return the streams with a name that a glob matches."""
    matches = matcher(pattern).fullmatch
    return [key for key, known in names.items() if any(matches(name) for name in known)]


def _ambiguous(pattern: str, key: StreamKey) -> UsageError:
    name, _, part = pattern.rpartition(".")
    return UsageError(
        f"`{pattern}` is both a stream and a field of stream `{key}`",
        hint=f"write `{escaped(pattern)}` for the stream, or `{name}.[{part[:1]}]{part[1:]}` for the field",
    )


def unknown_name(what: str, name: str, known: Collection[str], kind: str) -> UsageError:
    """Return the error for a name that is not known, with the nearest one and a list."""
    near = did_you_mean(name, known)
    return UsageError(f"{what} `{name}`", hint=f"{near} " * bool(near) + f"{kind}: {_listed(known)}")


def _listed(names: Iterable[str], most: int = 20) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
