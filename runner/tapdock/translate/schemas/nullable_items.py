"""Allow null among the elements of arrays: databases have such arrays, and few taps declare it."""

import msgspec
from msgspec import Raw

__all__ = ["with_nullable_items"]

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_TYPE = msgspec.json.Decoder(str | list[str])
_Members = dict[str, Raw]


def with_nullable_items(schema: Raw) -> Raw:
    """Return a JSON schema in which elements of arrays with one declared type may also be null.

    All other parts keep their bytes. Returns the same object if nothing changes, also for what is not a schema.

    >>> bytes(with_nullable_items(Raw(b'{"items":{"type":"integer"},"multipleOf":1.50}')))
    b'{"items":{"type":["null","integer"]},"multipleOf":1.50}'
    """
    try:
        members = _OBJECT.decode(schema)
        changed = _changed(members)
    except (msgspec.MsgspecError, RecursionError):
        return schema
    return Raw(msgspec.json.encode({**members, **changed})) if changed else schema


def _changed(members: _Members) -> _Members:
    """Return the members of a schema that must be replaced."""
    changed: _Members = {}
    if "properties" in members:
        before = _OBJECT.decode(members["properties"])
        after = {name: with_nullable_items(inner) for name, inner in before.items()}
        if any(after[name] is not before[name] for name in before):
            changed["properties"] = Raw(msgspec.json.encode(after))
    items = members.get("items")
    if items is not None and bytes(items)[:1] == b"{":
        inner = _OBJECT.decode(with_nullable_items(items))
        wider = _nullable(inner)
        if wider is not inner or inner != _OBJECT.decode(items):
            changed["items"] = Raw(msgspec.json.encode(wider))
    return changed


def _nullable(items: _Members) -> _Members:
    """Return the schema of elements with null among its types, first. Without a type, or with an `enum`, it stays."""
    if "type" not in items or "enum" in items:
        return items
    kind = _TYPE.decode(items["type"])
    kinds = kind if isinstance(kind, list) else [kind]
    if "null" in kinds:
        return items
    return {**items, "type": Raw(msgspec.json.encode(["null", *kinds]))}
