"""Keys of the project file that have several names. An old name works with a warning."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.layers import Layer, Path, dotted

__all__ = ["OLD_NAMES", "OTHER_NAMES", "renamed"]

OLD_NAMES: Mapping[str, Mapping[str, str]] = {"pipelines": {"on_schema_change": "late_schema"}}
"""By the block of the file: old names of its entries' keys, and the new ones."""

OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "sources": {"stream_maps": "maps"},
    "pipelines": {"stream_maps": "maps"},
}
"""Names that keys also have, because other programs use them."""


def renamed(layer: Layer, *, replaces: bool = False) -> tuple[Layer, tuple[str, ...]]:
    """Return the layer with the new names, and a warning for each old one.

    Raises UsageError if an entry has both names. With `replaces`, the old name is from a variable, which has priority.
    """
    tree, origins = layer.tree, dict(layer.origins)
    notes = []
    for place in _places(layer.tree):
        group, old = str(place[-3]), str(place[-1])
        is_old = old in OLD_NAMES.get(group, {})
        new = OLD_NAMES[group][old] if is_old else OTHER_NAMES[group][old]
        path = (*place[:-1], new)
        origin = origins.pop(place, "tapdock.yaml")
        if _at(tree, path) is not None and not replaces:
            same = f"is the old name of `{new}`" if is_old else f"means the same as `{new}`"
            raise UsageError(f"{origin}: `{dotted(place)}` {same}", hint="remove one of the two")
        tree = _moved(tree, place, new)
        origins[path] = origin
        inner = {each: at for each, at in origins.items() if each[: len(place)] == place}
        origins = {each: at for each, at in origins.items() if each not in inner}
        origins |= {(*path, *each[len(place) :]): at for each, at in inner.items()}
        notes += [f"warning: {origin}: `{old}` is now `{new}`: rename it"] if is_old else []
    return Layer(tree, origins), tuple(notes)


def _places(tree: Mapping[str, Any]) -> list[Path]:
    """Return the path of each old name, at the top and in environments."""
    environments = tree.get("environments")
    blocks: list[Path] = [()]
    if isinstance(environments, dict):
        blocks += [("environments", name) for name in environments]
    places: list[Path] = []
    for block in blocks:
        for group, names in _names().items():
            entries = _at(tree, (*block, group))
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                places += [(*block, group, name, old) for old in names if isinstance(entry, dict) and old in entry]
    return places


def _names() -> dict[str, set[str]]:
    """Return all names of keys but their own ones, by the block of the file."""
    groups = OLD_NAMES.keys() | OTHER_NAMES.keys()
    return {group: {*OLD_NAMES.get(group, {}), *OTHER_NAMES.get(group, {})} for group in sorted(groups)}


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
