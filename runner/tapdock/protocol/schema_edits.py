"""Edit the JSON schema of a stream as text: remove excluded fields, and merge a user's fragments over single fields.

Only the parts that change are decoded, so that every other number keeps its digits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.json_pointer import parts
from tapdock.protocol.patterns import Path

__all__ = ["Fragment", "merged", "pruned"]

Fragment = tuple[Path, Mapping[str, Any]]
"""A field, and the keywords of JSON Schema that replace those that the source declares for it."""
_Members = dict[str, Raw]
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_OF_TYPES = ("format", "airbyte_type", "contentEncoding", "$ref", *_ALTERNATIVES)
"""Keywords that belong to a declared type: they go when a fragment has another `type`."""
_DEEPEST = 40


def pruned(schema: bytes | Raw, exclusion: Exclusion, *, strict: bool = False) -> tuple[bytes, tuple[str, ...]]:
    """Return a schema without the excluded fields, and the fields that it had.

    A definition that several fields share is copied into the field that loses a part of it. If `strict`, raises
    MsgspecError for a schema that is not an object with an object of properties.
    """
    text = bytes(schema)
    if not exclusion:
        return text, ()
    if strict:
        msgspec.json.decode(msgspec.json.decode(text, type=_Members).get("properties", Raw(b"{}")), type=_Members)
    found: dict[str, None] = {}
    new = _Pruning(text, exclusion, found).schema(text, (), ())
    return (new if found else text), tuple(found)


class _Pruning:
    def __init__(self, root: bytes, exclusion: Exclusion, found: dict[str, None]) -> None:
        self._root = root
        self._exclusion = exclusion
        self._found = found

    def schema(self, text: bytes, path: Path, seen: tuple[str, ...]) -> bytes:
        """Return the schema of the value at `path`; the same object if nothing changes. `seen` are references."""
        if text[:1] != b"{" or len(path) + len(seen) > _DEEPEST:
            return text
        members = msgspec.json.decode(text, type=_Members)
        changed = self._followed(members, path, seen)
        if (properties := members.get("properties")) and bytes(properties)[:1] == b"{":
            new = self._properties(bytes(properties), path, seen)
            if new is not None:
                before = msgspec.json.decode(properties, type=_Members).keys()
                members["properties"] = Raw(msgspec.json.encode(new))
                _not_required(members, before - new.keys())
                changed = True
        for name in ("items", *_ALTERNATIVES):
            if name in members:
                old = bytes(members[name])
                inner = self._each(old, path, seen)
                if inner is not old:
                    members[name] = Raw(inner)
                    changed = True
        return msgspec.json.encode(members) if changed else text

    def _followed(self, members: _Members, path: Path, seen: tuple[str, ...]) -> bool:
        """Put the definition to which a schema refers into its members, if it has an excluded field."""
        raw = members.get("$ref")
        reference = msgspec.json.decode(raw) if raw else None
        if not isinstance(reference, str) or reference in seen:
            return False
        definition = _referred(self._root, reference)
        if definition is None:
            return False
        new = self.schema(definition, path, (*seen, reference))
        if new is definition:
            return False
        del members["$ref"]
        inlined = msgspec.json.decode(new, type=_Members)
        members.update({name: value for name, value in inlined.items() if name not in members})
        return True

    def _properties(self, text: bytes, path: Path, seen: tuple[str, ...]) -> _Members | None:
        kept: _Members = {}
        changed = False
        for name, raw in msgspec.json.decode(text, type=_Members).items():
            within = (*path, name)
            verdict = self._exclusion.verdict(within)
            if verdict == "remove":
                self._found[".".join(within)] = None
                changed = True
                continue
            old = bytes(raw)
            new = self.schema(old, within, seen) if verdict == "enter" else old
            changed = changed or new is not old
            kept[name] = Raw(new)
        return kept if changed else None

    def _each(self, text: bytes, path: Path, seen: tuple[str, ...]) -> bytes:
        """Return a schema, or a list of schemas, of the same field."""
        if text[:1] != b"[":
            return self.schema(text, path, seen)
        old = [bytes(one) for one in msgspec.json.decode(text, type=list[Raw])]
        new = [self.schema(one, path, seen) for one in old]
        same = all(after is before for after, before in zip(new, old, strict=True))
        return text if same else b"[" + b",".join(new) + b"]"


def _not_required(members: _Members, removed: set[str]) -> None:
    raw = members.get("required")
    if raw is not None and bytes(raw)[:1] == b"[":
        kept = [name for name in msgspec.json.decode(raw) if not isinstance(name, str) or name not in removed]
        members["required"] = Raw(msgspec.json.encode(kept))
        if not kept:
            del members["required"]


def _referred(root: bytes, reference: str) -> bytes | None:
    """Return the text of a definition in the same document; None if there is none."""
    if not reference.startswith("#"):
        return None
    text = root
    for part in parts(reference[1:]):
        try:
            text = bytes(msgspec.json.decode(text, type=_Members)[part])
        except (msgspec.MsgspecError, KeyError):
            return None
    return text


def merged(schema: bytes | Raw, fragments: Sequence[Fragment]) -> bytes:
    """Return a schema in which the keywords of fragments replace those of their fields; None removes a keyword.

    A field that the schema does not declare is added. Raises MsgspecError.
    """
    text = bytes(schema)
    for path, fragment in fragments:
        text = _with_fragment(text, text, path, fragment)
    return text


def _with_fragment(
    text: bytes, root: bytes, path: Path, fragment: Mapping[str, Any], seen: tuple[str, ...] = ()
) -> bytes:
    """`seen` are the references that were followed to the value at hand: a schema may refer to itself."""
    members = msgspec.json.decode(text, type=_Members) if text[:1] == b"{" else {}
    if not path:
        replaced = {*fragment, *(_OF_TYPES if "type" in fragment else ())}
        kept = {name: raw for name, raw in members.items() if name not in replaced}
        return msgspec.json.encode({**kept, **{name: one for name, one in fragment.items() if one is not None}})
    members, seen = _inlined(members, root, seen)
    name, *rest = path
    for around in ("items", *_ALTERNATIVES):
        if "properties" not in members and around in members:
            inner = bytes(members[around])
            if inner[:1] == b"{" and not _is_seen(inner, seen):
                members[around] = Raw(_with_fragment(inner, root, path, fragment, seen))
                return msgspec.json.encode(members)
            branches = [bytes(one) for one in msgspec.json.decode(inner, type=list[Raw])] if inner[:1] == b"[" else []
            having = [at for at, one in enumerate(branches) if _has_fields(one, root, seen)]
            owners = [at for at in having if _has_field(branches[at], root, name, seen)]
            place = next(iter((*owners, *having)), None)
            if place is not None:
                branches[place] = _with_fragment(branches[place], root, path, fragment, seen)
                members[around] = Raw(b"[" + b",".join(branches) + b"]")
                return msgspec.json.encode(members)
    properties = msgspec.json.decode(members.get("properties", Raw(b"{}")), type=_Members)
    properties[name] = Raw(_with_fragment(bytes(properties.get(name, Raw(b"{}"))), root, tuple(rest), fragment))
    return msgspec.json.encode({**members, "properties": Raw(msgspec.json.encode(properties))})


def _reference(members: _Members) -> str | None:
    reference = msgspec.json.decode(members["$ref"]) if "$ref" in members else None
    return reference if isinstance(reference, str) else None


def _is_seen(text: bytes, seen: tuple[str, ...]) -> bool:
    return _reference(msgspec.json.decode(text, type=_Members)) in seen


def _inlined(members: _Members, root: bytes, seen: tuple[str, ...]) -> tuple[_Members, tuple[str, ...]]:
    """Return the members with those of the definition to which they refer, and the references followed so far."""
    reference = _reference(members)
    definition = _referred(root, reference) if reference is not None and reference not in seen else None
    if reference is None or definition is None or definition[:1] != b"{":
        return members, seen
    own = {name: raw for name, raw in members.items() if name != "$ref"}
    return {**msgspec.json.decode(definition, type=_Members), **own}, (*seen, reference)


def _has_field(text: bytes, root: bytes, name: str, seen: tuple[str, ...]) -> bool:
    """Return True if a schema, or the elements of its arrays, has a field with this name."""
    members, seen = _inlined(msgspec.json.decode(text, type=_Members), root, seen)
    properties = bytes(members.get("properties", b""))
    if properties[:1] == b"{":
        return name in msgspec.json.decode(properties, type=_Members)
    items = bytes(members.get("items", b""))
    return items[:1] == b"{" and not _is_seen(items, seen) and _has_field(items, root, name, seen)


def _has_fields(text: bytes, root: bytes, seen: tuple[str, ...]) -> bool:
    if text[:1] != b"{":
        return False
    members, _ = _inlined(msgspec.json.decode(text, type=_Members), root, seen)
    return "properties" in members or "items" in members
