"""Find the values that Meltano uses for a plugin in one environment, from all the places where they can be set.

The order is Meltano's, from the strongest: variables (`TAP_GITHUB_START_DATE`) in `env:` and in `.env`, the block of
the environment, the plugin itself, the same places of the plugin from which it inherits, the defaults of its lock file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tapdock.project.layers import Path as Keys
from tapdock.project.meltano_files import Files, LockName
from tapdock.project.values import number, parse_json

__all__ = ["EXTRAS", "Plugin", "Settings", "own_streams", "plugins_of", "settings_of", "variable_of"]

EXTRAS = ("catalog", "load_schema", "metadata", "schema", "select", "select_filter", "use_cached_catalog")
"""What an extractor has beside its settings; a variable such as `TAP_GITHUB__SELECT` sets it, too."""
_MAPPINGS = ("metadata", "schema")


class Plugin(msgspec.Struct, frozen=True):
    """A plugin of `meltano.yml`. `line` are its own keys and those of the plugins that it inherits from, nearest first.

    `path` leads to its entry in the tree. `lock` is the content of its lock file, None if there is none.
    """

    name: str
    kind: str
    path: Keys
    line: tuple[Mapping[str, Any], ...]
    lock: Mapping[str, Any] | None = None

    def get(self, key: str) -> Any:
        """Return a key of the plugin, of the nearest plugin that has it, or of the lock file."""
        return next((each[key] for each in self.line if each.get(key) is not None), (self.lock or {}).get(key))

    @property
    def namespace(self) -> str:
        return _namespace(self.line[0], self.lock, is_base=len(self.line) == 1)

    @property
    def definitions(self) -> dict[str, Mapping[str, Any]]:
        """The definitions of its settings by name."""
        lists = ((self.lock or {}).get("settings"), *(each.get("settings") for each in reversed(self.line)))
        return {one["name"]: one for each in lists for one in each or ()}


@dataclass
class Settings:
    """The values of a plugin in one environment.

    `config` is flat: `{"ssl.mode": "require"}`. `env` are the plugin's own environment variables, without those of the
    whole project.
    """

    config: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)


def plugins_of(files: Files, kind: str) -> dict[str, Plugin]:
    """Return the plugins of one kind by name."""
    entries = (files.tree.get("plugins") or {}).get(kind) or []
    known = {entry["name"]: entry for entry in entries}
    paths = {entry["name"]: ("plugins", kind, place) for place, entry in enumerate(entries)}
    found = {}
    for name, path in paths.items():
        line = _line(name, known)
        found[name] = Plugin(name, kind, path, line, _lock(files, kind, line[-1]))
    return found


def _line(name: str, known: Mapping[str, Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return a plugin and the plugins that it inherits from. A circle ends where it begins."""
    line = [known[name]]
    names = [name]
    while (parent := str(line[-1].get("inherit_from"))) in known and parent not in names:
        line.append(known[parent])
        names.append(parent)
    return tuple(line)


def _lock(files: Files, kind: str, base: Mapping[str, Any]) -> Mapping[str, Any] | None:
    name, variant = base.get("inherit_from") or base["name"], base.get("variant")
    if variant:
        return files.locks.get(LockName(kind, name, str(variant)))
    return next((lock for key, lock in files.locks.items() if key[:2] == (kind, name)), None)


def _namespace(entry: Mapping[str, Any], lock: Mapping[str, Any] | None, *, is_base: bool) -> str:
    given = entry.get("namespace")
    if not given and is_base and not entry.get("inherit_from"):
        given = (lock or {}).get("namespace")
    return str(given or entry["name"].replace("-", "_"))


def settings_of(plugin: Plugin, files: Files, environment: Mapping[str, Any] | None) -> Settings:
    """Return a plugin's values in an environment; without one, those that every environment changes."""
    found = Settings()
    definitions = plugin.definitions
    lock = plugin.lock or {}
    for name, one in definitions.items():
        found.config |= _flat({name: one["value"]}) if one.get("value") is not None else {}
    found.extras |= _extras(lock)
    known: dict[str, Mapping[str, Any]] = {}
    known |= {key: _like(value) for each in plugin.line for key, value in _flat(each.get("config") or {}).items()}
    known |= definitions
    extras = {*EXTRAS, *found.extras, *(key for each in plugin.line for key in _extras(each))}
    shared = (files.tree.get("env") or {}, (environment or {}).get("env") or {})
    for place, entry in reversed(list(enumerate(plugin.line))):
        block = _block(environment, plugin.kind, entry["name"])
        given, more = _flat(block.get("config") or {}), _extras(block)
        # Of what an environment sets for a parent, a child gets only settings that it knows itself.
        found.config |= _flat(entry.get("config") or {})
        found.config |= {key: value for key, value in given.items() if not place or key in known}
        found.extras |= _extras(entry)
        found.extras |= {key: value for key, value in more.items() if not place or key in extras}
        found.env |= {key: value for key, value in (entry.get("env") or {}).items() if value is not None}
        own = {**shared[0], **found.env, **shared[1], **(block.get("env") or {})}
        found.env |= {key: value for key, value in (block.get("env") or {}).items() if value is not None}
        names = (entry["name"], _namespace(entry, lock, is_base=place == len(plugin.line) - 1))
        asked = {} if place else {key: _like(value) for key, value in given.items()}
        _by_variables(found, names, {**asked, **known}, own, files.variables)
    return found


def own_streams(plugin: Plugin, files: Files) -> set[str]:
    """Return the streams that a plugin itself names in `metadata` and `schema`, in any environment.

    Meltano only warns of a stream that does not exist. A plugin that inherits may not have all streams of its parent.
    A plugin without a parent names all of them.
    """
    blocks = (_block(one, plugin.kind, plugin.name) for one in files.tree.get("environments") or ())
    entries = [plugin.lock or {}, *plugin.line] if len(plugin.line) == 1 else [plugin.line[0]]
    keys = (key.split(".") for entry in (*entries, *blocks) for key in _extras(entry))
    return {key[1] for key in keys if key[0] in _MAPPINGS and len(key) > 1}


def _by_variables(
    found: Settings,
    prefixes: Iterable[str],
    known: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, Any],
    dotenv: Mapping[str, str],
) -> None:
    """Set the values that variables set: `own` are those of `env:`, `dotenv` those of `.env`."""
    prefixes = tuple(dict.fromkeys(prefixes))
    for name, definition in known.items():
        for variable in _variables(prefixes, name, definition):
            if own.get(variable) is not None:
                found.config[name] = _cast(own[variable], definition.get("kind"))
                break
            if variable in dotenv:
                found.config[name] = f"${{{variable}}}"
                break
    for name in EXTRAS:
        for variable in (variable_of(prefix, f"_{name}") for prefix in prefixes):
            value = own.get(variable, dotenv.get(variable))
            if value is not None:
                kind = {"select": "array", "select_filter": "array", "use_cached_catalog": "boolean"}.get(name)
                found.extras |= _extras({name: _cast(value, "object" if name in _MAPPINGS else kind)})
                break


def _variables(prefixes: Iterable[str], name: str, definition: Mapping[str, Any]) -> Iterator[str]:
    for each in (name, *(definition.get("aliases") or ())):
        yield from (variable_of(prefix, each) for prefix in prefixes)
    yield from definition.get("env_aliases") or ()


def variable_of(name: str, setting: str) -> str:
    """Return the variable from which Meltano reads a setting of a plugin.

    >>> variable_of("tap-github", "auth.token"), variable_of("tap-github", "_select")
    ('TAP_GITHUB_AUTH_TOKEN', 'TAP_GITHUB__SELECT')
    """
    return re.sub(r"[^A-Z0-9]", "_", f"{name}_{setting}".upper())


def _cast(value: Any, kind: Any) -> Any:
    """Return the text of a variable as a value of the setting's kind, as Meltano does."""
    if not isinstance(value, str) or "$" in value:
        return value
    if kind == "boolean":
        return value.lower() in ("true", "1", "yes", "on", "t", "y")
    try:
        if kind == "integer":
            return int(value)
        if kind == "decimal":
            return number(value)
        return parse_json(value) if kind in ("array", "object") else value
    except ValueError:
        return value


def _like(value: Any) -> dict[str, Any]:
    """Return the definition of a setting that only has a value: a variable is read as the same type."""
    kinds = {bool: "boolean", int: "integer", float: "decimal", list: "array", dict: "object"}
    return {"kind": kinds.get(type(value))}


def _block(environment: Mapping[str, Any] | None, kind: str, name: str) -> Mapping[str, Any]:
    plugins = ((environment or {}).get("config") or {}).get("plugins") or {}
    return next((entry for entry in plugins.get(kind) or () if entry["name"] == name), {})


def _extras(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: entry[key] for key in EXTRAS if key not in _MAPPINGS and entry.get(key) is not None}
    for key in _MAPPINGS:
        found |= _flat({key: entry.get(key)})
    return found


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"ssl.mode": …}` for `{"ssl": {"mode": …}}`. A null sets nothing."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{name}.")
        elif value is not None:
            found[name] = value
    return found
