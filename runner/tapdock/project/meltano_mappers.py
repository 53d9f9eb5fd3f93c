"""The mappings of a Meltano mapper, and what a job names to use it."""

from typing import Any

from tapdock.project.meltano_settings import Plugin

__all__ = ["mappings_of", "names_of"]


def mappings_of(plugin: Plugin) -> list[dict[str, Any]]:
    """Return the mappings with their settings; none for a mapper that has only its own `config`."""
    return [{"name": str(one["name"]), "config": one.get("config") or {}} for one in plugin.get("mappings") or ()]


def names_of(plugin: Plugin) -> list[str]:
    """Return the names by which a job uses a mapper: those of its mappings, or its own without any."""
    return [one["name"] for one in mappings_of(plugin)] or [plugin.name]
