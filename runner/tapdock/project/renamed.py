"""Keys of the project file that have a new name. The old name works, with a warning."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.layers import Layer, Path, dotted

__all__ = ["OLD_NAMES", "renamed"]

OLD_NAMES: Mapping[str, Mapping[str, str]] = {"pipelines": {"on_schema_change": "late_schema"}}
"""By the block of the file: old names of its entries' keys, and the new ones."""


def renamed(layer: Layer, *, replaces: bool = False) -> tuple[Layer, tuple[str, ...]]:
    """Return the layer with the new names, and a warning for each old one.

    Raises UsageError if an entry has both names. With `replaces`, the old name is from a variable, which has priority.
    """
    tree, origins = layer.tree, dict(layer.origins)
    notes = []
    for place in _places(layer.tree):
        old, new = str(place[-1]), OLD_NAMES[str(place[-3])][str(place[-1])]
        path = (*place[:-1], new)
        origin = origins.pop(place, "tapdock.yaml")
        if _at(tree, path) is not None and not replaces:
            raise UsageError(f"{origin}: `{dotted(place)}` is the old name of `{new}`", hint="remove one of the two")
        tree = _moved(tree, place, new)
        origins[path] = origin
        notes.append(f"warning: {origin}: `{old}` is now `{new}`: rename it")
    return Layer(tree, origins), tuple(notes)


def _places(tree: Mapping[str, Any]) -> list[Path]:
    """Return the path of each old name, at the top and in environments."""
    environments = tree.get("environments")
    blocks: list[Path] = [()]
    if isinstance(environments, dict):
        blocks += [("environments", name) for name in environments]
    places: list[Path] = []
    for block in blocks:
        for group, names in OLD_NAMES.items():
            entries = _at(tree, (*block, group))
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                places += [(*block, group, name, old) for old in names if isinstance(entry, dict) and old in entry]
    return places


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _moved(tree: dict[str, Any], place: Path, new: str) -> dict[str, Any]:
    """Return the tree with the value at `place` under its new name."""
    key = str(place[0])
    if len(place) > 1:
        return {**tree, key: _moved(tree[key], place[1:], new)}
    return {**{name: value for name, value in tree.items() if name not in (key, new)}, new: tree[key]}
