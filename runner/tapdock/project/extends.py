"""Give connectors the keys of the connector that their `extends` names."""

from typing import Any

from tapdock.project.fields import Field, did_you_mean
from tapdock.project.layers import Layer, Path, merge

__all__ = ["extended", "with_inherited"]

_GROUPS = ("sources", "mappers", "targets")
_PROGRAM = ("image", "build", "manifest")
"""Keys that say which program a connector is. One that has its own gets none of them from another."""
_MERGED = ("config", "maps", "stream_map_config")
"""Keys whose mappings are merged. A map that protects people is not lost when another one is added."""


def extended(layer: Layer, label: str) -> Layer:
    """Return the layer in which each connector also has the keys of the one that it extends.

    Mappings in `config` and of maps are merged, every other key is replaced. Raises UsageError for an unknown name or a
    circle.
    """
    for group in _GROUPS:
        entries = layer.tree.get(group)
        if not isinstance(entries, dict) or not any(_names(entry) for entry in entries.values()):
            continue
        extending = _Extending(group, layer, label)
        whole = {name: extending.whole(name, ()) for name, entry in entries.items() if _names(entry)}
        tree = {name: whole[name].tree if name in whole else entry for name, entry in entries.items()}
        origins = {(group, name, *path): at for name, made in whole.items() for path, at in made.origins.items()}
        layer = Layer({**layer.tree, group: tree}, {**layer.origins, **origins})
    return layer


def with_inherited(layer: Layer, path: Path, label: str) -> Layer:
    """Return the layer in which a connector itself has the inherited value of the key that `path` leads into."""
    entries = layer.tree.get(str(path[0])) if path[0] in _GROUPS and len(path) > 2 else None
    entry = entries.get(path[1]) if isinstance(entries, dict) else None
    if not _names(entry) or path[2] == "extends" or (len(path) == 3 and path[2] in _PROGRAM):
        return layer
    keys = _PROGRAM if path[2] in _PROGRAM else (path[2],)
    whole = extended(layer, label)
    group, name = str(path[0]), str(path[1])
    found = {key: value for key, value in whole.tree[group][name].items() if key in keys}
    origins = {
        known: at for known, at in whole.origins.items() if known[:2] == path[:2] and known[2:3] and known[2] in keys
    }
    return merge(layer, Layer({group: {name: found}}, origins))


def _names(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("extends") is not None


class _Extending:
    """The connectors of one role. Each is made whole once."""

    def __init__(self, group: str, layer: Layer, label: str) -> None:
        self._group = group
        self._layer = layer
        self._label = label
        self._entries = layer.tree[group]
        self._whole: dict[str, Layer] = {}
        self._origins: dict[Any, dict[Path, str]] = {}
        for path, origin in layer.origins.items():
            if path[0] == group and len(path) > 2:
                self._origins.setdefault(path[1], {})[path[2:]] = origin

    def whole(self, name: str, below: tuple[str, ...]) -> Layer:
        """Return a connector with everything that it extends. `below` are the connectors that extend it."""
        entry = self._entries[name]
        own = Layer(entry if isinstance(entry, dict) else {}, self._origins.get(name, {}))
        if name in self._whole or not _names(entry):
            return self._whole.get(name, own)
        field = Field(entry, (self._group, name), self._layer.origins, self._label).child("extends")
        base = field.text()
        if base in (*below, name):
            chain = " -> ".join((*below, name, base))
            raise field.error(f"leads back to `{base}`: {chain}", hint="remove `extends` from one of them")
        if base not in self._entries:
            raise _unknown(field, base, self._layer, self._group)
        self._whole[name] = _over(self.whole(base, (*below, name)), own)
        return self._whole[name]


def _unknown(field: Field, base: str, layer: Layer, group: str) -> Exception:
    for other in _GROUPS:
        if other != group and base in (layer.tree.get(other) or ()):
            return field.error(f"names `{base}`, which is a {other[:-1]}, not a {group[:-1]}")
    known = layer.tree[group]
    hint = did_you_mean(base, known) or f"known {group}: {', '.join(known)}"
    return field.error(f"names `{base}`, but there is no such {group[:-1]}", hint=hint)


def _over(base: Layer, own: Layer) -> Layer:
    """Return a connector over the one that it extends."""
    replaced = {key for key in own.tree if key not in _MERGED or not isinstance(own.tree[key], dict)} | {"extends"}
    if not replaced.isdisjoint(_PROGRAM):
        replaced |= set(_PROGRAM)
    tree = {key: value for key, value in base.tree.items() if key not in replaced}
    kept: dict[Path, str] = {path: origin for path, origin in base.origins.items() if path[0] not in replaced}
    return merge(Layer(tree, kept), own)
