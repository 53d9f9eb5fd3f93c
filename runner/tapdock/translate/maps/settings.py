"""The keys `maps`, `stream_map_config`, `flattening_…` and so on of a project file, checked, as frozen values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.project.maps import MapKeys
from tapdock.project.model import Connector, Pipeline
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.patterns import splits
from tapdock.text.nearest import did_you_mean
from tapdock.translate.maps.expression import Scope

__all__ = ["Entry", "FieldRule", "Flattening", "MapSettings", "checked", "glob_matches", "settings_of"]

NULL = "__NULL__"
_OPTIONS = ("__source__", "__alias__", "__filter__", "__key_properties__", "__else__")
_WORDS = {"hash": "hash(self)", "mask": "mask(self)", "encrypt": "encrypt(self)", "drop": None, "null": None}
_CALL = re.compile(r"(hash|mask|encrypt)\(\s*self\b.*\)", re.DOTALL)


class Flattening(msgspec.Struct, frozen=True, kw_only=True):
    """How nested objects become columns: to which depth, and the names of the columns."""

    depth: int
    separator: str = "__"
    longest: int = 255


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What `maps` says about the streams that `streams`, a name or a glob, matches.

    `name` is the key of the entry. An entry with `is_copy` makes one more stream, which has that name in the target.
    `keys` are the fields of another key; None keeps the source's key. With `only_listed`, other fields are removed.
    `fields` has an expression for each field, or None if the field is removed. `is_removed`: the stream is.
    """

    name: str
    streams: str
    is_copy: bool = False
    is_removed: bool = False
    alias: str | None = None
    filter: str | None = None
    keys: tuple[str, ...] | None = None
    only_listed: bool = False
    fields: Mapping[str, str | None] = msgspec.field(default_factory=dict)


class FieldRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for fields by pattern, such as `*.email`. `expression` has the field's value as `self`; None: removed."""

    pattern: str
    expression: str | None


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """All maps of a run. `place` is where they were written. `removes_others`: streams without an entry are removed.

    `columns` are constants that each record gets: those of a row of a matrix. `key_columns` become part of the key.
    """

    place: str
    entries: tuple[Entry, ...] = ()
    rules: tuple[FieldRule, ...] = ()
    removes_others: bool = False
    flattening: Flattening | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    faker: Mapping[str, Any] | None = None
    hash_key: bytes | None = field(default=None, repr=False)
    encrypt_key: bytes | None = field(default=None, repr=False)
    columns: Mapping[str, Any] = field(default_factory=dict)
    key_columns: tuple[str, ...] = ()

    def scope(self, fields: Iterable[str] | None) -> Scope:
        """Return what expressions of a stream may use; `fields` are those that its schema declares."""
        return Scope(
            config=self.config,
            fields=None if fields is None else frozenset(fields),
            hash_key=self.hash_key,
            faker=self.faker,
            public_key=self.encrypt_key,
        )

    def error(self, *where: str, problem: str, hint: str | None = None) -> UsageError:
        return UsageError(f"`{'.'.join((self.place, *where))}` {problem}", hint=hint)


def settings_of(pipeline: Pipeline, source: Connector) -> MapSettings | None:
    """Return the maps of a run: those of its pipeline or of its source; None if there are none. Raises UsageError.

    The loader refuses a project in which both have some.
    """
    found = None
    if pipeline.has_maps:
        found = checked(pipeline, place=f"pipelines.{pipeline.name}.maps")
    elif source.has_maps:
        found = checked(source, place=f"sources.{source.name}.maps")
    if not pipeline.columns or pipeline.is_template:
        return found
    own = found or MapSettings(place=f"pipelines.{pipeline.name}.matrix.columns")
    columns = {name: _revealed(value) for name, value in pipeline.columns.items()}
    return replace(own, columns=columns, key_columns=pipeline.key_columns)


def glob_matches(pattern: str, key: StreamKey) -> bool:
    """Return True if a name or a glob means a stream, by its name or with its namespace."""
    names = {key.name, str(key)}
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def checked(keys: MapKeys, *, place: str = "maps") -> MapSettings:
    """Return the maps of a pipeline or a source. Raises UsageError, which names the `place`. Secrets are read."""
    bare = MapSettings(place=place)
    entries: list[Entry] = []
    rules: list[FieldRule] = []
    removes_others = False
    for name, value in keys.maps.items():
        if name == "__else__":
            if not _is_null(value):
                raise bare.error(name, problem="can only be `null`", hint="it removes the streams without an entry")
            removes_others = True
        elif name.startswith("__"):
            raise bare.error(name, problem="is not an option here", hint="`__else__: null` is the only one")
        elif _is_null(value):
            entries.append(Entry(name=name, streams=name, is_removed=True))
        elif isinstance(value, str):
            rules.append(_rule(bare, name, value))
        elif isinstance(value, Mapping):
            entries.append(_entry(bare, name, value))
        else:
            raise bare.error(name, problem=f"is {_kind(value)}, not a mapping", hint="map fields: `{email: null}`")
    return MapSettings(
        place=place,
        entries=tuple(entries),
        rules=tuple(rules),
        removes_others=removes_others,
        flattening=_flattening(bare, keys),
        config=_revealed(keys.stream_map_config),
        faker=_revealed(keys.faker_config) if keys.faker_config else None,
        hash_key=str(_revealed(keys.hash_key)).encode() if keys.hash_key is not None else None,
        encrypt_key=str(_revealed(keys.encrypt_key)).encode() if keys.encrypt_key is not None else None,
    )


def _is_null(value: Any) -> bool:
    return value is None or value == NULL


def _kind(value: Any) -> str:
    words = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return "a secret" if isinstance(value, Secret) else words.get(type(value), "not text")


def _rule(settings: MapSettings, pattern: str, value: str) -> FieldRule:
    if not splits(pattern):
        hint = f"map its fields (`{pattern}: {{email: hash(email)}}`), or name fields by a pattern: `{pattern}.email`"
        raise settings.error(pattern, problem="is text, but its name has no field", hint=hint)
    word = value.strip()
    if word not in _WORDS and not _CALL.fullmatch(word):
        hint = did_you_mean(word, _WORDS) or "or the same with arguments: `mask(self, keep=4)`"
        raise settings.error(pattern, problem="is not one of `hash`, `mask`, `encrypt` and `drop`", hint=hint)
    return FieldRule(pattern=pattern, expression=_WORDS.get(word, word))


def _entry(settings: MapSettings, name: str, value: Mapping[str, Any]) -> Entry:
    options = {key: each for key, each in value.items() if key in _OPTIONS}
    fields = {key: each for key, each in value.items() if key not in _OPTIONS}
    for key, each in fields.items():
        if key.startswith("__"):
            hint = did_you_mean(key, _OPTIONS) or f"known: {', '.join(_OPTIONS)}"
            raise settings.error(name, key, problem="is not an option of a stream", hint=hint)
        if not _is_null(each):
            _text(settings, (name, key), each, hint="write an expression in quotes, or `null` to remove the field")
    if "__source__" in options and "__alias__" in options:
        hint = f"the name in the target is `{name}`, the entry's own; remove `__alias__`"
        raise settings.error(name, problem="has both `__source__` and `__alias__`", hint=hint)
    if not _is_null(options.get("__else__")):
        raise settings.error(name, "__else__", problem="can only be `null`", hint="it removes fields without an entry")
    texts = {
        key: _text(settings, (name, key), options[key])
        for key in ("__source__", "__alias__", "__filter__")
        if key in options and not (key == "__filter__" and options[key] is None)
    }
    return Entry(
        name=name,
        streams=texts.get("__source__", name),
        is_copy="__source__" in texts,
        alias=texts.get("__alias__"),
        filter=texts.get("__filter__"),
        keys=_keys(settings, name, options["__key_properties__"]) if "__key_properties__" in options else None,
        only_listed="__else__" in options,
        fields={key: None if _is_null(each) else each for key, each in fields.items()},
    )


def _text(settings: MapSettings, where: tuple[str, ...], value: Any, *, hint: str = "put it in quotes") -> str:
    if isinstance(value, Secret):
        hint = "put the value into `stream_map_config`, and write `config['name']` in the expression"
        raise settings.error(*where, problem="has a secret in it", hint=hint)
    if not isinstance(value, str):
        raise settings.error(*where, problem=f"is {'empty' if value is None else _kind(value)}, not text", hint=hint)
    if not value.strip():
        raise settings.error(*where, problem="is empty text", hint=hint)
    return value


def _keys(settings: MapSettings, name: str, value: Any) -> tuple[str, ...]:
    if _is_null(value):
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        problem = "is not a list of fields"
        raise settings.error(name, "__key_properties__", problem=problem, hint="for example `[id]`, or `null`")
    if len(set(value)) < len(value):
        raise settings.error(name, "__key_properties__", problem="names a field twice", hint="remove one of them")
    return tuple(value)


def _flattening(settings: MapSettings, keys: MapKeys) -> Flattening | None:
    if not keys.flattening_enabled:
        return None
    if keys.flattening_max_depth is None:
        problem = "has `flattening_enabled` without `flattening_max_depth`"
        raise settings.error(problem=problem, hint="add the depth, for example `flattening_max_depth: 3`")
    if keys.flattening_max_depth == 0:
        return None
    return Flattening(
        depth=keys.flattening_max_depth,
        separator=keys.flattening_separator,
        longest=keys.flattening_max_key_length,
    )


def _revealed(value: Any) -> Any:
    """Return a value with the texts of its secrets."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, str):
        return str(value)  # plain text, which a relay in a container can get as JSON
    if isinstance(value, Mapping):
        return {key: _revealed(each) for key, each in value.items()}
    return [_revealed(each) for each in value] if isinstance(value, list) else value
