"""Paths in a connector's config that no mount covers: what is written there is lost with the container."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tapdock.engines.base import Engine
from tapdock.project.composed import Composed
from tapdock.project.connector_values import Mount
from tapdock.project.interpolate import Unset
from tapdock.project.model import Connector
from tapdock.project.secret import Secret

__all__ = ["ConfigPath", "Unmounted", "is_covered", "mount_line", "path_hint", "paths_in", "uncovered", "unmounted"]

_SCHEME = re.compile(r"(?:file|sqlite|duckdb)(?:\+\w+)?:(?://)?(?=/)")
_PATH = re.compile(r"(?:/[^/\s](?:[^/\n]*[^/\s])?)+/?")
_NOT_A_FILE = re.compile(r"url|uri|endpoint|route|api|prefix|pattern|regex|query|command|socket", re.IGNORECASE)
_PASSING = re.compile(r"(?:^|[_-])(?:te?mp|temporary|cache|logs?)(?:$|[_-])", re.IGNORECASE)
_NO_FILE = re.compile(
    r"no such file or directory|FileNotFoundError|NoSuchFileException|permission denied(?! (?:for|to)\b)"
    r"|read-only file system|does not exist or is not a directory",
    re.IGNORECASE,
)


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
    if isinstance(value, Unset) or (isinstance(value, Composed) and not value.is_known):
        return  # a variable that is not set, or a secret that no command has needed yet
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


class Unmounted(NamedTuple):
    """A path in the config of a connector that no mount covers: where it is set, and what to add."""

    path: str
    place: str
    fix: str

    @property
    def found(self) -> str:
        """What is wrong, in words."""
        return f"`{self.place}` is a path in the container, and no mount covers it"


def unmounted(engine: Engine, connector: Connector) -> tuple[Unmounted, ...]:
    """Return the paths in the user's config that no mount covers, each with the mount to add."""
    found = []
    for each in uncovered(engine, connector):
        path = PurePosixPath(each.path)
        fix = mount_line(connector, str(path.parent if path.suffix else path))
        found.append(Unmounted(each.path, f"{connector.role}s.{connector.name}.config.{each.key}", fix))
    return tuple(found)


def path_hint(found: Iterable[Unmounted], message: str) -> str | None:
    """Return the next step for a failure that names a path that no mount covers; None for another failure."""
    paths = tuple(found)
    named = [each for each in paths if re.search(rf"{re.escape(each.path)}(?![\w-])", message)]
    if not named and _NO_FILE.search(message):
        named = list(paths)
    return f"{named[0].found}: {named[0].fix}" if named else None


def mount_line(connector: Connector, folder: str) -> str:
    """Return what a user has to add so that a folder of the container outlives it.

    If this machine has a folder of that name, such as /srv/lake, it may contain what is meant, so it is named as well.
    Each machine has a /tmp and a /var, and many have a /data.
    """
    place = f"{connector.role}s.{connector.name}"
    if folder in ("", "/"):
        return f"set a path below /data in `{place}.config`, and add `./data:/data` to `{place}.mounts`"
    line = f"add `./{folder.rpartition('/')[2]}:{folder}` to `{place}.mounts`"
    is_own = folder.count("/") > 1 and Path(folder).is_dir()
    return f"{line}, or `{folder}:{folder}` for the folder of this machine" if is_own else line
