"""Convert a Meltano project into a tapdock project, with a list of what cannot be converted.

Names are kept, so that Meltano's state ids (`<environment>:<extractor>-to-<loader>`) are names of states in tapdock.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.connectors import build_image
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
    return converted(whole, locks=_locks(file.parent))


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


def converted(meltano: Mapping[str, Any], *, locks: Mapping[str, Mapping[str, Any]]) -> Converted:
    """Convert the content of a `meltano.yml`; `locks` are its lock files by `<name>--<variant>` and by name."""
    left: list[str] = []
    project: dict[str, Any] = {"version": 1}
    plugins = _plugins(meltano)
    for kind, role in _ROLES.items():
        entries = {name: _entry(kind, plugin, locks, left) for name, plugin in plugins[kind].items()}
        if entries:
            project[role] = entries
    pipelines = dict(_pipelines(meltano, project, left))
    if pipelines:
        project["pipelines"] = pipelines
    environments = dict(_environments(meltano, left))
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
    return {
        kind: {name: _inherited(name, plugins, ()) for name, plugin in plugins.items()}
        for kind, plugins in found.items()
    }


def _inherited(name: str, plugins: Mapping[str, dict[str, Any]], seen: tuple[str, ...]) -> dict[str, Any]:
    plugin = plugins[name]
    parent = plugin.get("inherit_from")
    if not isinstance(parent, str) or parent not in plugins or parent in (*seen, name):
        return plugin
    base = _inherited(parent, plugins, (*seen, name))
    return {**base, **plugin, "config": {**(base.get("config") or {}), **(plugin.get("config") or {})}}


def _entry(
    kind: str, plugin: Mapping[str, Any], locks: Mapping[str, Mapping[str, Any]], left: list[str]
) -> dict[str, Any]:
    name = plugin["name"]
    parent = plugin.get("inherit_from") or name
    lock = locks.get(f"{parent}--{plugin.get('variant')}") or locks.get(parent) or {}
    config = dict(plugin.get("config") or {})
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


def _from_the_environment(name: str, plugin: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about secret settings that Meltano reads from a variable by its name, which tapdock does not."""
    for setting in plugin.get("settings") or []:
        if setting.get("sensitive") or setting.get("kind") == "password":
            variable = f"{name}_{setting['name']}".upper().replace("-", "_").replace(".", "__")
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


def _pipelines(
    meltano: Mapping[str, Any], project: Mapping[str, Any], left: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield pipelines: from jobs, and from schedules of an extractor and a loader."""
    for job in meltano.get("jobs") or []:
        pairs = list(_pairs(job, project, left))
        for number, (source, target) in enumerate(pairs, 1):
            yield job["name"] if len(pairs) == 1 else f"{job['name']}-{number}", {"source": source, "target": target}
    for schedule in meltano.get("schedules") or []:
        name = schedule["name"]
        left.append(f"the schedule `{name}` ({schedule.get('interval')}): run it from cron, a timer or a workflow")
        if schedule.get("extractor") and schedule.get("loader"):
            yield name, {"source": schedule["extractor"], "target": schedule["loader"]}


def _pairs(job: Mapping[str, Any], project: Mapping[str, Any], left: list[str]) -> Iterator[tuple[str, str]]:
    tasks = job.get("tasks") or []
    words = [word for task in ([tasks] if isinstance(tasks, str) else tasks) for word in _words(task)]
    sources, targets = project.get("sources", {}), project.get("targets", {})
    for number, word in enumerate(words):
        if word in targets and number and words[number - 1] in sources:
            yield words[number - 1], word
        elif word not in sources and word not in targets:
            left.append(f"`{word}` of the job `{job['name']}`")
        elif word in targets:
            left.append(f"`{word}` of the job `{job['name']}`, because it does not directly follow a source")


def _words(task: Any) -> list[str]:
    return [word for part in task for word in _words(part)] if isinstance(task, list) else str(task).split()


def _environments(meltano: Mapping[str, Any], left: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for environment in meltano.get("environments") or []:
        name = environment["name"]
        plugins = (environment.get("config") or {}).get("plugins") or {}
        block: dict[str, Any] = {}
        for kind, role in _ROLES.items():
            entries = {}
            for plugin in plugins.get(kind) or []:
                entry: dict[str, Any] = {}
                if plugin.get("config"):
                    entry["config"] = _nested(plugin["name"], plugin["config"], left)
                if kind == "extractors" and plugin.get("select"):
                    entry["select"] = plugin["select"]
                if entry:
                    entries[plugin["name"]] = entry
            if entries:
                block[role] = entries
        yield name, block
        if environment.get("env"):
            left.append(
                f"variables of the environment `{name}` ({', '.join(environment['env'])}): put them into `.env`"
            )


def _others(meltano: Mapping[str, Any]) -> Iterator[str]:
    for kind, plugins in (meltano.get("plugins") or {}).items():
        if kind not in _CARRIED:
            for plugin in plugins or []:
                yield f"`{plugin['name']}` of {kind}"
    if meltano.get("env"):
        yield f"variables ({', '.join(meltano['env'])}): put them into `.env`"
    uri = (meltano.get("state_backend") or {}).get("uri")
    if uri:
        place = re.sub(r"//[^/]*@", "//", uri)  # the address may contain a password
        yield f"states: import them with `tapdock state import {place} --format meltano`"
