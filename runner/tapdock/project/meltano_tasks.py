"""Make tasks out of Meltano's utilities: their packages, their commands, and their settings as variables."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapdock.project.connectors import build_image, is_buildable
from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_references import references, referred
from tapdock.project.meltano_settings import Plugin, Settings, variable_of
from tapdock.project.model import Build
from tapdock.project.tasks import PROJECT

__all__ = ["TASKS", "commands_of", "task_entry"]

TASKS = ("utilities", "transformers")
"""The kinds of plugins that become tasks."""
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PYTHON = re.compile(r"(?:.*python)?(3\.\d+)")


def commands_of(plugin: Plugin) -> dict[str, Any]:
    """Return the commands of a plugin by name, those of its lock file and of the plugins that it inherits from too."""
    found: dict[str, Any] = {}
    for each in (plugin.lock or {}, *reversed(plugin.line)):
        found |= each.get("commands") or {}
    return found


def task_entry(plugin: Plugin, settings: Settings, files: Files, notes: Notes, *path: str | int) -> dict[str, Any]:
    """Return the entry of a utility. `path` leads to the place in `meltano.yml` for which it is."""
    known = {
        "MELTANO_PROJECT_ROOT": PROJECT,
        "MELTANO_ENVIRONMENT": "${ENVIRONMENT}",
        "MELTANO_UTILITY_NAME": plugin.name,
        "MELTANO_UTILITY_NAMESPACE": plugin.namespace,
        "MELTANO_UTILITY_VARIANT": str(plugin.get("variant") or ""),
    }
    env = {**dict(_variables(plugin, settings)), **{name: _text(value) for name, value in settings.env.items()}}
    for name, value in env.items():  # a setting may refer to the variable of another one
        if not referred(value):
            known.setdefault(name, value)
    commands = dict(_commands(plugin, notes))
    for name in dict.fromkeys(referred([env, commands])):
        if name.startswith("MELTANO_") and name not in known:
            notes.add(f"`${name}` in {plugin.name}: tapdock has no such variable, so set another value", *path)
    found = _image(plugin, notes)
    if env:
        found["env"] = references(env, known)
    if commands:
        found["commands"] = references(commands, known)
    elif not path or path == plugin.path:
        notes.add(f"`{plugin.name}` has no commands: `tapdock invoke {plugin.name} -- …` runs it", *plugin.path)
    if files.variables and "build" not in found:
        notes.add(f"the variables of `.env` for {plugin.name}: write those that it needs under its `env`", *plugin.path)
    return found


def _image(plugin: Plugin, notes: Notes) -> dict[str, Any]:
    """Return the keys about the image. The project's folder is where a program of Meltano starts."""
    package, program, python = (plugin.get(key) for key in ("pip_url", "executable", "python"))
    if not package:
        own = program or (None if _names_programs(plugin) else plugin.name)
        return {"entrypoint": [str(own)]} if own else {}
    said = {"pip": str(package)}
    if program and _PROGRAM.fullmatch(str(program)):
        said["executable"] = str(program)
    elif program:
        notes.add(
            f"`executable: {program}` of {plugin.name}: an image has no file of this machine",
            *plugin.path,
            "executable",
        )
    version = _PYTHON.fullmatch(str(python)) if python else None
    said |= {"python": version[1]} if version else {}
    if python and not version:
        notes.add(
            f"`python: {python}` of {plugin.name}: write a version of Python under `build`", *plugin.path, "python"
        )
    placed = {"mounts": [f".:{PROJECT}"], "working_dir": PROJECT}
    image = f"tapdock/{plugin.name.lower()}:latest"
    if not is_buildable(said["pip"]) or said["pip"].startswith((".", "/")):
        line = f"`pip_url` of {plugin.name}: build an image yourself, or name a package under `build`"
        notes.add(line, *plugin.path, "pip_url")
        return {"image": image, **placed}
    build = Build(family="python", package=said["pip"])
    return {**({} if build_image(build) else {"image": image}), "build": said, **placed}


def _names_programs(plugin: Plugin) -> bool:
    """Return True if each command names its program, so that the plugin's own is never used."""
    commands = commands_of(plugin).values()
    return bool(commands) and all(isinstance(each, Mapping) and each.get("executable") for each in commands)


def _commands(plugin: Plugin, notes: Notes) -> Iterator[tuple[str, Any]]:
    """Yield the commands: arguments as text, or with a program of their own."""
    for name, command in commands_of(plugin).items():
        if not isinstance(command, Mapping):
            yield name, str(command or "")
            continue
        args, program, spec = (command.get(key) for key in ("args", "executable", "container_spec"))
        if isinstance(spec, Mapping):
            image = f" with `image: {spec['image']}`" if spec.get("image") else ""
            line = f"`container_spec` of the command `{plugin.name}:{name}`: make it a task of its own{image}"
            notes.add(line, *plugin.path, "commands", name)
        yield name, {"args": args or "", "executable": str(program)} if program else (args or "")


def _variables(plugin: Plugin, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings as Meltano passes them to a program: under the setting's own variable, and by its name."""
    definitions = plugin.definitions
    for setting, value in settings.config.items():
        own = definitions.get(setting, {}).get("env")
        prefixes = dict.fromkeys(variable_of(name, setting) for name in (plugin.name, plugin.namespace))
        for name in dict.fromkeys((*([own] if own else []), *prefixes)):
            yield name, _text(value)


def _text(value: Any) -> str:
    """Return a value as Meltano writes it into a variable: JSON, unless it is text."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
