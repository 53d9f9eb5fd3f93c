"""The fields that a JSON schema declares, also inside of nested objects and of arrays of objects."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tapdock.protocol.json_pointer import referred
from tapdock.protocol.patterns import Path

__all__ = ["breadcrumbs", "declared_fields", "field_path", "is_open"]

_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_MOST = 20_000
_DEEPEST = 20


def declared_fields(schema: Mapping[str, Any]) -> dict[Path, Any]:
    """Return the schema of each declared field by its path, each before the fields inside of it.

    A schema that refers to itself is followed once. Fields beyond the 20,000th are left out.

    >>> list(declared_fields({"properties": {"a": {"items": {"properties": {"b": {}}}}, "c": {}}}))
    [('a',), ('a', 'b'), ('c',)]
    """
    found: dict[Path, Any] = {}
    for path, _, field in islice(_fields(schema, schema, (), (), ()), _MOST):
        found.setdefault(path, field)
    return found


def breadcrumbs(schema: Mapping[str, Any]) -> dict[tuple[str, ...], Path]:
    """Return the path of each declared field by its place in a Singer catalog's metadata.

    >>> breadcrumbs({"properties": {"a": {"properties": {"b": {}}}}})
    {('properties', 'a'): ('a',), ('properties', 'a', 'properties', 'b'): ('a', 'b')}
    """
    return {place: path for path, place, _ in islice(_fields(schema, schema, (), (), ()), _MOST)}


def field_path(breadcrumb: tuple[str, ...]) -> Path:
    """Return the path of the field that metadata of a Singer catalog is about.

    >>> field_path(("properties", "a", "items", "properties", "b"))
    ('a', 'b')
    """
    parts = iter(breadcrumb)
    names = (next(parts, None) for part in parts if part == "properties")
    return tuple(name for name in names if name is not None)


def _fields(
    schema: Any, root: Mapping[str, Any], path: Path, place: tuple[str, ...], seen: tuple[str, ...]
) -> Iterator[tuple[Path, tuple[str, ...], Any]]:
    if not isinstance(schema, Mapping) or len(path) >= _DEEPEST:
        return
    properties = schema.get("properties")
    for name, field in properties.items() if isinstance(properties, Mapping) else ():
        within, at = (*path, name), (*place, "properties", name)
        yield within, at, field
        yield from _fields(field, root, within, at, seen)
    for name in ("items", *_COMBINATIONS):
        inner = schema.get(name)
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _fields(one, root, path, (*place, "items") if name == "items" else place, seen)
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        yield from _fields(referred(root, reference), root, path, place, (*seen, reference))


def is_open(schema: Any) -> bool:
    """Return True if a value may be an object whose fields are not declared."""
    if not isinstance(schema, Mapping):
        return True
    kind = schema.get("type", "object")
    return not {"object", "array"}.isdisjoint(kind if isinstance(kind, list) else [kind])
