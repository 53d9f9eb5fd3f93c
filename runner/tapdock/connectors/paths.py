"""Paths in a connector's config that no mount covers: what is written there is lost with the container."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tapdock.engines.base import Engine
from tapdock.project.model import Connector, Mount, Secret

__all__ = ["ConfigPath", "is_covered", "mount_line", "paths_in", "uncovered"]

_SCHEME = re.compile(r"(?:file|sqlite|duckdb)(?:\+\w+)?:(?://)?(?=/)")
_PATH = re.compile(r"(?:/[^/\s](?:[^/\n]*[^/\s])?)+/?")
_NOT_A_FILE = re.compile(r"url|uri|endpoint|route|api|prefix|pattern|regex|query|command|socket", re.IGNORECASE)
_PASSING = re.compile(r"(?:^|[_-])(?:te?mp|temporary|cache|logs?)(?:$|[_-])", re.IGNORECASE)


class ConfigPath(NamedTuple):
    """A value of a config that looks like an absolute path. `key` is dotted; `passing`: for temporary files or logs."""

    key: str
    path: str
    passing: bool


def paths_in(config: Mapping[str, Any]) -> tuple[ConfigPath, ...]:
    """Return the values of a config that look like absolute paths in the container.

    >>> paths_in({"filepath": "/data/lake.duckdb", "url": "/v1", "db": {"uri": "sqlite:////data/x.db"}})[0].path
    '/data/lake.duckdb'
    """
    return tuple(
        ConfigPath(key, path, passing=bool(_PASSING.search(key.rpartition(".")[2])))
        for key, text in _texts(config, "")
        if (path := _path(key.rpartition(".")[2], text))
    )


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Secret):
        yield key, value.reveal()
    elif isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)


def _path(name: str, text: str) -> str | None:
    scheme = _SCHEME.match(text)
    path = re.sub(r"^/+", "/", text[scheme.end() :]) if scheme else text
    if not _PATH.fullmatch(path) or (_NOT_A_FILE.search(name) and not scheme):
        return None
    if " " in path and path.count("/") < 2:
        return None  # a sentence
    return path.rstrip("/")


def is_covered(path: str, mounts: Iterable[Mount]) -> bool:
    """Return True if a mount covers a path in the container."""
    return any(path == mount.target or path.startswith(f"{mount.target}/") for mount in mounts)


def uncovered(engine: Engine, connector: Connector) -> tuple[ConfigPath, ...]:
    """Return the paths in the user's config that no mount covers. Temporary files and logs need no mount.

    There are none on the local engine, whose programs use the paths of this machine.
    """
    if engine.name == "local":
        return ()
    config = connector.config
    return tuple(each for each in paths_in(config) if not each.passing and not is_covered(each.path, connector.mounts))


def mount_line(connector: Connector, folder: str) -> str:
    """Return what a user has to add so that a folder of the container outlives it."""
    place = f"{connector.role}s.{connector.name}"
    if folder in ("", "/"):
        return f"set a path below /data in `{place}.config`, and add `./data:/data` to `{place}.mounts`"
    return f"add `./{folder.rpartition('/')[2]}:{folder}` to `{place}.mounts`"
