"""Look a name up in both registries: all matches of a search, or the one connector that is meant."""

import difflib
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tapdock.connectors.registry import airbyte, meltanohub
from tapdock.connectors.registry.airbyte import Entry
from tapdock.connectors.registry.fetch import Missing, Reader
from tapdock.connectors.registry.found import Choice, Found, Role, plain_name
from tapdock.connectors.registry.meltanohub import Plugin
from tapdock.errors import UsageError

__all__ = ["AIRBYTE", "MOST_ASKED", "Ambiguous", "Match", "Registries", "described", "matches"]

AIRBYTE = "Airbyte's registry"
MOST_ASKED = 20
"""For how many plugins of a search the package is asked: each is a request."""


class Ambiguous(UsageError):
    """A name with several meanings; `choices` has all of them."""

    def __init__(self, name: str, choices: list[Choice]) -> None:
        super().__init__(f"`{name}` is the name of {len(choices)} connectors", hint="run one of the commands above")
        self.choices = choices


class Registries(msgspec.Struct, frozen=True, kw_only=True):
    """Both registries: their addresses, each of which may be `none`, and how they are read."""

    reader: Reader
    airbyte: str
    meltanohub: str

    def entries(self, role: Role) -> list[Entry]:
        if self.airbyte == "none":
            return []
        found = self.reader.read(AIRBYTE, self.airbyte, airbyte.entries)
        return [entry for entry in found if entry.role == role]

    def plugins(self, role: Role) -> list[Plugin]:
        return [] if self.meltanohub == "none" else meltanohub.plugins(self.reader, self.meltanohub, role)

    def definition(self, plugin: Plugin, variant: str) -> Mapping[str, Any]:
        return meltanohub.definition(self.reader, self.meltanohub, plugin, variant)

    def one(self, role: Role, name: str, *, airbyte_only: bool = False, variant: str | None = None) -> Found:
        """Return the only connector of that name.

        With a `variant`, only MeltanoHub is asked; `default` is its default. Raises Ambiguous, and UsageError for an
        unknown name and for a registry that cannot be read.
        """
        entries = self.entries(role) if variant is None else []
        plugins = [] if airbyte_only else self.plugins(role)
        named = [entry for entry in entries if airbyte.is_named(entry, name)]
        exact = [entry for entry in named if entry.repository == name.lower()]
        named = exact or named
        taps = [] if exact else [plugin for plugin in plugins if meltanohub.is_named(plugin, name)]
        if len(named) + (len(taps) if variant else sum(len(plugin.variants) for plugin in taps)) > 1:
            raise Ambiguous(name, [*_images(name, named), *_variants(name, taps)])
        if named:
            return airbyte.found(named[0])
        if taps:
            chosen = _variant(taps[0], variant, role) if variant else taps[0].variants[0]
            return meltanohub.found(self.definition(taps[0], chosen), variant=chosen)
        known = {plain_name(entry.repository) for entry in entries} | {plain_name(each.name) for each in plugins}
        asked = [
            *([AIRBYTE] if variant is None and self.airbyte != "none" else []),
            *([meltanohub.WHAT] if not airbyte_only and self.meltanohub != "none" else []),
        ]
        raise _unknown(role, name, sorted(known), asked)


def _variant(plugin: Plugin, variant: str, role: Role) -> str:
    wanted = plugin.default if variant in ("default", "original") else variant
    if wanted in plugin.variants:
        return wanted
    hint = f"its variants are: {', '.join(plugin.variants)}"
    if variant == "airbyte":
        hint = f"`tapdock add {role} {plain_name(plugin.name)} --airbyte` adds Airbyte's own image"
    raise UsageError(f"{meltanohub.WHAT}'s `{plugin.name}` has no variant `{variant}`", hint=hint)


def _unknown(role: Role, name: str, known: list[str], asked: list[str]) -> UsageError:
    if not asked:
        hint = "write its address, or remove `none`"
        return UsageError("the registry is `none` under `registries:` in the project file", hint=hint)
    near = difflib.get_close_matches(plain_name(name), known, n=3, cutoff=0.6)
    commands = " or ".join(f"`tapdock add {role} {each}`" for each in near)
    hint = f"did you mean {commands}?" if near else f"search with `tapdock search {shlex.quote(plain_name(name)[:4])}`"
    which = f"{asked[0]} has no" if len(asked) == 1 else f"neither {asked[0]} nor {asked[1]} has a"
    return UsageError(f"{which} {role} `{name}`", hint=hint)


def _images(name: str, entries: list[Entry]) -> Iterator[Choice]:
    repositories = [entry.repository for entry in entries]
    for entry in entries:
        if len(entries) == 1:
            arguments: tuple[str, ...] = (name, "--airbyte")
        elif repositories.count(entry.repository) == 1:
            arguments = (entry.repository,)
        else:
            arguments = (name, "--image", entry.image)
        yield Choice(what=f"Airbyte's {entry.title} ({entry.image})", arguments=arguments)


def _variants(name: str, plugins: list[Plugin]) -> Iterator[Choice]:
    for plugin in plugins:
        for variant in sorted(plugin.variants, key=lambda each: each != plugin.default):
            default = " (MeltanoHub's default)" if variant == plugin.default else ""
            yield Choice(what=f"Singer's {plugin.name}, {variant}{default}", arguments=(name, "--variant", variant))


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a search. `reference` is an image or a package; fields that the registry does not have are empty."""

    name: str
    role: Role
    kind: str
    title: str
    reference: str
    variants: tuple[str, ...] = ()
    license: str = ""
    support: str = ""


def matches(registries: Registries, word: str, role: Role) -> Iterator[Match]:
    """Yield the connectors of a role whose name contains the word. Raises UsageError for a registry."""
    wanted = word.lower().replace("_", "-")
    for entry in registries.entries(role):
        if wanted in entry.repository or wanted in entry.title.lower() or wanted in plain_name(entry.title):
            yield Match(
                name=plain_name(entry.repository),
                role=role,
                kind="airbyte",
                title=entry.title,
                reference=entry.image,
                license=entry.license,
                support=entry.support,
            )
    yield from _plugins(registries, wanted, role)


def _plugins(registries: Registries, wanted: str, role: Role) -> Iterator[Match]:
    hits = [each for each in registries.plugins(role) if wanted in each.name.lower().replace("_", "-")]
    for number, plugin in enumerate(hits):
        content: Mapping[str, Any] = {}
        if number < MOST_ASKED:
            with suppress(Missing):
                content = registries.definition(plugin, plugin.default or plugin.variants[0])
        yield Match(
            name=plain_name(plugin.name),
            role=role,
            kind="singer",
            title=plugin.name,
            reference=meltanohub.package(content),
            variants=tuple(sorted(plugin.variants, key=lambda each: each != plugin.default)),
            support="hidden" if meltanohub.is_hidden(content) else "",
        )


def described(content: Any, role: Role) -> Found:
    """Return the connector that a document describes: a definition of MeltanoHub, or an entry of Airbyte's registry.

    Raises ValueError if it is neither, UsageError if tapdock cannot install it.
    """
    if not isinstance(content, dict):
        raise ValueError("it is not an object")
    if "dockerRepository" in content:
        entry = airbyte.entry_of(content, role)
        if entry is None:
            raise ValueError(f"it is not an entry of a {role} with an image and a version")
        return airbyte.found(entry)
    name = content.get("name")
    other = "target-" if role == "source" else "tap-"
    if not isinstance(name, str) or not {"pip_url", "namespace"} & content.keys() or name.startswith(other):
        raise ValueError(f"it does not describe a {role}: it needs `dockerRepository`, or `name` and `pip_url`")
    return meltanohub.found(content, variant=str(content.get("variant") or ""))
