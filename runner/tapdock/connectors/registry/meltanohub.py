"""MeltanoHub's API: an index of the taps, one of the targets, and a definition of each variant of a plugin."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tapdock.connectors.registry.fetch import Reader, is_address
from tapdock.connectors.registry.found import UNKNOWN, Found, Role, Setting, plain_name
from tapdock.connectors.registry.words import plain_text
from tapdock.errors import UsageError
from tapdock.project.model import Build

__all__ = ["WHAT", "Plugin", "definition", "found", "is_hidden", "is_named", "is_wrapper", "package", "plugins"]

WHAT = "MeltanoHub"
FOLDERS: Mapping[Role, str] = {"source": "extractors", "target": "loaders"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PYTHON = re.compile(r"(?:python)?(3\.(?:9|1\d))")
_LOAD_SCHEMA = ("$MELTANO_EXTRACT__LOAD_SCHEMA", "${MELTANO_EXTRACT__LOAD_SCHEMA}")
"""Meltano's name for what tapdock calls `${LOAD_SCHEMA}`."""
_AIRBYTE = "airbyte"
"""The variant that starts an Airbyte source by Docker; tapdock starts the image itself."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A tap or a target in the index. `default` is one of the `variants`, or empty."""

    role: Role
    name: str
    default: str
    variants: tuple[str, ...]


def plugins(reader: Reader, address: str, role: Role) -> list[Plugin]:
    """Return the plugins of a role. Raises UsageError if the registry cannot be read."""
    return reader.read(WHAT, _place(address, role, "index"), lambda content: list(_plugins(content, role)))


def definition(reader: Reader, address: str, plugin: Plugin, variant: str) -> Mapping[str, Any]:
    """Return what the registry says about a variant. Raises UsageError."""

    def parse(content: Any) -> Mapping[str, Any]:
        if not isinstance(content, dict) or content.get("name") != plugin.name:
            raise ValueError(f"it is not the definition of `{plugin.name}`")
        return content

    return reader.read(WHAT, _place(address, plugin.role, f"{plugin.name}--{variant}"), parse)


def _place(address: str, role: Role, name: str) -> str:
    """Return the address of a document, or its file in a folder of files."""
    ending = "" if is_address(address) else ".json"
    return f"{address.rstrip('/')}/plugins/{FOLDERS[role]}/{name}{ending}"


def _plugins(content: Any, role: Role) -> Iterator[Plugin]:
    if not isinstance(content, dict):
        raise ValueError("it is not an object with the names of plugins")
    known = 0
    for name, each in content.items():
        variants = each.get("variants") if isinstance(each, dict) else None
        if not isinstance(variants, dict) or not _NAME.fullmatch(name):
            continue
        known += 1
        names = tuple(variant for variant in variants if _NAME.fullmatch(variant) and variant != _AIRBYTE)
        default = each.get("default_variant")
        if names:
            yield Plugin(role=role, name=name, default=default if default in names else "", variants=names)
    if content and not known:
        raise ValueError("none of its plugins has `variants`")


def is_named(plugin: Plugin, word: str) -> bool:
    """Return True if a word names the plugin, with or without its prefix."""
    word = word.lower().replace("_", "-").replace(" ", "-")
    name = plugin.name.lower().replace("_", "-")
    return word in (name, plain_name(name))


def is_hidden(content: Mapping[str, Any]) -> bool:
    return content.get("hidden") is True


def is_wrapper(content: Mapping[str, Any]) -> bool:
    """Return True for a definition that only starts an Airbyte image."""
    return content.get("namespace") == "tap_airbyte" or "tap-airbyte-wrapper" in str(content.get("pip_url"))


def package(content: Mapping[str, Any]) -> str:
    """Return the requirements of a definition, separated by spaces; an empty text if it has none."""
    given = content.get("pip_url")
    return " ".join(given.split()) if isinstance(given, str) else ""


def found(content: Mapping[str, Any], *, variant: str) -> Found:
    """Return what is written for a definition. Raises UsageError if tapdock cannot install it."""
    name = str(content.get("name", ""))
    what = f"variant `{variant}` of `{name}`" if variant else f"`{name}`"
    if not (_NAME.fullmatch(name) and (not variant or _NAME.fullmatch(variant))):
        raise UsageError(f"`{name}` is not the name of a plugin", hint="correct `name` and `variant` in the definition")
    if is_wrapper(content):
        hint = f"tapdock runs Airbyte's images itself: `tapdock add source {plain_name(name)} --airbyte`"
        raise UsageError(f"the {what} only starts an Airbyte source", hint=hint)
    requirement = package(content)
    choose = "name one with `--singer REQUIREMENT`"
    if not requirement:
        raise UsageError(f"the {what} has no package in {WHAT}", hint=choose)
    if "$" in requirement:
        raise UsageError(f"the package of the {what} depends on variables: `{requirement}`", hint=choose)
    build: dict[str, Any] = {"singer": requirement}
    entry: dict[str, Any] = {"build": build}
    first = requirement.split()[0]
    program = content.get("executable") if isinstance(content.get("executable"), str) else None
    base = Build(family="singer", package=requirement).program
    if base is None or (program and program != base):
        build["executable"] = program or name
        entry = {"image": f"tapdock/{name.lower()}:{variant or 'latest'}", "build": build}
    if python := _PYTHON.fullmatch(str(content.get("python", ""))):
        build["python"] = python[1]
    about = plain_text(str(content.get("description") or content.get("label") or ""))
    above = [f"MeltanoHub's {name}" + (f", variant {variant}" if variant else "") + (f": {about}" if about else "")]
    return Found(
        kind="singer",
        name=plain_name(name),
        what=requirement,
        same=base or first,
        entry=entry,
        settings=settings(content),
        streams=tuple(each for each in _list(content.get("select")) if isinstance(each, str)),
        notes={next(iter(entry)): tuple(above)},
        remarks=tuple(_remarks(content, is_pinned="==" in first or "@" in first.partition("://")[2])),
    )


def _remarks(content: Mapping[str, Any], *, is_pinned: bool) -> Iterator[str]:
    if is_hidden(content):
        yield "MeltanoHub does not list this variant any more; another one may be better maintained"
    if not is_pinned:
        yield "the package is not pinned: each new build installs its newest release; add a version under `build`"
    if content.get("metadata"):
        yield "not carried over: `metadata` for its streams, which the definition has for Meltano"


def settings(content: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the required settings; and secrets and the schema in the target, if they are at the top and not required.

    Of several sets of settings, each of which is sufficient, the first is written. A comment lists the others.
    """
    known = {str(one.get("name")): one for one in _list(content.get("settings")) if isinstance(one, dict)}
    groups = [_list(each) for each in _list(content.get("settings_group_validation"))]
    sets = [names for each in groups if (names := [name for name in each if isinstance(name, str)])]
    needed = sets[0] if sets else []
    note = ""
    if len(sets) > 1:
        note = f"One of {len(sets)} sets is required: {'; '.join(', '.join(each) for each in sets)}. "
    required = [
        Setting(
            path=tuple(name.split(".")),
            about=(note if not number else "") + _about(one),
            value=_value(one),
            variable=_variable(one),
        )
        for number, name in enumerate(needed)
        for one in [known.get(name, {})]
    ]
    taken = {setting.path[0] for setting in required}
    more = [
        Setting(path=(name,), about=_about(one), required=False, variable=_variable(one))
        for name, one in known.items()
        if (_is_secret(one) or _variable(one)) and "." not in name and name not in taken
    ]
    return (*required, *more)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(one: Mapping[str, Any]) -> Any:
    """Return the default. One with variables of Meltano is none: they have no value here."""
    value = one.get("value")
    refers = "$" in json.dumps(value)
    return UNKNOWN if value is None or refers or _is_secret(one) else value


def _variable(one: Mapping[str, Any]) -> str:
    return "LOAD_SCHEMA" if one.get("value") in _LOAD_SCHEMA else ""


def _is_secret(one: Mapping[str, Any]) -> bool:
    return one.get("sensitive") is True or one.get("kind") == "password"


def _about(one: Mapping[str, Any]) -> str:
    text = plain_text(str(one.get("description") or one.get("label") or ""))
    kind = one.get("kind")
    options = [str(each.get("value")) for each in _list(one.get("options")) if isinstance(each, dict)]
    facts = [plain_text(kind)] if isinstance(kind, str) and kind not in ("string", "password", "options") else []
    facts += [f"one of {plain_text(', '.join(options))}"] if options else []
    return f"{text} ({', '.join(facts)})".strip() if facts else text
