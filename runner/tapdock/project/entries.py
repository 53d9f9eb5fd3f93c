"""One entry under `sources:`, `targets:` or `pipelines:` as a value of the model."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from tapdock.config import (
    Build,
    Config,
    Connector,
    Kind,
    Limits,
    Pipeline,
    Pull,
    Secret,
    StreamOptions,
    SyncMode,
)
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.mounts import mounts

__all__ = ["DEFAULTS", "KEYS", "SHARED", "build_image", "connector", "pipeline"]

SHARED = (
    "env", "platform", "network", "extra_hosts", "user", "memory", "cpus", "pids", "pull",
    "idle_timeout", "stop_grace", "exit_grace",
)  # fmt: skip
KEYS = ("image", "build", "kind", "config", "mounts", "entrypoint", "command", *SHARED)
SOURCE_KEYS = (*KEYS, "select", "streams")
DEFAULTS = {
    "source": {"pull": "missing", "idle_timeout": "3h", "stop_grace": "30s", "exit_grace": "60s"},
    "target": {"pull": "missing", "idle_timeout": "24h", "stop_grace": "30s", "exit_grace": "60s"},
}
LATER = "it comes with a later version of tapdock; remove it for now"
INSTEAD = {
    "maps": LATER,
    "schedule": LATER,
    "manifest": LATER,
    "registry_auth": f"{LATER} (`docker login` works already)",
    "volumes": "mounts are written under `mounts`",
    "environment": "environment variables of the container are written under `env`",
    "settings": "the connector's own settings are written under `config`",
    "tag": "the tag is part of `image`: `airbyte/source-faker:7.2.1`",
    "pip_url": 'write `build: {singer: "target-duckdb==0.8.0"}`',
}
ONLY_SOURCES = "only a source has streams to choose"
FAMILIES: dict[str, Literal["singer", "airbyte-python"]] = {"singer": "singer", "airbyte": "airbyte-python"}


def connector(field: Field, role: Literal["source", "target"], folder: Path) -> Connector:
    """A source or a target; UsageError tells the place of whatever is wrong with it."""
    instead = INSTEAD if role == "source" else {**INSTEAD, "select": ONLY_SOURCES, "streams": ONLY_SOURCES}
    keys = field.keys(SOURCE_KEYS if role == "source" else KEYS, instead=instead)
    build = _build(keys["build"]) if "build" in keys else None
    given: dict[str, Any] = {}
    readers: dict[str, Callable[[Field], Any]] = {
        "kind": lambda key: key.choice(Kind),
        "config": _config,
        "select": Field.texts,
        "streams": lambda key: {name: _stream(inner) for name, inner in key.entries().items()},
        "env": lambda key: {name: _variable(inner) for name, inner in key.entries().items()},
        "mounts": lambda key: mounts(key, folder),
        "entrypoint": Field.words,
        "command": Field.words,
        "platform": Field.text,
        "network": Field.text,
        "extra_hosts": Field.texts,
        "user": Field.text,
        "memory": Field.size,
        "cpus": Field.number,
        "pids": lambda key: key.integer(least=1),
        "pull": lambda key: key.choice(Pull),
    }
    for name, read in readers.items():
        if name in keys:
            given[name] = read(keys[name])
    return Connector(
        name=str(field.path[-1]),
        role=role,
        image=_image(field, keys, build),
        build=build,
        limits=_limits(keys, role),
        **given,
    )


def _image(field: Field, keys: Mapping[str, Field], build: Build | None) -> str:
    if "image" in keys:
        image = keys["image"].text()
        if re.search(r"\s", image) or image.startswith("-"):
            raise keys["image"].wrong("an image", hint="for example `airbyte/source-faker:7.2.1`")
        return image
    if build is None:
        raise field.error(
            "has neither `image` nor `build`",
            hint='name an image, or let one be made: `build: {singer: "target-duckdb==0.8.0"}`',
        )
    return build_image(build) or _unnamed(keys["build"])


def _unnamed(field: Field) -> str:
    raise field.error("does not tell what to call the image", hint="give `image` as well")


def build_image(build: Build) -> str | None:
    """`tapdock/<program>:<version>`; None where the package has no plain name.

    >>> build_image(Build(family="singer", package="target-duckdb==0.8.0"))
    'tapdock/target-duckdb:0.8.0'
    """
    return f"tapdock/{build.program.lower()}:{build.version or 'latest'}" if build.program else None


def _build(field: Field) -> Build:
    keys = field.keys((*FAMILIES, "executable"), instead={"manifest": LATER})
    families = [name for name in FAMILIES if name in keys]
    if len(families) != 1:
        raise field.error(
            "needs exactly one of `singer` and `airbyte`",
            hint='for example `build: {singer: "target-duckdb==0.8.0"}`',
        )
    executable = keys["executable"].text() if "executable" in keys else None
    return Build(family=FAMILIES[families[0]], package=keys[families[0]].text(), executable=executable)


def _config(field: Field) -> Config:
    field.entries()
    return Config(field.value)


def _variable(field: Field) -> str | Secret:
    if isinstance(field.value, Secret):
        return field.value
    if isinstance(field.value, bool):
        return "true" if field.value else "false"
    if isinstance(field.value, str):
        return field.value
    if field.value is None:
        raise field.wrong("text", hint="`${NAME}` takes a variable of your own environment")
    return field.text()


def _stream(field: Field) -> StreamOptions:
    keys = field.keys(("sync_mode", "cursor_field", "primary_key"), instead={"selected": "use `select`"})
    return StreamOptions(
        sync_mode=keys["sync_mode"].choice(SyncMode) if "sync_mode" in keys else None,
        cursor_field=keys["cursor_field"].texts() if "cursor_field" in keys else (),
        primary_key=tuple(part.texts() for part in keys["primary_key"].items()) if "primary_key" in keys else (),
    )


def _limits(keys: Mapping[str, Field], role: Literal["source", "target"]) -> Limits:
    names = {"idle_timeout": f"{role}_idle", "stop_grace": "stop_grace", "exit_grace": "exit_grace"}
    return Limits(**{names[name]: keys[name].duration() for name in names if name in keys})


def pipeline(field: Field, sources: Mapping[str, Connector], targets: Mapping[str, Connector]) -> Pipeline:
    """A pipeline whose source and target exist."""
    known = ("source", "target", "retries", "state_suffix")
    keys = field.keys(known, instead={"maps": LATER, "schedule": LATER, "destination": "write `target`"})
    return Pipeline(
        name=str(field.path[-1]),
        source=_named(field, keys, "source", sources, targets),
        target=_named(field, keys, "target", targets, sources),
        retries=keys["retries"].integer() if "retries" in keys else 0,
        state_suffix=keys["state_suffix"].text() if "state_suffix" in keys else None,
    )


def _named(
    field: Field,
    keys: Mapping[str, Field],
    role: Literal["source", "target"],
    known: Mapping[str, Connector],
    others: Mapping[str, Connector],
) -> str:
    if role not in keys:
        raise field.error(f"has no `{role}`", hint=f"known {role}s: {', '.join(known) or 'none yet'}")
    name = keys[role].text()
    if name in known:
        return name
    if name in others:
        raise keys[role].error(f"names `{name}`, which is a {others[name].role}, not a {role}")
    hint = did_you_mean(name, known) or f"known {role}s: {', '.join(known) or 'none yet'}"
    raise keys[role].error(f"names `{name}`, but there is no such {role}", hint=hint)
