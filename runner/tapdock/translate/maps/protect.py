"""Rules for fields by pattern, such as `"*.email": hash`: also for fields inside of others, and undeclared ones."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.exclusion import DELETE_MARKS
from tapdock.protocol.fields import declared_fields
from tapdock.protocol.json_pointer import referred
from tapdock.protocol.patterns import Path, is_glob, joined, matcher, pieces, splits, unescaped
from tapdock.translate.maps.expression import Expression, Uncomputable, compiled
from tapdock.translate.maps.nullable import nullable
from tapdock.translate.maps.settings import FieldRule, MapSettings
from tapdock.translate.write.rules import Unwritable, finder

__all__ = ["Guard", "Guards", "matching_paths"]

_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_NUMBERS = msgspec.json.Encoder(decimal_format="number").encode
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_TEXT = msgspec.json.Decoder(str)
_WHOLE = msgspec.json.Decoder()
_MOST_KNOWN = 10_000


class Guard(msgspec.Struct, frozen=True):
    """What happens to a field because of a rule. Without an `expression`, it is removed."""

    rule: FieldRule
    expression: Expression | None


def _own_fields(pattern: str, key: StreamKey) -> list[str]:
    """Return the patterns of fields in a rule's pattern, for each way in which it may mean the stream."""
    names = (key.name, str(key))
    return [field for stream, field in splits(pattern) if any(matcher(stream).fullmatch(name) for name in names)]


def _matches(pattern: str, path: Path) -> bool:
    """Return True if a pattern matches a path, or the end of one: `email` matches also `contact.email`."""
    match = matcher(pattern).fullmatch
    return any(match(joined(path[start:])) for start in range(len(path)))


def _may_touch(pattern: str, path: Path) -> bool:
    """Return False for a glob and a mark of a deleted row: without the mark, a delete would become a live row."""
    return path not in DELETE_MARKS or not is_glob(pattern)


def matching_paths(pattern: str, key: StreamKey, schema: Mapping[str, Any]) -> list[Path] | None:
    """Return the declared fields of a stream that a rule protects; None if the rule is not about the stream."""
    fields = _own_fields(pattern, key)
    if not fields:
        return None
    return [path for path in declared_fields(schema) if any(_matches(field, path) for field in fields)]


class Guards:
    """The rules for one stream. It is False if no rule is about the stream."""

    def __init__(self, settings: MapSettings, key: StreamKey, *, alias: str) -> None:
        self._key = key
        self._alias = alias
        scope = settings.scope(None)
        self._rules: list[tuple[str, Guard]] = []
        for rule in settings.rules:
            made = Guard(rule, compiled(rule.expression, scope) if rule.expression else None)
            self._rules += [(field, made) for field in _own_fields(rule.pattern, key)]
        fields = [field for field, _ in self._rules]
        is_plain = not any(is_glob(field) or len(pieces(field)) > 1 for field in fields)  # a name may have dots
        self._known: dict[Path, Guard | None] = {}
        self.may_match: Callable[[bytes], bool] = (
            finder([unescaped(field) for field in fields], parts=[b'\\"']) if is_plain else lambda _: True
        )

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, path: Path) -> Guard | None:
        """Return the guard of a field: that of the last rule that matches."""
        if path not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = [guard for field, guard in self._rules if _matches(field, path) and _may_touch(field, path)]
            self._known[path] = found[-1] if found else None
        return self._known[path]

    def record(self, members: Mapping[str, Raw], *, skip: Collection[str], removes: bool = False) -> dict[str, Raw]:
        """Return a record with the rules applied, but for the fields in `skip`. With `removes`, fields are removed.

        Raises Unwritable.
        """
        found: dict[str, Raw] = {}
        for name, value in members.items():
            if name in skip:
                found[name] = Raw(self._inside(bytes(value), (name,), removes=removes))
            elif (new := self._field(bytes(value), (name,), removes=removes)) is not None:
                found[name] = Raw(new)
        return found

    def _field(self, value: bytes, path: Path, *, removes: bool) -> bytes | None:
        guard = self.of(path)
        if guard is None:
            return self._inside(value, path, removes=removes)
        return None if removes or guard.expression is None else self._computed(value, path, guard.expression)

    def _computed(self, value: bytes, path: Path, expression: Expression) -> bytes:
        try:
            own = _EXACT.decode(value)
            return bytes(_NUMBERS(expression({}, stream=self._alias, original_stream=self._key.name, own=own)))
        except Uncomputable as error:
            raise Unwritable(f"cannot be mapped: field `{'.'.join(path)}`: {error}") from None

    def _inside(self, value: bytes, path: Path, *, removes: bool) -> bytes:
        if value[:1] == b'"' and b'\\"' in value:
            return self._inside_text(value, path, removes=removes)
        if value[:1] not in (b"{", b"[") or not self.may_match(value):
            return value
        if value[:1] == b"[":
            items = [self._inside(bytes(item), path, removes=removes) for item in _ARRAY.decode(value)]
            return b"[" + b",".join(items) + b"]"
        members = _OBJECT.decode(value)
        new = {name: self._field(bytes(each), (*path, name), removes=removes) for name, each in members.items()}
        return bytes(_ENCODE({name: Raw(each) for name, each in new.items() if each is not None}))

    def _inside_text(self, value: bytes, path: Path, *, removes: bool) -> bytes:
        """Return JSON in a text with the rules applied: routes and targets may turn such text into an object."""
        text = _TEXT.decode(value).strip().encode()
        if text[:1] not in (b"{", b"["):
            return value
        try:
            _WHOLE.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            return value
        new = self._inside(text, path, removes=removes)
        return value if new is text else bytes(_ENCODE(new.decode()))

    def schema(self, schema: Mapping[str, Any], *, skip: Collection[str]) -> dict[str, Any]:
        """Return a schema with the types that the rules result in, without the fields that they remove."""
        found: dict[str, Any] = _Walk(self, schema, skip).node(schema, (), ())
        return found

    def protected(self, schema: Mapping[str, Any], *, skip: Collection[str]) -> dict[str, Path]:
        """Return the top-level fields that are protected, or have a protected field inside, with that field's path."""
        found: dict[str, Path] = {}
        for path in declared_fields(schema):
            if path[0] not in skip and self.of(path):
                found.setdefault(path[0], path)
        return found


class _Walk:
    def __init__(self, guards: Guards, root: Mapping[str, Any], skip: Collection[str]) -> None:
        self._guards, self._root, self._skip = guards, root, skip

    def node(self, schema: Any, path: Path, seen: tuple[str, ...]) -> Any:
        """Return a schema; the same object if nothing in it changes."""
        if not isinstance(schema, Mapping):
            return schema
        found: dict[str, Any] = {}
        for key, value in schema.items():
            match key:
                case "properties" if isinstance(value, Mapping):
                    found[key] = self._properties(value, path, seen)
                case "items" | "additionalItems" | "prefixItems" | "anyOf" | "oneOf" | "allOf":
                    found[key] = self._all(value, path, seen)
                case _:
                    found[key] = value
        if isinstance(names := schema.get("required"), list) and isinstance(schema.get("properties"), Mapping):
            gone = schema["properties"].keys() - found["properties"].keys()
            found["required"] = [name for name in names if name not in gone]
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            target = referred(self._root, reference)
            new = self.node(target, path, (*seen, reference))
            if isinstance(new, Mapping) and new != target:
                found = {**new, **{key: value for key, value in found.items() if key != "$ref"}}
        return found if found != schema else schema

    def _all(self, value: Any, path: Path, seen: tuple[str, ...]) -> Any:
        return (
            [self.node(one, path, seen) for one in value] if isinstance(value, list) else self.node(value, path, seen)
        )

    def _properties(self, fields: Mapping[str, Any], path: Path, seen: tuple[str, ...]) -> dict[str, Any]:
        found = {}
        for name, field in fields.items():
            within = (*path, name)
            if (len(within) == 1 and name in self._skip) or (guard := self._guards.of(within)) is None:
                found[name] = self.node(field, within, seen)
            elif guard.expression is not None:
                found[name] = nullable(guard.expression.schema or field)
        return found
