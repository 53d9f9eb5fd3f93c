"""What one stream becomes in the target: its name, its schema, its keys, and each of its records."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UsageError
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.exclusion import DELETE_MARKS
from tapdock.protocol.patterns import Path
from tapdock.text.nearest import did_you_mean
from tapdock.translate.maps.alias import alias_of
from tapdock.translate.maps.build import ABSENT, OWN, new_frame
from tapdock.translate.maps.expression import Expression, Uncomputable, compiled
from tapdock.translate.maps.field import WHOLE, Field
from tapdock.translate.maps.flatten import Flat, column
from tapdock.translate.maps.nullable import nullable
from tapdock.translate.maps.protect import Guards
from tapdock.translate.maps.settings import Entry, MapSettings
from tapdock.translate.write.rules import EMPTY, Unwritable

__all__ = ["Keys", "StreamMap"]

Keys = tuple[Path, ...]
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_EXACT = msgspec.json.Decoder(float_hook=Decimal).decode
FILTER = "__filter__"
_DEFINITIONS = ("definitions", "$defs")
_MARKS = tuple(sorted(path[0] for path in DELETE_MARKS))
"""Fields that say that a row was deleted. Without them, a delete would become a live row."""


class StreamMap:
    """One stream of a source as it is in the target, for one schema of the source.

    `alias` is its name there, in the namespace of the source's stream. `json_schema` and `primary_key` are those of the
    target. Raises UsageError for a map that does not fit the schema.
    """

    def __init__(
        self, entry: Entry, source: StreamKey, settings: MapSettings, *, schema: Mapping[str, Any], primary_key: Keys
    ) -> None:
        self.entry = entry
        self.source = source
        self.alias = alias_of(entry, source.name, settings)
        self._settings = settings
        self.guards = Guards(settings, source, alias=self.alias)
        self._has_guards = bool(self.guards)
        properties = schema.get("properties")
        self.declared: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        self._scope = settings.scope(self.declared or None)  # one for all expressions: they share a generator `fake`
        self._filter = self._compiled(FILTER, entry.filter) if entry.filter else None
        self.fields = tuple(
            Field.of(name, text, self._compiled(name, text) if text is not None else None, declared=self.declared)
            for name, text in entry.fields.items()
        )
        self._steps = tuple((each.name, each.expression, each.copies, each.uses_own) for each in self.fields)
        self._texts = frozenset(
            each.name for each in self.fields if each.expression and self._is_default(each, each.expression)
        )
        self._variables = max((each.expression.variables for each in self.fields if each.expression), default=0)
        self._reads = _union(field.expression for field in self.fields if field.expression)
        self._only_rules = not (entry.fields or entry.only_listed or self._filter or settings.flattening)
        self._refuse_protected(schema)
        mapped = self._schema(schema, primary_key)
        try:
            self.flat = Flat(mapped, settings.flattening) if settings.flattening else None
        except ValueError as error:
            raise self._error(problem=str(error), hint="rename or remove one of them in the map") from None
        self.json_schema = self.flat.schema if self.flat else mapped
        self._key = self._own_key(mapped, primary_key)
        self.primary_key = tuple(self._flattened(path) for path in self._key)
        self._always = tuple(dict.fromkeys((*(path[0] for path in self._key), *_MARKS)))

    def removes(self, name: str) -> bool:
        """Return True for a field that the entry does not list, if it removes such fields."""
        return self.entry.only_listed and name not in self.entry.fields and name not in self._always

    def cursor(self, path: Path) -> Path:
        """Return the cursor in the target; `()` if its value is not the source's, so that rows cannot be compared."""
        if not path or path[0] in self.entry.fields or any(self.guards.of(path[:end]) for end in _ends(path)):
            return ()
        return () if self.removes(path[0]) else self._flattened(path)

    def apply(self, body: bytes) -> bytes | None:
        """Return the body of a record for the target; None if it is filtered out, or nothing is left of it.

        Values that nothing maps keep their bytes. Raises Unwritable, without any value in its text.
        """
        if self._only_rules and not (self.guards and self.guards.may_match(body)):
            return body
        try:
            members = _OBJECT.decode(body)
            if self._filter and not _is_deleted(members) and not self._passes(members, self._filter):
                return None
            if self._has_guards:
                members = self.guards.record(members, skip=self.entry.fields)
            found = self._mapped(members) if self._steps or self.entry.only_listed else members
            if self.flat and found:
                if self._steps:
                    found = {name: _raw(value) for name, value in found.items()}
                found = self.flat.record(found)
        except msgspec.MsgspecError as error:
            raise Unwritable(f"cannot be read: {error}") from None
        return bytes(_ENCODE(found)) if found else None

    def kept(self, body: bytes) -> bytes:
        """Return the body of a record that cannot be translated, without what the map protects or removes."""
        try:
            members = _OBJECT.decode(body)
            for name in [name for name in members if self.removes(name)]:
                del members[name]
            for field in self.fields:
                if field.expression is None:
                    members.pop(field.name, None)
                elif field.protects:
                    reads = members.keys() if field.expression.reads is None else field.expression.reads
                    for name in {*reads, field.name}:
                        members.pop(name, None)
                elif field.replaces:
                    members.pop(field.name, None)
            return bytes(_ENCODE(self.guards.record(members, skip=(), removes=True)))
        except (msgspec.MsgspecError, Unwritable):
            return EMPTY

    def _mapped(self, members: dict[str, Raw]) -> dict[str, Any]:
        """Return the mapped record: computed values, and the JSON of others."""
        if self.entry.only_listed:
            result: dict[str, Any] = {name: members[name] for name in self._always if name in members}
        else:
            result = dict(members)
        record = self._record(members, self._reads) if self._reads != frozenset() else {}
        frame = new_frame(record, self.alias, self.source.name, self._variables)
        try:
            for name, expression, copies, uses_own in self._steps:
                if expression is None:
                    result.pop(name, None)
                elif copies is not None and copies in members:
                    result[name] = members[copies]
                else:
                    frame[OWN] = _EXACT(members[name]) if uses_own and name in members else ABSENT
                    value = expression.of(frame)
                    result[name] = _text(value) if name in self._texts else value
        except Uncomputable as error:
            raise self._unwritable(str(error)) from None
        return result

    def _record(self, members: Mapping[str, Raw], reads: frozenset[str] | None) -> dict[str, Any]:
        names = members if reads is None else [name for name in reads if name in members]
        return {name: _EXACT(members[name]) for name in names}

    def _passes(self, members: Mapping[str, Raw], expression: Expression) -> bool:
        record = self._record(members, expression.reads)
        try:
            return bool(expression(record, stream=self.alias, original_stream=self.source.name))
        except Uncomputable as error:
            raise self._unwritable(f"`{FILTER}`: {error}") from None

    def _unwritable(self, problem: str) -> Unwritable:
        key = ", ".join(f"`{'.'.join(path)}`" for path in self._key)
        return Unwritable(f"cannot be mapped: {problem}" + (f" (its key is {key})" if key else ""))

    def _error(self, *where: str, problem: str, hint: str | None = None) -> UsageError:
        is_own = self.entry.name == self.source.name or self.entry.is_copy
        about = f"{problem} (stream `{self.source}`)" if not is_own else problem
        return self._settings.error(self.entry.name, *where, problem=about, hint=hint)

    def _compiled(self, name: str, text: str) -> Expression:
        try:
            return compiled(text, self._scope, field=None if name == FILTER else name)
        except UsageError as error:
            raise self._error(name, problem=f"cannot be used: {error.message}", hint=error.hint) from None

    def _refuse_protected(self, schema: Mapping[str, Any]) -> None:
        """Raise UsageError for an expression that reads a field that a rule protects."""
        protected = self.guards.protected(schema, skip=self.entry.fields) if self.guards and self._reads else {}
        for field in self.fields:
            for name in (field.expression.reads or ()) if field.expression else ():
                if name in protected:
                    path = protected[name]
                    guard = self.guards.of(path)
                    rule = guard.rule.pattern if guard else ""
                    raise self._error(
                        field.name,
                        problem=f"reads `{name}`, but the rule `{rule}` protects `{'.'.join(path)}`",
                        hint=f"map `{name}` itself in the same entry: it replaces the rule there",
                    )

    def _schema(self, schema: Mapping[str, Any], primary_key: Keys) -> dict[str, Any]:
        guarded = self.guards.schema(schema, skip=self.entry.fields) if self.guards else schema
        known: Mapping[str, Any] = guarded.get("properties") or {}
        found = {**guarded, "properties": dict(known)}
        if self.entry.only_listed:
            keys = self.entry.keys if self.entry.keys is not None else [path[0] for path in primary_key if path]
            found = {name: guarded[name] for name in ("$schema", *_DEFINITIONS) if name in guarded}
            kept = {name: known[name] for name in (*keys, *_MARKS) if name in known}
            found |= {"type": "object", "properties": kept}
        properties = found["properties"]
        for field in self.fields if self._declares else ():
            if field.expression is None:
                properties.pop(field.name, None)
            else:
                properties[field.name] = nullable(self._type(field, field.expression, guarded, known))
        if isinstance(required := found.get("required"), list):
            found["required"] = [name for name in required if name in properties or name not in known]
        return found

    def _type(
        self, field: Field, expression: Expression, schema: Mapping[str, Any], known: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if expression.text.strip() in WHOLE:
            return schema
        if field.copies is not None:
            return self.declared[field.copies] if isinstance(self.declared[field.copies], Mapping) else {}
        old = known.get(field.name)
        return expression.schema or (old if isinstance(old, Mapping) else {"type": ["string"]})

    @property
    def _declares(self) -> bool:
        """False for streams without declared fields: beside a few computed columns, the rest would not be stored."""
        return bool(self.declared) or self.entry.only_listed

    def _is_default(self, field: Field, expression: Expression) -> bool:
        """Return True if the type of a computed field is not known, so that it is text, as with the SDK."""
        if expression.schema is not None or field.copies is not None or expression.text.strip() in WHOLE:
            return False
        return self._declares and not isinstance(self.declared.get(field.name), Mapping)

    def _own_key(self, mapped: Mapping[str, Any], primary_key: Keys) -> Keys:
        properties = mapped["properties"]
        if self.entry.keys is not None:
            for name in self.entry.keys:
                if name not in properties:
                    hint = did_you_mean(name, properties) or f"fields after the map: {', '.join(properties)}"
                    problem = f"names `{name}`, which is not a field of the mapped stream"
                    raise self._error("__key_properties__", problem=problem, hint=hint)
        key = primary_key if self.entry.keys is None else tuple((name,) for name in self.entry.keys)
        for path in key:
            self._require_key(path)
        return key

    def _require_key(self, path: Path) -> None:
        """Raise UsageError if the map removes a field of the key, or makes its values useless as a key."""
        text = self.entry.fields.get(path[0], "")
        guards = [guard for end in _ends(path) if (guard := self.guards.of(path[:end]))]
        if path[0] not in self.entry.fields and guards:
            text = guards[-1].rule.expression
        if text is None:
            hint = "keep it, or set another key with `__key_properties__` (`null` for none)"
            raise self._error(path[0], problem="removes a field of the stream's key", hint=hint)
        if wrong := re.search(r"\b(mask|encrypt)\s*\(", text):
            problem = (
                f"uses `{wrong[1]}` for a field of the stream's key, so that rows could not be told apart or found"
            )
            raise self._error(path[0], problem=problem, hint="use `hash`, which results in the same token every time")

    def _flattened(self, path: Path) -> Path:
        if self.flat is None or self._settings.flattening is None:
            return path
        names = [name for name, one in self.flat.columns.items() if one == path]
        if not names and self.flat.columns and path[0] in self.declared:
            problem = (
                f"has the field `{'.'.join(path)}` in its key or as its cursor, which is not one column when flattened"
            )
            raise self._error(problem=problem, hint="set another key with `__key_properties__`")
        return (names[0],) if names else (column(path, self._settings.flattening),)


def _text(value: Any) -> str | None:
    """Return a value for a field of type text: JSON for all that is not text, with the exact digits of numbers."""
    return value if value is None or isinstance(value, str) else _ENCODE(value).decode()


def _is_deleted(members: Mapping[str, Raw]) -> bool:
    """Return True for a row that was deleted: most of its fields are null, so a filter would keep it in the target."""
    return any(bytes(members.get(name, b"null")) != b"null" for name in _MARKS)


def _raw(value: Any) -> Raw:
    return value if isinstance(value, Raw) else Raw(_ENCODE(value))


def _ends(path: Path) -> range:
    return range(1, len(path) + 1)


def _union(expressions: Iterable[Expression]) -> frozenset[str] | None:
    """Return all fields that expressions read; None if one of them may read any."""
    found: frozenset[str] = frozenset()
    for expression in expressions:
        if expression.reads is None:
            return None
        found |= expression.reads
    return found
