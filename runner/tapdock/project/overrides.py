"""Override values of the project file by environment variables such as `TAPDOCK_SOURCES__FAKER__CONFIG__COUNT`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.extends import with_inherited
from tapdock.project.fields import did_you_mean
from tapdock.project.interpolate import is_private
from tapdock.project.keys import ROOT, names
from tapdock.project.layers import Layer, Path, merge
from tapdock.project.secret import Secret
from tapdock.project.values import flaw, number, parse_json

__all__ = ["ROOTS", "overridden"]

PREFIX = "TAPDOCK_"
_ROOT_ONLY = ("version", "include", "default_environment", "vars", "environments")
ROOTS = tuple(name for name in names(ROOT) if name not in _ROOT_ONLY)
"""The blocks of the file with keys that a variable can set."""


def overridden(layer: Layer, variables: Mapping[str, str], *, origins: Mapping[str, str], label: str) -> Layer:
    """Return the layer with the value of every `TAPDOCK_…__…` variable merged over it. Raises UsageError.

    Values that a connector inherits by `extends` are changed as if they were its own. `origins` maps variables that are
    not from the environment to their origin. `label` is the name of the project file, for errors.
    """
    for variable in sorted(variables, key=lambda name: (not name.upper().endswith("__EXTENDS"), name)):
        if not variable.upper().startswith(PREFIX) or "__" not in variable:
            continue
        if problem := flaw(variables[variable]):
            raise UsageError(f"the environment variable `{variable}` {problem}")
        layer = with_inherited(layer, _path(variable, layer), label)
        path = _path(variable, layer)
        origin = origins.get(variable, variable)
        value = _value(variables[variable], path, old=_at(layer.tree, path))
        layer = merge(layer, _nested(*_whole_lists(value, path, layer.tree), origin))
    return layer


def _whole_lists(value: Any, path: Path, tree: Any) -> tuple[Any, Path]:
    """Return the value and the path to write: if the path leads into a list, the whole list with the new item."""
    for place, part in enumerate(path):
        if isinstance(tree, list):
            return _with_item(tree, path[place:], value), path[:place]
        tree = tree.get(part) if isinstance(tree, dict) else None
    return value, path


def _with_item(old: Any, path: Path, value: Any) -> Any:
    """Return an old value in which the value at the path is new. The path fits it: `_path` has checked that."""
    if not path:
        return value
    if isinstance(old, list) and isinstance(path[0], int):
        inner = old[path[0]] if path[0] < len(old) else None
        return [*old[: path[0]], _with_item(inner, path[1:], value), *old[path[0] + 1 :]]
    inner = old if isinstance(old, dict) else {}
    return {**inner, path[0]: _with_item(inner.get(path[0]), path[1:], value)}


def _path(variable: str, layer: Layer) -> Path:
    words = variable[len(PREFIX) :].split("__")
    root = _match(words[0], ROOTS, variable)
    if root is None or not all(words):
        hint = did_you_mean(words[0], ROOTS) or f"known after `{PREFIX}`: {', '.join(ROOTS).upper()}"
        raise UsageError(f"the environment variable `{variable}` does not match a key of the project file", hint=hint)
    path: Path = (root,)
    for word in words[1:]:
        inside = _at(layer.tree, path)
        if isinstance(inside, list):
            path = (*path, _index(word, inside, variable))
            continue
        names = inside if isinstance(inside, dict) else {}
        found = _match(word, names, variable)
        if found is None and len(path) == 1 and root in ("sources", "mappers", "targets", "pipelines"):
            near = did_you_mean(word.replace("_", "-"), names) or did_you_mean(word, names)
            raise UsageError(
                f"the environment variable `{variable}` does not match an entry of `{root}`",
                hint=near or f"known in `{root}`: {', '.join(names) or 'none'}",
            )
        path = (*path, found or _new_name(word, path))
    return path


def _index(word: str, items: list[Any], variable: str) -> int:
    """Return the place of an item in a list, or the place behind the last item. Raises UsageError."""
    if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) > len(items):
        raise UsageError(
            f"the environment variable `{variable}` names the item `{word}` of a list of {len(items)}",
            hint=f"write a number from 0 to {len(items)}, or the whole list as JSON",
        )
    return int(word)


def _new_name(word: str, path: Path) -> str:
    """Return the name of a new key. Names of variables are kept; elsewhere, a name in capital letters is lowered.

    Connectors have settings such as `apiKey`, which only a name in the same letters can mean.
    """
    is_variable = path[2:] == ("env",) or path == ("defaults", "env")
    return word if is_variable or word != word.upper() else word.lower()


def _match(word: str, known: Iterable[str], variable: str) -> str | None:
    found = [name for name in known if _plain(name) == _plain(word)]
    if len(found) > 1:
        raise UsageError(
            f"the environment variable `{variable}` could mean {' or '.join(f'`{name}`' for name in found)}",
            hint="rename one of them in the project file",
        )
    return found[0] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        if isinstance(tree, list) and isinstance(part, int):
            tree = tree[part] if part < len(tree) else None
        else:
            tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _value(text: str, path: Path, *, old: Any) -> Any:
    """Return a variable's value as text, unless it is a JSON list or object, or replaces a number or a boolean."""
    if text[:1] in ("[", "{") and not (is_private(path) and isinstance(old, str | Secret)):
        try:
            value = parse_json(text)
            return _hidden(value) if is_private(path) else value
        except ValueError:
            pass
    if isinstance(old, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if isinstance(old, int | float) and not isinstance(old, bool):
        try:
            return number(text)
        except ValueError:
            pass
    return Secret(text) if is_private(path) else text


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return Secret(value) if isinstance(value, str) else value


def _nested(value: Any, path: Path, origin: str) -> Layer:
    tree: Any = value
    for part in reversed(path):
        tree = {part: tree}
    return Layer(tree, {path: origin, **{(*path, *inner): origin for inner in _paths(value)}})


def _paths(value: Any) -> Iterator[Path]:
    """Yield the path of each value inside of a tree."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in parts:
        yield (part,)
        yield from ((part, *rest) for rest in _paths(inner))
