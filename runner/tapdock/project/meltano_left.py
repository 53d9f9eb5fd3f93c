"""List what a Meltano project has beside its extractors, loaders, jobs and schedules: tapdock has no place for it."""

import re
import shlex
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_places import Places
from tapdock.project.meltano_settings import EXTRAS, Plugin, variable_of
from tapdock.project.meltano_states import PLACES, place_of_states
from tapdock.project.meltano_tasks import TASKS

__all__ = ["others"]

_ROOT = {
    *("version", "default_environment", "environments", "plugins", "jobs", "schedules", "include_paths", "env"),
    *("state_backend", "annotations", "project_id", "send_anonymous_usage_stats", "requires_meltano", "hub_url"),
    "database_uri",
}
_PLUGIN = {
    *("name", "namespace", "variant", "pip_url", "executable", "config", "capabilities", "settings", "label", "python"),
    *("inherit_from", "description", "repo", "logo_url", "docs", "maintenance_status", "keywords", "hidden", "env"),
    *("settings_group_validation", "domain_url", "definition", "ext_repo", "usage", "prereq", "quality", "hub_url"),
    *(
        "dialect",
        "target_schema",
        "requires_meltano",
        "supported_python_versions",
        "plugin_type",
        "log_parser",
        "annotations",
    ),
}
_SOURCE = set(EXTRAS)
_DATABASES = ("postgresql", "postgres", "mssql")
"""Meltano's system database on a server, which `tapdock state import` does not read."""


def others(files: Files, plugins: Mapping[str, Mapping[str, Plugin]], notes: Notes, folder: Path) -> None:
    """Add a line for each thing that is not carried over."""
    tree, places = files.tree, Places(files, notes, folder)
    for key in tree:
        if key not in _ROOT:
            notes.add(f"`{key}`", key)
    for kind, entries in (tree.get("plugins") or {}).items():
        if kind not in plugins:
            for place, entry in enumerate(entries or []):
                _other(kind, entry, notes, "plugins", kind, place)
    for each in plugins.values():
        for plugin in each.values():
            _plugin(plugin, files, notes, places)
    _environments(files, plugins, notes, places)
    if names := sorted({name for block in (tree, *_blocks(tree)) for name in block.get("env") or ()}):
        notes.add(
            f"the priority of `env` ({', '.join(names)}): variables of the environment and of `.env` go first now",
            "env",
        )
    for plugin_name, setting in files.stored:
        what = f"`{setting}` of {plugin_name}" if plugin_name else f"`{setting}`"
        notes.add(f"{what}, which is set in the system database: `meltano config list {plugin_name}` shows it")
    if files.variables and folder.absolute() != files.folder.absolute():
        notes.add(f"`.env`: copy it from {files.folder} into the folder of the new project")
    if plugins["extractors"] and plugins["loaders"]:  # without a pair there is no state
        _states(files, folder, notes)


def _states(files: Files, folder: Path, notes: Notes) -> None:
    given = {name: files.variables[name] for name in PLACES if name in files.variables}
    place = place_of_states(files, folder, given)
    shown = re.sub(r"//[^/]*@", "//", place)  # the address may contain a password
    path = ("state_backend", "uri") if files.tree.get("state_backend") else ("database_uri",)
    if urlsplit(place).scheme.partition("+")[0] in _DATABASES:
        hint = "`meltano state get NAME | tapdock state import - NAME --format meltano`"
        notes.add(f"states, which are in the database {shown}: import each of them with {hint}", *path)
    else:
        notes.add(f"states: import them with `tapdock state import {shlex.quote(shown)} --format meltano`", *path)


def _other(kind: str, entry: Mapping[str, Any], notes: Notes, *path: str | int) -> None:
    notes.add(f"`{entry['name']}` of {kind}", *path)
    for name in entry.get("commands") or ():
        notes.add(f"the command `{entry['name']}:{name}`", *path, "commands", name)


def _plugin(plugin: Plugin, files: Files, notes: Notes, places: Places) -> None:
    name, entry, base = plugin.name, plugin.line[0], plugin.line[-1]
    more: dict[str, Set[str]] = {"extractors": _SOURCE, "mappers": {"mappings"}}
    more |= {kind: {"commands"} for kind in TASKS}
    known = _PLUGIN | more.get(plugin.kind, set())
    for key in entry:
        if key not in known and not key.startswith("_"):
            notes.add(f"`{key}` of {name}", *plugin.path, key)
    if plugin.lock is None and base.get("variant") and not base.get("namespace"):
        file = f"plugins/{plugin.kind}/{base.get('inherit_from') or base['name']}--{base['variant']}.lock"
        notes.add(f"the defaults of {name}: there is no {file}, which `meltano lock` writes", *plugin.path)
    for line in _variables(plugin, files):
        notes.add(line, *plugin.path)
    places.add(entry.get("config"), name, plugin.kind, *plugin.path, "config")
    for command, said in (entry.get("commands") or {}).items() if plugin.kind in TASKS else ():
        for key in said if isinstance(said, Mapping) else ():
            if key not in ("args", "executable", "container_spec"):
                notes.add(f"`{key}` of the command `{name}:{command}`", *plugin.path, "commands", command, key)


def _variables(plugin: Plugin, files: Files) -> Iterator[str]:
    """Yield lines about settings that only variables may have, which Meltano reads by their names."""
    config = {key.partition(".")[0] for each in plugin.line for key in each.get("config") or {}}
    used = {variable_of(plugin.name, setting) for setting in (*plugin.definitions, *_flat_names(plugin))}
    used |= {variable_of(plugin.name, f"_{key}") for key in EXTRAS}
    for setting, definition in plugin.definitions.items():
        variable = variable_of(plugin.name, setting)
        is_secret = definition.get("sensitive") or definition.get("kind") == "password"
        if is_secret and setting.partition(".")[0] not in config and variable not in files.variables:
            is_task = plugin.kind in TASKS
            line, where = f"`{variable if is_task else setting}: ${{{variable}}}`", "`env`" if is_task else "config"
            yield f"{variable}, if it is set for Meltano: add {line} to the {where} of {plugin.name}"
    prefix = variable_of(plugin.name, "")
    for variable in sorted(name for name in files.variables if name.startswith(prefix) and name not in used):
        if not _is_of_child(variable, plugin, files):
            yield f"{variable} in `.env`, if it sets a setting of {plugin.name}: add it to the config of {plugin.name}"


def _flat_names(plugin: Plugin) -> Iterator[str]:
    for each in plugin.line:
        for key, value in (each.get("config") or {}).items():
            yield key
            if isinstance(value, dict):
                yield from (f"{key}.{inner}" for inner in value)


def _is_of_child(variable: str, plugin: Plugin, files: Files) -> bool:
    """Return True if a variable begins with the longer name of another plugin."""
    entries = (files.tree.get("plugins") or {}).get(plugin.kind) or []
    others = (entry["name"] for entry in entries if len(entry["name"]) > len(plugin.name))
    return any(variable.startswith(variable_of(name, "")) for name in others if name.startswith(plugin.name))


def _blocks(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return tree.get("environments") or []


def _environments(files: Files, plugins: Mapping[str, Mapping[str, Plugin]], notes: Notes, places: Places) -> None:
    """Add lines for what an environment changes of other plugins, and for keys that are not known."""
    for at, environment in enumerate(_blocks(files.tree)):
        path: tuple[str | int, ...] = ("environments", at)
        blocks = (environment.get("config") or {}).get("plugins") or {}
        for key in environment:
            if key not in ("name", "config", "env", "state_id_suffix"):
                notes.add(f"`{key}` of the environment `{environment['name']}`", *path, key)
        for kind, entries in blocks.items():
            for number, entry in enumerate(entries or []):
                inner = (*path, "config", "plugins", kind, number)
                allowed: Set[str] = {"name", "config", "env"} | (_SOURCE if kind == "extractors" else set())
                if entry["name"] not in plugins.get(kind, ()):
                    notes.add(f"`{entry['name']}` of {kind} in the environment `{environment['name']}`", *inner)
                elif kind in plugins:
                    places.add(entry.get("config"), entry["name"], kind, *inner, "config")
                for key in entry:
                    if kind in plugins and key not in allowed and key not in ("dialect", "target_schema"):
                        notes.add(f"`{key}` of {entry['name']} in the environment `{environment['name']}`", *inner, key)
