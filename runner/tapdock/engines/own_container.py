"""Find the engine's path of a file that this process sees.

On the same machine, both paths are equal. If this process runs in a container, the engine has only the files that are
mounted into that container, under other paths: the longest mount that covers a path decides. The engine cannot mount
files of the container's own file system anywhere else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

__all__ = ["OwnContainer", "Shared", "find_own", "is_this_life"]

_MOUNTED_BY_THE_ENGINE = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)\b")
_PODMAN = re.compile(r"/overlay-containers/([0-9a-f]{64})/userdata/(?:hostname|hosts|resolv\.conf)\b")
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A mount of this process's own container; `source` is the engine's path of it."""

    target: str
    source: str
    writable: bool = True


class OwnContainer(msgspec.Struct, frozen=True, kw_only=True):
    """The container that this process runs in, on the engine that it uses.

    `networks` are the user-defined ones; `hidden` are mounts that no other container can have (a tmpfs). `started` is
    the engine's time of its last start.
    """

    id: str
    name: str
    started: str = ""
    shared: tuple[Shared, ...] = ()
    hidden: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def life(self) -> str:
        """The name of this life of the container: after a restart, its id is the same, but its processes are gone."""
        return f"{self.id}/{self.started}" if self.started else self.id

    def located(self, path: str) -> str | None:
        """Return the engine's own path of `path`, which is absolute and without links; None if no mount covers it.

        >>> own = OwnContainer(id="1", name="runner", shared=(Shared(target="/project", source="/home/me/shop"),))
        >>> own.located("/project/data"), own.located("/projects")
        ('/home/me/shop/data', None)
        """
        covering = max(
            (mount for mount in self.shared if _is_within(path, mount.target)),
            key=lambda mount: len(PurePosixPath(mount.target).parts),
            default=None,
        )
        if covering is None or any(
            _is_within(path, target) and _is_within(target, covering.target) for target in self.hidden
        ):
            return None
        return str(PurePosixPath(covering.source) / PurePosixPath(path).relative_to(covering.target))


def is_this_life(life: str, facts: Mapping[str, Any] | None) -> bool:
    """Return True if a container still runs, and was not started again since. Without a time, only if it runs."""
    started = life.partition("/")[2]
    return bool(facts and facts["State"]["Running"] and started in ("", _started(facts)))


def _started(facts: Mapping[str, Any]) -> str:
    return str((facts.get("State") or {}).get("StartedAt") or "").replace("/", "")


def _is_within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def find_own(
    inspect: Callable[[str], Mapping[str, Any] | None], *, mountinfo: str, hostname: str, named: str | None
) -> OwnContainer | None:
    """Return the container that this process runs in; None if the engine does not run it.

    The engine mounts `hostname` and similar files into every container, from a folder with the container's id in its
    path, so `/proc/self/mountinfo` contains the id. Otherwise the hostname may be the id, or the user sets
    TAPDOCK_CONTAINER (`named`). `inspect` returns None for a container that the engine does not have, such as that of
    another engine.
    """
    ids = [match[1] for pattern in (_MOUNTED_BY_THE_ENGINE, _PODMAN) for match in pattern.finditer(mountinfo)]
    for name in dict.fromkeys([*ids, *([hostname] if _in_container() else []), *([named] if named else [])]):
        facts = inspect(name)
        if facts and (name != hostname or (facts.get("Config") or {}).get("Hostname") == hostname):
            return _described(facts)
    return None


def _in_container() -> bool:
    """Return True inside a container. Outside, the name of the machine may be the name of another container."""
    return any(mark.exists() for mark in _MARKS)


def _described(facts: Mapping[str, Any]) -> OwnContainer:
    mounts = facts.get("Mounts") or []
    host = facts.get("HostConfig") or {}
    networks = (facts.get("NetworkSettings") or {}).get("Networks") or {}
    return OwnContainer(
        id=str(facts["Id"]),
        name=str(facts["Name"]).lstrip("/"),
        started=_started(facts),
        shared=tuple(
            Shared(target=mount["Destination"], source=mount["Source"], writable=bool(mount.get("RW", True)))
            for mount in mounts
            if mount.get("Source") and mount.get("Type") in ("bind", "volume")
        ),
        hidden=(
            *(mount["Destination"] for mount in mounts if mount.get("Type") == "tmpfs"),
            *(host.get("Tmpfs") or {}),
        ),
        networks=tuple(name for name in networks if name not in ("bridge", "host", "none", "podman")),
    )
