"""Convert a Meltano project into a tapdock project, with a list of what cannot be converted.

Names are kept, so that Meltano's state ids (`<environment>:<extractor>-to-<loader>`) are names of states in tapdock.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapdock.project.builtin import NAMES
from tapdock.project.meltano_entry import Shared, annotations, default_schema, entry, known_to, schema_of
from tapdock.project.meltano_files import Files, Notes, included, read_files
from tapdock.project.meltano_left import others
from tapdock.project.meltano_mappers import names_of
from tapdock.project.meltano_pipelines import runs
from tapdock.project.meltano_places import variables
from tapdock.project.meltano_references import free, references, referred
from tapdock.project.meltano_settings import Plugin, plugins_of, settings_of
from tapdock.project.meltano_tasks import TASKS, commands_of, task_entry

__all__ = ["Converted", "converted", "permissions", "read"]

_ROLES = {
    "extractors": "sources",
    "mappers": "mappers",
    "loaders": "targets",
    "utilities": "tasks",
    "transformers": "tasks",
}


class Converted(NamedTuple):
    """`project` is what is written into tapdock.yaml; `left` are lines about what could not be converted."""

    project: dict[str, Any]
    left: list[str]


def read(file: Path, folder: Path | None = None) -> Converted:
    """Convert a `meltano.yml` with its lock files and the files that it includes. Raises UsageError.

    `folder` is that of the new project file; without it, the same.
    """
    return converted(read_files(file), folder)


def permissions(file: Path) -> int:
    """Return the permission bits that `meltano.yml` and all files that it includes have in common.

    Any of the files may contain a password.
    """
    mode = 0o666
    for path in (file, *included(file)):
        mode &= path.stat().st_mode
    return mode


def converted(files: Files, folder: Path | None = None) -> Converted:
    """Convert the content of a Meltano project. `folder` is that of the new project file."""
    notes = Notes(files.origins)
    plugins = {kind: plugins_of(files, kind) for kind in _ROLES}
    names: dict[str, list[str]] = {}
    for kind, role in _ROLES.items():
        names.setdefault(role, []).extend(plugins[kind])
    names["mappings"] = [name for plugin in plugins["mappers"].values() for name in names_of(plugin)]
    names["commands"] = [
        f"{name}:{command}" for kind in TASKS for name, one in plugins[kind].items() for command in commands_of(one)
    ]
    found, jobs, schedules = runs(files, folder or files.folder, names, notes)
    pairs = frozenset((each["source"], each["target"]) for each in found.values())
    shared = Shared(files, folder or files.folder, notes, plugins["extractors"], pairs)
    default = files.tree.get("default_environment")
    result: dict[str, Any] = {"version": 1} | ({"default_environment": default} if default else {})
    if labels := annotations(files.tree.get("annotations")):
        result["annotations"] = references(labels)
    base = _block(plugins, shared, None)
    result |= variables(files.tree.get("env"), files, shared.folder, notes)
    result |= {role: {name: _short(name, one) for name, one in base[role].items()} for role in base}
    if found:
        result["pipelines"] = found
    if jobs:
        result["jobs"] = jobs
    if schedules:
        result["schedules"] = schedules
    environments = {
        environment["name"]: _environment(environment, place, plugins, shared, base, result)
        for place, environment in enumerate(files.tree.get("environments") or [])
    }
    if default:
        environments.setdefault(default, {})  # Meltano does not need a block of this name
    if environments:
        result["environments"] = environments
    _renamed(result, notes)
    others(files, plugins, notes, folder or files.folder)
    return Converted(result, notes.lines)


def _block(
    plugins: Mapping[str, Mapping[str, Plugin]], shared: Shared, environment: Mapping[str, Any] | None, *path: str | int
) -> dict[str, dict[str, Any]]:
    """Return the entries of all sources and targets in one environment, by role and name."""
    values = {
        kind: {name: settings_of(plugin, shared.files, environment) for name, plugin in each.items()}
        for kind, each in plugins.items()
    }
    schemas = {name: schema_of(plugin, values["extractors"][name]) for name, plugin in shared.sources.items()}
    found: dict[str, dict[str, Any]] = {}
    for kind, role in _ROLES.items():
        for name, plugin in plugins[kind].items():
            place = path or plugin.path
            if role == "tasks":
                made = task_entry(plugin, values[kind][name], shared.files, shared.notes, *place)
            else:
                made = entry(plugin, values[kind][name], shared, known_to(plugin, shared, schemas), *place)
            found.setdefault(role, {})[name] = made
    return found


def _short(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry without what is the default."""
    return {key: value for key, value in one.items() if key != "load_schema" or value != default_schema(name)}


def _renamed(result: Mapping[str, Any], notes: Notes) -> None:
    """Add a line for each variable that has another name now, because tapdock has a built-in one of its name."""
    used = {*referred(dict(result)), *result.get("vars", ())}
    used |= {name for block in result.get("environments", {}).values() for name in block.get("vars", ())}
    for name in NAMES:
        if free(name) in used:
            line = f"the name of the variable {name}, which is built in here: it is {free(name)} now"
            notes.add(f"{line}, so set {free(name)} in the environment or in `.env` if {name} is set there")


def _environment(
    environment: Mapping[str, Any],
    place: int,
    plugins: Mapping[str, Mapping[str, Plugin]],
    shared: Shared,
    base: Mapping[str, Any],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    name = str(environment["name"])
    block: dict[str, Any] = variables(
        environment.get("env"), shared.files, shared.folder, shared.notes, "environments", place, environment=name
    )
    own = _block(plugins, shared, environment, "environments", place)
    for role, entries in own.items():
        changes = {name: _changes(base[role][name], one) for name, one in entries.items()}
        if changes := {name: change for name, change in changes.items() if change}:
            block[role] = changes
    suffix = _suffix(environment, shared.files)
    kept = [name for name, one in result.get("pipelines", {}).items() if "state_id" not in one]
    if suffix and kept:
        block["pipelines"] = {name: {"state_suffix": suffix} for name in kept}
    return block


def _suffix(environment: Mapping[str, Any], files: Files) -> str:
    """Return the end of the names of states in an environment.

    For Meltano, `env` of the environment itself does not count here, but `env` of the project does.
    """
    given, root = environment.get("state_id_suffix"), files.tree.get("env") or {}
    known = {name: "" for name in environment.get("env") or {} if name not in files.variables}
    known |= {"MELTANO_ENVIRONMENT": environment["name"]}
    known |= {name: str(references(str(value), known)) for name, value in root.items()}
    return "" if given is None else str(references(str(given), known))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be merged over the old entry to get the new one. A key that is missing there becomes null."""
    return dict(_changed(old, new)) | {key: None for key in old if key not in new}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            if inner := _changes(old[key], value):
                yield key, inner
        elif key not in old or old[key] != value:
            yield key, value
