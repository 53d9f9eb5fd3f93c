"""Layers: values of the project file, each with its origin; one layer can be merged over another."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["Layer", "Path", "cut", "dotted", "merge", "relabelled", "walk"]

Path = tuple[str | int, ...]


class Layer(msgspec.Struct, frozen=True):
    """A tree of plain values; `origins` maps each path to where it was written (`tapdock.yaml:12`)."""

    tree: dict[str, Any] = msgspec.field(default_factory=dict)
    origins: Mapping[Path, str] = msgspec.field(default_factory=dict)


def dotted(path: Path) -> str:
    """`("sources", "faker", "streams", "public.users")` -> `sources.faker.streams."public.users"`."""
    return ".".join(f'"{part}"' if "." in str(part) else str(part) for part in path)


def merge(base: Layer, over: Layer) -> Layer:
    """Return both layers as one. Mappings are merged deeply; any other value of `over` replaces that of `base`."""
    origins = {path: origin for path, origin in base.origins.items() if not _replaced(path, base, over)}
    return Layer(_merged(base.tree, over.tree), {**over.origins, **origins})


def _replaced(path: Path, base: Layer, over: Layer) -> bool:
    """Return True if `over` replaces the value at `path`, or a value around it."""
    old: Any = base.tree
    new: Any = over.tree
    for part in path:
        if not isinstance(new, dict) or not isinstance(old, dict):
            return True
        if part not in new:
            return False
        old, new = old.get(part), new[part]
    return not (isinstance(old, dict) and isinstance(new, dict))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = _merged(old, value)
        else:
            result[key] = value
    return result


def cut(layer: Layer, path: Path) -> Layer:
    """Return the part of a layer below `path` as a new layer; an empty layer if there is no mapping."""
    tree: Any = layer.tree
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    depth = len(path)
    below = {
        known[depth:]: origin for known, origin in layer.origins.items() if len(known) > depth and known[:depth] == path
    }
    return Layer(tree, below) if isinstance(tree, dict) else Layer()


def relabelled(layer: Layer, prefix: str) -> Layer:
    """Return the same layer with origins such as `environment prod (tapdock.yaml:40)`."""
    return Layer(layer.tree, {path: f"{prefix} ({origin})" for path, origin in layer.origins.items()})


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each leaf of a tree with its path; an empty mapping or list is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from walk(inner, (*path, index))
    else:
        yield path, value
