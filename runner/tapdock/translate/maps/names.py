"""Names and attributes, compiled to closures. Fields hide functions, but not variables and names of the maps."""

import ast
from collections.abc import Callable
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

from tapdock.translate.maps.build import (
    ABSENT,
    ORIGINAL,
    OWN,
    RECORD,
    STREAM,
    Build,
    Frame,
    Step,
    UnknownName,
    always,
)
from tapdock.translate.maps.functions import CONSTANTS, FUNCTIONS, MODULES
from tapdock.translate.maps.limits import Fault
from tapdock.translate.maps.methods import ATTRIBUTES, INSTEAD
from tapdock.translate.maps.numbers import described

__all__ = ["MAPS_NAMES", "STEPS", "check_attribute", "is_record", "module_path"]

MAPS_NAMES = frozenset({"_", "record", "config", "__stream_name__", "__original_stream_name__", "self", "fake"})
"""The names that the maps define. As in the SDK, they hide fields of the same names."""
_WHOLE = {"_", "record"}
_DENIED = {"format", "format_map", "mro"}
_DENIED_PREFIXES = ("_", "func_", "tb_", "gi_", "ag_", "cr_", "f_", "co_")
_MODULE_NAMES = ("datetime", "json")


def is_record(build: Build, node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _WHOLE and build.place(node.id) is None


def module_path(build: Build, node: ast.AST) -> str | None:
    """Return the text of an attribute of a module, such as `datetime.date.today`, or None if it is something else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in _MODULE_NAMES or not parts:
        return None
    if build.place(node.id) is not None or node.id in (build.scope.fields or ()):
        return None
    path = ".".join([node.id, *reversed(parts)])
    is_of_constant = any(path.startswith(f"{constant}.") for constant in CONSTANTS)
    return None if is_of_constant else path


def _name(build: Build, node: ast.Name) -> Step:
    name = node.id
    place = build.place(name)
    if place is not None:
        return itemgetter(place)
    if name in MAPS_NAMES:
        return _maps_name(build, node)
    if build.scope.fields is not None and name not in build.scope.fields:
        _refuse_unknown(build, node)
    if build.scope.fields is None and name.startswith("_"):
        _refuse_private(build, node, name)
    build.read(name)
    return _field(name)


def _field(name: str) -> Step:
    def read(frame: Frame) -> Any:
        try:
            return frame[RECORD][name]
        except KeyError:
            pass
        raise Fault(f"the record has no field `{name}`. `record.get('{name}')` is null in this case")

    return read


def _refuse_unknown(build: Build, node: ast.Name) -> None:
    name = node.id
    if name in FUNCTIONS or name in ("hash", "mask", "encrypt"):
        raise build.refused(node, "it is a function", f"call it, for example `{name}(...)`")
    if name in _MODULE_NAMES:
        raise build.refused(node, "it is a module", f"call one of its functions, for example `{_example(name)}`")
    close = get_close_matches(name, build.scope.fields or (), n=1)
    guess = f"did you mean `{close[0]}`? " if close else ""
    hint = f"{guess}For a field that the schema does not declare, use `record.get('{name}')`"
    raise build.refused(node, "the stream declares no field of this name", hint, error=UnknownName)


def _example(module: str) -> str:
    return {"datetime": "datetime.date.today()", "json": "json.dumps(record)"}[module]


def _refuse_private(build: Build, node: ast.AST, name: str) -> None:
    why = "this name is not available, because it leads out of the language"
    raise build.refused(node, why, f"read a field or a key of this name by `[...]`, for example `record['{name}']`")


def _maps_name(build: Build, node: ast.Name) -> Step:
    match node.id:
        case "_" | "record":
            build.reads = None
            return itemgetter(RECORD)
        case "config":
            return always(dict(build.scope.config))
        case "__stream_name__":
            return itemgetter(STREAM)
        case "__original_stream_name__":
            return itemgetter(ORIGINAL)
        case "self":
            return _own(build)
    raise build.refused(node, "`fake` is not a value", "call one of its generators, for example `fake.first_name()`")


def _own(build: Build) -> Step:
    build.read("self")
    if build.field is not None:
        build.read(build.field)
    else:
        build.reads = None

    def read(frame: Frame) -> Any:
        if frame[OWN] is not ABSENT:
            return frame[OWN]
        if "self" in frame[RECORD]:
            return frame[RECORD]["self"]
        raise Fault("the record has no value for `self`")

    return read


def check_attribute(build: Build, node: ast.Attribute) -> None:
    """Raise UsageError for names that could lead out of the language."""
    name = node.attr
    if name in INSTEAD and name in _DENIED:
        raise build.refused(node, f"`{name}` is not available, because its result has no limit", INSTEAD[name])
    if name in _DENIED or name.startswith(_DENIED_PREFIXES):
        _refuse_private(build, node, name)


def _attribute(build: Build, node: ast.Attribute) -> Step:
    check_attribute(build, node)
    path = module_path(build, node)
    if path is not None:
        if path not in CONSTANTS:
            allowed = "call it" if path in MODULES else f"use one of: {_listed(path)}"
            raise build.refused(node, "it is not a value of a module", allowed)
        return always(CONSTANTS[path])
    name = node.attr
    if is_record(build, node.value):
        build.read(name)
        return _field(name)
    if isinstance(node.value, ast.Name) and node.value.id == "fake" and build.place("fake") is None:
        raise build.refused(node, "it is a generator", f"call it, for example `fake.{name}()`")
    value = build.step(node.value)

    def read(frame: Frame) -> Any:
        found = value(frame)
        if isinstance(found, dict):
            if name in found:
                return found[name]
            raise Fault(f"an object has no key `{name}`")
        if name in ATTRIBUTES.get(type(found), ()):
            return getattr(found, name)
        raise Fault(f"{described(found)} has no attribute `{name}`")

    return read


def _listed(path: str) -> str:
    module = path.split(".")[0]
    return ", ".join(f"`{one}`" for one in (*MODULES, *CONSTANTS) if one.split(".")[0] == module)


_WITH_ITEMS = (str, list, tuple, dict)


def _subscript(build: Build, node: ast.Subscript) -> Step:
    key = node.slice
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        if is_record(build, node.value):
            build.read(key.value)
            return _field(key.value)
        if isinstance(node.value, ast.Name) and node.value.id == "config" and build.place("config") is None:
            return _setting(build, node, key.value)
    value, index = build.step(node.value), build.step(key)

    def read(frame: Frame) -> Any:
        found = value(frame)
        if not isinstance(found, _WITH_ITEMS):
            raise Fault(f"{described(found)} has no items")
        at = index(frame)
        try:
            return found[at]
        except KeyError:
            missing = "an object does not have the key that is read"
        except IndexError:
            missing = "a list or a text is too short for the index that is read"
        except TypeError:
            missing = f"{described(at)} is not an index of {described(found)}"
        raise Fault(missing)

    return read


def _setting(build: Build, node: ast.Subscript, name: str) -> Step:
    if name not in build.scope.config:
        raise build.refused(
            node, f"`stream_map_config` does not contain `{name}`", f"add `{name}` to `stream_map_config`"
        )
    return always(build.scope.config[name])


STEPS: dict[type, Callable[[Build, Any], Step]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
}
