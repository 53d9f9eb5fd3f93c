"""Find the variables to which parts of a project file refer."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tapdock.project.builtin import NAMES
from tapdock.project.interpolate import REFERENCE

__all__ = ["used_variables"]

_GROUPS = ("sources", "mappers", "targets", "tasks", "pipelines", "jobs", "schedules")


def used_variables(tree: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """Return the variables that these entries, and what is outside of all entries, need. `vars:` are not among them."""
    kept = {
        key: {name: entry for name, entry in value.items() if name in names}
        if key in _GROUPS and isinstance(value, Mapping)
        else value
        for key, value in tree.items()
    }
    found = sorted(set(_references(kept)))
    return tuple(name for name in found if name not in (tree.get("vars") or {}) and name not in NAMES)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, str):
        yield from (match["name"] for match in REFERENCE.finditer(value) if match["name"] and not match["escaped"])
