"""Count the fields of records that their schema does not declare, and pass, remove, keep or refuse them."""

import functools
import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UsageError
from tapdock.project.model import UndeclaredFields
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.exclusion import DELETE_MARKS
from tapdock.protocol.json_pointer import referred
from tapdock.protocol.schema_edits import Fragment
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.rules import Unwritable

__all__ = [
    "EXTRA",
    "EXTRA_FRAGMENT",
    "OTHERS",
    "WATCHED",
    "Undeclared",
    "declared_names",
    "is_member",
    "require_no_extra",
    "watching",
    "with_extra",
]

EXTRA = "_undeclared"
"""The column for such fields with `undeclared_fields: json`: one object with all of them."""
OTHERS = "(other fields)"
"""The count of further names, if a stream has too many of them: names that are data must not fill the memory."""
WATCHED = 1_000
"""The number of records of a stream that are read to find such fields, where records are otherwise passed unread."""
EXTRA_FRAGMENT: Fragment = ((EXTRA,), {"type": ["null", "object"]})
_MOST_COUNTED = 200
_MOST_WARNED = 10
_MOST_LEARNED = 16
_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_MARKS = frozenset(name for (name,) in DELETE_MARKS)
_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_WAYS = {
    "pass": "it is passed on, but most targets drop such a field without an error",
    "drop": "it is removed",
    "json": f"it is written into the column `{EXTRA}`",
}


class Undeclared:
    """The fields of one stream that its schema does not declare. `types` are those of the declared fields, by name.

    They are counted in `tally.undeclared`. The stream's `policy` is None if the user did not choose one: then they are
    passed on, and the count may end after `WATCHED` records, if none of them has such a field.
    """

    def __init__(
        self, types: Mapping[str, Any], tally: Tally, notices: Notices, policy: UndeclaredFields | None
    ) -> None:
        # Both protocols know the marks of deletions. Without its mark, a deleted row would be written as a live one.
        known = {**dict.fromkeys(_MARKS, Raw), **types}
        self._types = {name: kind for name, kind in known.items() if name != EXTRA or policy != "json"}
        self._tally = tally
        self._notices = notices
        self._policy: UndeclaredFields = policy or "pass"
        self._may_end = policy is None
        self._learned: list[str] = []
        if tally.undeclared is None:
            tally.undeclared = {}
        self._counts = tally.undeclared

    @functools.cached_property
    def body(self) -> Any:
        """The type of a body with declared fields only, and with those that are known to be passed on."""
        parts = {f"f{place}": (name, kind) for place, (name, kind) in enumerate(self._types.items())}
        parts |= {f"u{place}": (name, Raw) for place, name in enumerate(self._learned)}
        # The type cannot have some names. A body that has one of them does not match, and is read field by field.
        found = {slot: (name, kind) for slot, (name, kind) in parts.items() if is_member(name)}
        return msgspec.defstruct(
            "Body",
            [(slot, kind, None) for slot, (_, kind) in found.items()],
            rename={slot: name for slot, (name, _) in found.items()},
            gc=False,
            forbid_unknown_fields=True,
        )

    @functools.cached_property
    def _values(self) -> Callable[[object], tuple[object, ...]]:
        """A function that returns the known fields of a body of the type, in order, and one more."""
        return operator.attrgetter("u0", *(f"u{place}" for place in range(1, len(self._learned))), "u0")

    @functools.cached_property
    def match(self) -> Callable[[bytes], object]:
        """A function that raises msgspec.MsgspecError unless a body has declared fields only, each of its type.

        Fields that are known to be passed on are counted.
        """
        decode: Callable[[bytes], object] = msgspec.json.Decoder(self.body).decode
        if not self._learned:
            return decode

        def counted(body: bytes) -> object:
            found = decode(body)
            self.count(found)
            return found

        return counted

    def is_of(self, tally: Tally) -> bool:
        return self._tally is tally

    @property
    def has_learned(self) -> bool:
        """True if bodies of the type may have fields that must be counted."""
        return bool(self._learned)

    def count(self, body: object) -> None:
        """Count the known fields of a body that was decoded by its type."""
        counts = self._counts
        for name, value in zip(self._learned, self._values(body), strict=False):
            if value is not None:
                counts[name] += 1

    def fits(self, body: bytes) -> bool:
        """Return True if a body needs no change, and nothing of it is left to count."""
        try:
            self.match(body)
        except msgspec.MsgspecError:
            return False
        return True

    @property
    def is_over(self) -> bool:
        """True if the stream need not be read any more. Then the count is not known, and the report has none."""
        if not self._may_end or self._counts or self._tally.came < WATCHED:
            return False
        self._tally.undeclared = None
        return True

    def handled(self, body: bytes) -> bytes:
        """Count the undeclared fields of a body that does not match, and return the body for the target.

        Raises Unwritable if the stream must not have such fields.
        """
        try:
            members = _OBJECT.decode(body)
        except msgspec.MsgspecError as error:
            if self._policy == "pass":
                return body
            raise Unwritable(f"cannot be read: {error}") from error
        names = [name for name in members if name not in self._types]
        if not names:
            return body
        for name in names:
            self._note(name)
        if self._policy == "pass":
            return body
        if self._policy == "fail":
            raise Unwritable(f"has {_listed(names)}, which its schema does not declare (`undeclared_fields: fail`)")
        moved = {name: members.pop(name) for name in names}
        if self._policy == "json":
            members[EXTRA] = Raw(_ENCODE(moved))
        return _ENCODE(members)

    def _note(self, name: str) -> None:
        counts, known = self._counts, len(self._counts)
        if name not in counts and known >= _MOST_COUNTED:
            name = OTHERS
        counts[name] = counts.get(name, 0) + 1
        if self._policy == "pass" and name != OTHERS and name not in self._learned:
            self._learn(name)
        if counts[name] == 1 and self._policy in _WAYS and known < _MOST_WARNED:
            key = self._tally.key
            what = f"stream `{key}`: records have the field `{name}`, which its schema does not declare: "
            self._notices.warn_once(what + _WAYS[self._policy], about=("undeclared", key, name))

    def _learn(self, name: str) -> None:
        if len(self._learned) < _MOST_LEARNED and is_member(name):
            self._learned.append(name)
            for built in ("body", "match", "_values"):
                self.__dict__.pop(built, None)


def watching(
    names: Collection[str] | None,
    tally: Tally,
    notices: Notices,
    policy: UndeclaredFields | None,
    *,
    keys: Iterable[str] = (),
) -> Undeclared | None:
    """Return what counts the other fields of a stream; None if it declares no names, or some records were not read.

    `keys` are the fields of its key and its cursor. They stay where they are, also if they are not declared.
    """
    if not names or (policy is None and tally.came and tally.undeclared is None):
        tally.undeclared = None
        return None
    known = {*names, *keys} if policy in ("drop", "json") else names
    return Undeclared(dict.fromkeys(known, Raw), tally, notices, policy)


def with_extra(streams: tuple[ConfiguredStream, ...], policy: UndeclaredFields | None) -> tuple[ConfiguredStream, ...]:
    """Return the streams of an Airbyte source with the column that `json` adds, if they declare any fields.

    `policy` is that of streams without one of their own.
    Raises UsageError for a stream that has a field of this name.
    """
    found = []
    for one in streams:
        if (one.undeclared or policy) == "json":
            require_no_extra(one.stream.key, declared_names(one.stream.json_schema) or ())
            if declared_names(one.landed().stream.json_schema):
                one = msgspec.structs.replace(one, fragments=(*one.fragments, EXTRA_FRAGMENT))
        found.append(one)
    return tuple(found)


def require_no_extra(key: StreamKey, names: Collection[str]) -> None:
    """Raise UsageError if a stream has a field with the name of the column."""
    if EXTRA in names:
        raise UsageError(
            f"stream `{key}` has a field `{EXTRA}`, which is the column of `undeclared_fields: json`",
            hint=f"write `{key}: {{undeclared_fields: pass}}` (or `drop`) under `streams` of the source",
        )


def declared_names(schema: Any) -> frozenset[str] | None:
    """Return the names of the fields that a schema declares, also in its alternatives; None if it declares none."""
    return frozenset(_names(schema, schema, set())) or None


def _names(schema: Any, root: Any, seen: set[str]) -> set[str]:
    """Return the names; the references in `seen` are not followed again, because schemas may double at each of them."""
    if not isinstance(schema, Mapping):
        return set()
    properties = schema.get("properties")
    found = set(properties) if isinstance(properties, Mapping) else set()
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        found |= _names(referred(root, reference), root, seen)
    for combination in _COMBINATIONS:
        branches = schema.get(combination)
        for branch in branches if isinstance(branches, list) else ():
            found |= _names(branch, root, seen)
    return found


def is_member(name: str) -> bool:
    """Return True if a type for a decoder can have a field of this name, which JSON need not escape."""
    return name.isprintable() and not {'"', "\\"} & set(name)


def _listed(names: list[str]) -> str:
    some = ", ".join(f"`{name}`" for name in names[:3])
    return f"the field{'s' * (len(names) > 1)} {some}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
