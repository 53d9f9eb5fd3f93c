"""Convert a Meltano project into a tapdock project, with a list of what cannot be converted.

Names are kept, so that Meltano's state ids (`<environment>:<extractor>-to-<loader>`) are names of states in tapdock.
"""

import re
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.connectors import build_image
from tapdock.project.files import text_of
from tapdock.project.interpolate import parse_dotenv
from tapdock.project.meltano_inherited import Change, changed, inherited
from tapdock.project.meltano_pipelines import pipelines
from tapdock.project.meltano_shape import Lock, Whole, require
from tapdock.project.model import Build
from tapdock.project.values import parse_json

__all__ = ["Converted", "converted", "permissions", "read"]

_ROLES = {"extractors": "sources", "loaders": "targets"}
_DOLLAR = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Z][A-Z0-9_]*))?")
"""A `$` with the variable that it refers to. In Meltano, a variable without braces has a name in capital letters, and
every other `$` is plain text."""
_STANZA = ("airbyte_spec", "airbyte_config", "docker_mounts")
_CARRIED = {"extractors", "loaders"}
_PLUGIN_KEYS = {
    *("name", "namespace", "variant", "pip_url", "executable", "config", "select", "capabilities", "settings", "label"),
    *("inherit_from", "description", "repo", "logo_url", "docs", "maintenance_status", "keywords", "hidden"),
    *("settings_group_validation", "domain_url", "definition", "ext_repo", "usage", "prereq", "quality", "hub_url"),
    *("python", "select_filter", "metadata", "schema", "load_schema", "commands", "env"),
}
_NOT_YET = ("select_filter", "metadata", "schema", "commands")


class Converted(NamedTuple):
    """`project` is what is written into tapdock.yaml; `left` are lines about what could not be converted."""

    project: dict[str, Any]
    left: list[str]


def read(file: Path) -> Converted:
    """Convert a `meltano.yml` with its lock files and the files that it includes. Raises UsageError."""
    whole = document.read(file).tree
    for path in _included(file, whole):
        whole = _merged(whole, document.read(path).tree)
    require(whole, Whole, label=file.name)
    dotenv = file.parent / ".env"
    variables = parse_dotenv(text_of(dotenv), dotenv.name) if dotenv.is_file() else {}
    return converted(whole, locks=_locks(file.parent), variables=variables.keys())


def permissions(file: Path) -> int:
    """Return the permission bits that `meltano.yml` and all files that it includes have in common.

    Any of the files may contain a password.
    """
    mode = 0o666
    for path in (file, *_included(file, document.read(file).tree)):
        mode &= path.stat().st_mode
    return mode


def _included(file: Path, whole: Mapping[str, Any]) -> list[Path]:
    patterns = whole.get("include_paths") or []
    require({"include_paths": patterns}, Whole, label=file.name)
    try:
        return [path for pattern in patterns for path in sorted(file.parent.glob(pattern)) if path != file]
    except (OSError, ValueError, NotImplementedError, IndexError) as error:
        raise UsageError(f"{file.name}: `include_paths` cannot be used: {error}") from error


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: _merged(one.get(key), value) for key, value in other.items()}}
    return one + other if isinstance(one, list) and isinstance(other, list) else other


def _locks(folder: Path) -> dict[str, dict[str, Any]]:
    """Return Meltano's lock files of plugins by `<name>--<variant>`, and by name. Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "plugins").glob("*/*.lock")):
        try:
            lock = parse_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        require(lock, Lock, label=str(path))
        found[path.stem] = lock
        found.setdefault(path.stem.partition("--")[0], lock)
    return found


def converted(
    meltano: Mapping[str, Any], *, locks: Mapping[str, Mapping[str, Any]], variables: Collection[str] = ()
) -> Converted:
    """Convert the content of a `meltano.yml`.

    `locks` are its lock files by `<name>--<variant>` and by name, `variables` the names of the variables in `.env`.
    """
    left: list[str] = []
    project: dict[str, Any] = {"version": 1}
    if default := meltano.get("default_environment"):
        project["default_environment"] = default
    if own := _vars(meltano.get("env")):
        project["vars"] = own
    plugins = _plugins(meltano)
    for kind, role in _ROLES.items():
        entries = {name: _entry(kind, plugin, locks, variables, left) for name, plugin in plugins[kind].items()}
        if entries:
            project[role] = entries
    if found := dict(pipelines(meltano, project, left)):
        project["pipelines"] = found
    environments = dict(_environments(meltano, project, variables, left))
    if default:
        environments.setdefault(default, {})  # Meltano does not need a block of this name
    if environments:
        project["environments"] = environments
    left += _others(meltano)
    return Converted(_with_variables(project), left)


def _plugins(meltano: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return plugins by kind and name; each contains what it inherits."""
    found = {
        kind: {plugin["name"]: dict(plugin) for plugin in (meltano.get("plugins") or {}).get(kind) or []}
        for kind in _ROLES
    }
    return {kind: {name: inherited(name, plugins) for name in plugins} for kind, plugins in found.items()}


def _entry(
    kind: str,
    plugin: Mapping[str, Any],
    locks: Mapping[str, Mapping[str, Any]],
    variables: Collection[str],
    left: list[str],
) -> dict[str, Any]:
    name = plugin["name"]
    parent = plugin.get("inherit_from") or name
    lock = locks.get(f"{parent}--{plugin.get('variant')}") or locks.get(parent) or {}
    config = dict(plugin.get("config") or {})
    config |= _set_by_variables(name, {**lock, **plugin}, config, variables, left)
    entry: dict[str, Any] = {}
    if any(key.partition(".")[0] in _STANZA for key in config):
        entry["config"] = _stanza(name, config, left)
    else:
        entry |= _built(name, plugin, lock, left)
        if config:
            entry["config"] = _nested(name, config, left)
    if kind == "extractors" and plugin.get("select"):
        entry["select"] = plugin["select"]
    if plugin.get("env"):
        entry["env"] = plugin["env"]
    left += [f"`{key}` of {name}" for key in _NOT_YET if plugin.get(key)]
    left += [
        f"{name}: `{key}` is not supported" for key in plugin if key not in _PLUGIN_KEYS and not key.startswith("_")
    ]
    left += _from_the_environment(name, {**lock, **plugin}, config)
    return entry


def _built(name: str, plugin: Mapping[str, Any], lock: Mapping[str, Any], left: list[str]) -> dict[str, Any]:
    package = plugin.get("pip_url") or lock.get("pip_url")
    if not package:
        left.append(f"the package of {name}, which neither the file nor a lock file names: `{name}` is used")
    executable = plugin.get("executable") or lock.get("executable")
    build = Build(family="singer", package=package or name, executable=executable)
    said = {"singer": build.package} | ({"executable": executable} if executable else {})
    # A package without a plain name cannot name its image.
    return {"build": said} if build_image(build) else {"image": f"tapdock/{name}:latest", "build": said}


def _variable_of(name: str, setting: str) -> str:
    """Return the variable from which Meltano reads a setting of a plugin."""
    return re.sub(r"[^A-Z0-9]", "_", f"{name}_{setting.replace('.', '__')}".upper())


def _set_by_variables(
    name: str, plugin: Mapping[str, Any], config: Mapping[str, Any], variables: Collection[str], left: list[str]
) -> dict[str, str]:
    """Return the settings that variables in `.env` set, which have priority over the file for Meltano."""
    known = dict.fromkeys((*config, *(setting["name"] for setting in plugin.get("settings") or [])))
    found = {setting: variable for setting in known if (variable := _variable_of(name, setting)) in variables}
    left += [
        f"{variable} in `.env`, if it sets a setting of {name}: add it to the config of {name}"
        for variable in sorted(set(variables) - set(found.values()))
        if variable.startswith(_variable_of(name, ""))
    ]
    return {setting: f"${{{variable}}}" for setting, variable in found.items()}


def _from_the_environment(name: str, plugin: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about secret settings that Meltano reads from a variable by its name, which tapdock does not."""
    for setting in plugin.get("settings") or []:
        if setting.get("sensitive") or setting.get("kind") == "password":
            variable = _variable_of(name, setting["name"])
            if setting["name"] not in config:
                line = f"`{setting['name']}: ${{{variable}}}`"
                yield f"{variable}, if it is set for Meltano: add {line} to the config of {name}"


def _stanza(name: str, config: dict[str, Any], left: list[str]) -> dict[str, Any]:
    """Return the wrapper's stanza, which tapdock's loader accepts, with a tag that YAML reads as a number as text."""
    spec = config.get("airbyte_spec")
    if isinstance(spec, dict) and isinstance(spec.get("tag"), int | float):
        left.append(f"the tag of {name}: {spec['tag']} is a number in YAML; write the original tag in quotes")
        return {**config, "airbyte_spec": {**spec, "tag": str(spec["tag"])}}
    return config


def _nested(name: str, config: Mapping[str, Any], left: list[str]) -> dict[str, Any]:
    """Return a config with Meltano's `a.b: 1` as `a: {b: 1}`."""
    nested: dict[str, Any] = {}
    for key, value in config.items():
        inner: Any = nested
        *folders, leaf = key.split(".")
        for folder in folders:
            inner = inner.setdefault(folder, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[leaf] = dict(value) if isinstance(value, dict) else value
        else:
            left.append(f"`{key}` of {name}, because a part of that name has a value of its own")
    return nested


def _with_variables(value: Any) -> Any:
    """Return the value with Meltano's `$NAME` as `${NAME}`, and every other `$` as `$$`."""
    if isinstance(value, dict):
        return {key: _with_variables(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_variables(inner) for inner in value]
    return _DOLLAR.sub(_dollar, value) if isinstance(value, str) else value


def _dollar(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    return f"${{{name}}}" if name else "$$"


def _vars(env: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return Meltano's variables as `vars`, whose values are text, whole numbers or booleans."""
    return {name: str(value) if isinstance(value, float) else value for name, value in (env or {}).items()}


def _environments(
    meltano: Mapping[str, Any], project: Mapping[str, Any], variables: Container[str], left: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for environment in meltano.get("environments") or []:
        block: dict[str, Any] = {}
        if own := _vars(environment.get("env")):
            block["vars"] = own
        for kind, role in _ROLES.items():
            plugins = {plugin["name"]: plugin for plugin in (meltano.get("plugins") or {}).get(kind) or []}
            entries = {
                name: entry
                for name, change in changed(environment, kind, plugins).items()
                if (entry := _changed_entry(name, kind, change, variables, left))
            }
            if entries:
                block[role] = entries
        suffix = environment.get("state_id_suffix")
        if suffix is not None and project.get("pipelines"):
            block["pipelines"] = {name: {"state_suffix": suffix} for name in project["pipelines"]}
        yield environment["name"], block


def _changed_entry(name: str, kind: str, change: Change, variables: Container[str], left: list[str]) -> dict[str, Any]:
    config = {key: value for key, value in change.config.items() if _variable_of(name, key) not in variables}
    entry: dict[str, Any] = {"config": _nested(name, config, left)} if config else {}
    if kind == "extractors" and change.select:
        entry["select"] = change.select
    return entry


def _others(meltano: Mapping[str, Any]) -> Iterator[str]:
    for kind, plugins in (meltano.get("plugins") or {}).items():
        if kind not in _CARRIED:
            for plugin in plugins or []:
                yield f"`{plugin['name']}` of {kind}"
    blocks = [meltano, *(meltano.get("environments") or [])]
    if names := sorted({name for block in blocks for name in block.get("env") or ()}):
        yield (
            f"`env` ({', '.join(names)}) as variables of processes: they are `vars` now, which only this file uses,"
            " and to which variables of the environment and of `.env` have priority"
        )
    uri = (meltano.get("state_backend") or {}).get("uri")
    if uri:
        place = re.sub(r"//[^/]*@", "//", uri)  # the address may contain a password
        yield f"states: import them with `tapdock state import {place} --format meltano`"
