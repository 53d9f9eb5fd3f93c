"""Read a YAML file as a layer: with YAML 1.2 scalars and line numbers, and without duplicate keys."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar

import yaml

from tapdock.errors import UsageError
from tapdock.project.files import FAST, require_shallow, text_of
from tapdock.project.layers import Layer, Path
from tapdock.project.values import flaw

__all__ = ["parse", "parse_list", "read"]

T = TypeVar("T")

MOST_NODES = 100_000  # that aliases may expand to: aliases of aliases can expand to more than fits in memory
_SOON_READ = 1024**2
_LONGEST_SHOWN = 100
_YAML = "tag:yaml.org,2002:"
_COLLECTIONS = (f"{_YAML}map", f"{_YAML}seq")


class _Loader(yaml.SafeLoader):
    """A loader with YAML 1.2's core scalars: `NO`, `12:30`, `2024-01-01` and `007` stay text."""


class _FastLoader(FAST):  # type: ignore[misc] # either of two classes
    """The same loader in C, which takes a tenth of the time."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+|[0-9]\.)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_FastLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def read(file: FilePath, *, label: str | None = None) -> Layer:
    """Return the file's values. Raises UsageError with `label:line` if the file is not a valid YAML mapping.

    Without a `label`, the name of the file is used.
    """
    return parse(text_of(file), label or file.name)


def parse(text: str, label: str) -> Layer:
    """Return YAML text as a layer whose origins are `label:line`. Raises UsageError."""
    return _parsed(text, label, _read)


def parse_list(text: str, label: str) -> tuple[list[Any], Mapping[Path, str]]:
    """Return the items of YAML text that is a list, and the origin of each value by its path. Raises UsageError."""
    return _parsed(text, label, _read_list)


def _parsed(text: str, label: str, read: Callable[[Any, str], T]) -> T:
    try:
        try:
            require_shallow(text)
            return read(_FastLoader(text), label)
        except yaml.YAMLError:
            if len(text) > _SOON_READ:
                raise
            return read(_Loader(text), label)  # its errors are more detailed
    except RecursionError as error:
        raise UsageError(f"{label} is nested too deeply", hint="is it the right file?") from error
    except yaml.MarkedYAMLError as error:
        raise _malformed(error, label) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{label} is not YAML: {str(error).splitlines()[0]}") from error


def _read(loader: Any, label: str) -> Layer:
    return _Reading(loader, label).layer(loader.get_single_node())


def _read_list(loader: Any, label: str) -> tuple[list[Any], Mapping[Path, str]]:
    return _Reading(loader, label).items(loader.get_single_node())


def _malformed(error: yaml.MarkedYAMLError, label: str) -> UsageError:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    problem = error.problem or error.context or "not YAML"
    hint = None
    if "'\\t'" in problem:
        hint = "indent with spaces: YAML does not allow tabs"
    elif error.context and error.context_mark and error.problem:
        hint = f"{error.context} that begins on line {error.context_mark.line + 1}"
    return UsageError(f"{label}{line}: malformed YAML: {problem}", hint=hint)


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_YAML)}" if tag.startswith(_YAML) else tag


class _Reading:
    """One pass over the nodes of a document."""

    def __init__(self, loader: Any, label: str) -> None:
        self._loader = loader
        self._label = label
        self._origins: dict[Path, str] = {}
        self._seen: set[int] = set()
        self._again = 0
        self._open: list[int] = []

    def layer(self, node: yaml.Node | None) -> Layer:
        if node is None:
            return Layer()
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(f"{self._at(node)}: the file is not a mapping", hint="start it with `version: 1`")
        return Layer(self._mapping(node, ()), self._origins)

    def items(self, node: yaml.Node | None) -> tuple[list[Any], Mapping[Path, str]]:
        if node is not None and not isinstance(node, yaml.SequenceNode):
            raise UsageError(f"{self._at(node)}: the file is not a list", hint="start each item with `- `")
        value = [] if node is None else self._value(node, ())
        return (value if isinstance(value, list) else []), self._origins

    def _at(self, node: yaml.Node) -> str:
        return f"{self._label}:{node.start_mark.line + 1}"

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._again += id(node) in self._seen
        self._seen.add(id(node))
        if self._again > MOST_NODES or id(node) in self._open:
            raise UsageError(f"{self._at(node)}: aliases expand to too many values", hint="write the values out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in _COLLECTIONS:
            raise self._tagged(node)
        self._open.append(id(node))
        if isinstance(node, yaml.MappingNode):
            value: Any = self._mapping(node, path)
        else:
            value = [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        self._open.pop()
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
            shown = node.value[:_LONGEST_SHOWN]
            raise UsageError(f"{self._at(node)}: `{shown}` cannot be read as `{_short(node.tag)}`") from error
        if not isinstance(value, str | int | float | None):
            raise self._tagged(node)
        if problem := flaw(value):
            raise UsageError(f"{self._at(node)}: `{node.value[:_LONGEST_SHOWN]}` {problem}")
        return value

    def _tagged(self, node: yaml.Node) -> UsageError:
        problem = f"values with the tag `{_short(node.tag)}` are not supported"
        return UsageError(f"{self._at(node)}: {problem}", hint="write text, a number, a list or a mapping")

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self._origins[path] = self._at(node)
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = {**self._merged(source, path), **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{self._at(key)}: a key must be plain text")
            name, line = str(key.value), key.start_mark.line + 1
            if problem := flaw(name):
                raise UsageError(f"{self._at(key)}: a key {problem}")
            if name in lines:
                raise UsageError(
                    f"{self._label}:{line}: `{name}` is defined twice, first on line {lines[name]}",
                    hint="remove one of the two",
                )
            lines[name] = line
            own[name] = self._value(value, (*path, name))
            self._origins[(*path, name)] = f"{self._label}:{line}"
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(f"{self._at(node)}: the value of `<<` is not a mapping")
        value = self._value(node, path)
        return value if isinstance(value, dict) else {}
