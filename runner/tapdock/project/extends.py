"""Give connectors the keys of the connector that their `extends` names."""

from typing import Any

from tapdock.project.fields import Field, did_you_mean
from tapdock.project.layers import Layer, Path, cut, merge

__all__ = ["extended"]

_OTHERS = {"sources": "targets", "targets": "sources"}
_PROGRAM = ("image", "build", "manifest")
"""Keys that say which program a connector is. One that has its own gets none of them from another."""


def extended(layer: Layer, label: str) -> Layer:
    """Return the layer in which each connector also has the keys of the one that it extends.

    Mappings in `config` are merged, every other key is replaced. Raises UsageError for an unknown name or a circle.
    """
    for group in _OTHERS:
        entries = layer.tree.get(group)
        if not isinstance(entries, dict) or not any(_names(entry) for entry in entries.values()):
            continue
        whole: dict[str, Layer] = {}
        for name in entries:
            _resolve(layer, group, name, whole, (), label)
        tree = {name: whole[name].tree if name in whole else entry for name, entry in entries.items()}
        origins = {path: origin for path, origin in layer.origins.items() if path[0] != group or path[1:2] == ()}
        for name in entries:
            own = {path: origin for path, origin in layer.origins.items() if path[:2] == (group, name)}
            inner = whole[name].origins if name in whole else {}
            origins |= own | {(group, name, *path): origin for path, origin in inner.items()}
        layer = Layer({**layer.tree, group: tree}, origins)
    return layer


def _names(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("extends") is not None


def _resolve(layer: Layer, group: str, name: str, whole: dict[str, Layer], below: tuple[str, ...], label: str) -> Layer:
    """Return the connector with everything that it extends. `below` are the connectors that extend it."""
    if name in whole:
        return whole[name]
    own = cut(layer, (group, name))
    if not _names(layer.tree[group][name]):
        return own
    entry = Field(layer.tree[group][name], (group, name), layer.origins, label)
    field = entry.child("extends")
    base = field.text()
    if base in (*below, name):
        chain = " -> ".join((*below, name, base))
        raise field.error(f"leads back to `{base}`: {chain}", hint="remove `extends` from one of them")
    if base not in layer.tree[group]:
        raise _unknown(field, base, layer, group)
    whole[name] = _over(_resolve(layer, group, base, whole, (*below, name), label), own)
    return whole[name]


def _unknown(field: Field, base: str, layer: Layer, group: str) -> Exception:
    if base in (layer.tree.get(_OTHERS[group]) or ()):
        return field.error(f"names `{base}`, which is a {_OTHERS[group][:-1]}, not a {group[:-1]}")
    known = layer.tree[group]
    hint = did_you_mean(base, known) or f"known {group}: {', '.join(known)}"
    return field.error(f"names `{base}`, but there is no such {group[:-1]}", hint=hint)


def _over(base: Layer, own: Layer) -> Layer:
    """Return a connector over the one that it extends."""
    replaced = {key for key in own.tree if key != "config" or not isinstance(own.tree[key], dict)} | {"extends"}
    if not replaced.isdisjoint(_PROGRAM):
        replaced |= set(_PROGRAM)
    tree = {key: value for key, value in base.tree.items() if key not in replaced}
    kept: dict[Path, str] = {path: origin for path, origin in base.origins.items() if path[0] not in replaced}
    return merge(Layer(tree, kept), own)
