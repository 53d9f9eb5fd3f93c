"""Find what plugins of a Meltano project inherit from others, and what its environments change of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Change", "changed", "inherited"]

Plugin = Mapping[str, Any]


class Change(NamedTuple):
    """What an environment changes of one plugin; `select` is None if it changes no selection."""

    config: dict[str, Any]
    select: list[str] | None


def inherited(name: str, plugins: Mapping[str, Plugin]) -> dict[str, Any]:
    """Return a plugin with all that it inherits. Its own keys have priority, and in `config` its own settings."""
    whole: dict[str, Any] = {}
    for each in reversed(_line_of(name, plugins)):
        config = {**(whole.get("config") or {}), **(plugins[each].get("config") or {})}
        whole = {**whole, **plugins[each], **({"config": config} if config else {})}
    return whole


def changed(environment: Mapping[str, Any], kind: str, plugins: Mapping[str, Plugin]) -> dict[str, Change]:
    """Return the changes of an environment by plugin, also of plugins that inherit them.

    A setting of a plugin itself has priority over what an environment changes of its parents, as in Meltano.
    """
    given = (environment.get("config") or {}).get("plugins") or {}
    changes = {plugin["name"]: plugin for plugin in given.get(kind) or []}
    found: dict[str, Change] = {}
    for name in dict.fromkeys((*plugins, *changes)):
        config: dict[str, Any] = {}
        select: list[str] | None = None
        for each in reversed(_line_of(name, plugins)):
            own, change = plugins.get(each) or {}, changes.get(each) or {}
            config = {key: value for key, value in config.items() if key not in (own.get("config") or {})}
            config |= change.get("config") or {}
            select = change.get("select") or (None if own.get("select") else select)
        if config or select:
            found[name] = Change(config, select)
    return found


def _line_of(name: str, plugins: Mapping[str, Plugin]) -> list[str]:
    """Return a plugin's name and the names of its parents, the nearest first."""
    line = [name]
    while True:
        parent = (plugins.get(line[-1]) or {}).get("inherit_from")
        if not isinstance(parent, str) or parent not in plugins or parent in line:
            return line
        line.append(parent)
