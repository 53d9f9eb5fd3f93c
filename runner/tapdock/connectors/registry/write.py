"""Write a connector of a registry into the text of a project file, with comments about its settings."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from tapdock.connectors.registry.found import UNKNOWN, Found, Role, Setting
from tapdock.errors import UsageError
from tapdock.project import edit
from tapdock.project.builtin import NAMES
from tapdock.project.comments import with_comments
from tapdock.project.connectors import connector
from tapdock.project.dotenv import variable_name
from tapdock.project.fields import Field
from tapdock.project.layers import Path

__all__ = ["Written", "written"]

_LONGEST = 90
_WIDTH = 108


@dataclass(frozen=True, kw_only=True)
class Written:
    """The new text of a project file, and the variables to which the new entry refers.

    `left_out` are comments about the connector for which the file has no place, because it has it in one line.
    """

    text: str
    variables: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def written(text: str, found: Found, *, role: Role, name: str, folder: FilePath, label: str) -> Written:
    """Return a project file's text with a new entry. Everything else in it keeps its bytes.

    `folder` is that of the project, `label` the name of the file. Raises UsageError if the loader would refuse the
    entry, or if it cannot be added without a change to something else.
    """
    config, notes, variables = _config(found.settings, name, text)
    entry = {**found.entry, "config": config}
    place = (f"{role}s", name)
    field = Field({place[0]: {name: entry}}, (), {}, f"the entry of {found.what}")
    connector(field.child(place[0]).child(name), role, folder)
    above: dict[Path, Sequence[str]] = {(*place, key): lines for key, lines in found.notes.items()}
    above |= {(*place, "config", *path): lines for path, lines in notes.items()}
    above[(*place, "config")] = [*_selection(found), *above.get((*place, "config"), ())]
    added = edit.set_value(text, place, entry, label=label)
    new = with_comments(added, above, label=label)
    lost = () if new != added else tuple(line for lines in found.notes.values() for line in lines)
    return Written(text=new, variables=variables, left_out=lost)


def _config(
    settings: Iterable[Setting], name: str, text: str
) -> tuple[dict[str, Any], dict[Path, list[str]], tuple[str, ...]]:
    """Return the config, comments above its keys, and the variables to which it refers."""
    config: dict[str, Any] = {}
    notes: dict[Path, list[str]] = {}
    variables: dict[str, None] = {}
    suggested: list[str] = []
    for setting in settings:
        if not setting.required:
            one = setting.variable or _variable(name, setting.path, (text, *variables))
            line = f"{_key(setting.path[-1])}: ${{{one}}} # not always needed"
            about = textwrap.shorten(setting.about, max(30, _WIDTH - len(line)), placeholder=" …")
            suggested.append(f"|{line}: {about}" if about else f"|{line}")
            continue
        value = f"${{{setting.variable}}}" if setting.variable else _plain(setting.value)
        if setting.value is UNKNOWN and not setting.variable:
            one = _variable(name, setting.path, (text, *variables))
            variables[one] = None
            value = f"${{{one}}}"
        _put(config, setting.path, value)
        if setting.about:
            notes[setting.path] = [setting.about]
    if suggested and config:
        first = (next(iter(config)),)
        notes[first] = [*suggested, *notes.get(first, ())]
    elif suggested:
        notes[()] = ["|config:", *(f"|  {line[1:]}" for line in suggested)]
    return config, notes, tuple(variables)


def _put(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value. An object that is already there keeps its values."""
    for part in path[:-1]:
        if not isinstance(config.get(part), dict):
            config[part] = {}
        config = config[part]
    if not (isinstance(config.get(path[-1]), dict) and not value):
        config[path[-1]] = value


def _plain(value: Any) -> Any:
    """Return a default as the project file has it, in which `${` would begin a reference."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _variable(name: str, path: tuple[str, ...], taken: tuple[str, ...]) -> str:
    """Return a name for the variable of a setting that is not in the project file yet."""
    for words in ((name, path[-1]), (name, *path), *((name, *path, str(number)) for number in range(2, 1000))):
        one = variable_name(words)
        if one not in NAMES and not any(re.search(rf"\b{one}\b", each) for each in taken):
            return one
    raise UsageError(f"`{name}` has too many settings named `{path[-1]}`", hint="choose another name with `--as`")


def _selection(found: Found) -> list[str]:
    """Return `select` with the registry's streams as comments."""
    if not found.streams:
        return []
    whose = "suggested by the registry" if found.kind == "airbyte" else "what Meltano reads by default"
    line = _dumped(list(found.streams))
    if len(line) <= _LONGEST:
        return [f"|select: {line} # {whose}"]
    return [f"|select: # {whose}", *(f"|  - {_dumped(stream)}" for stream in found.streams)]


def _key(name: str) -> str:
    return _dumped({name: 0})[1:].rpartition(":")[0]


def _dumped(value: Any) -> str:
    """Return a value in one line, in which every text that needs quotes has them."""
    text = str(yaml.safe_dump([value], default_flow_style=True, allow_unicode=False, width=float("inf")))
    return text.strip()[1:-1]
