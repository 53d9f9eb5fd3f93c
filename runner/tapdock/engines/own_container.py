"""What an engine has of the files that this process sees.

On one machine that is all of them. In a container it is what was mounted into that container: a path of ours stands for
another path of the engine's, and the longest mount that covers it tells which. What is only in the container's own file
system the engine cannot mount anywhere else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["OwnContainer", "Shared", "find_own"]

_MOUNTED_BY_THE_ENGINE = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)\b")
_PODMAN = re.compile(r"/overlay-containers/([0-9a-f]{64})/userdata/(?:hostname|hosts|resolv\.conf)\b")
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A mount of our own container; `source` is its path as the engine has it."""

    target: str
    source: str
    writable: bool = True


@dataclass(frozen=True, kw_only=True)
class OwnContainer:
    """The container that this process runs in, on the engine that it talks to.

    `networks` are those with a name of their own; `hidden` are mounts that nobody else can have (a tmpfs).
    """

    id: str
    name: str
    shared: tuple[Shared, ...] = ()
    hidden: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def located(self, path: str) -> str | None:
        """The engine's own path of `path`, an absolute one without links; None where no mount covers it.

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


def _is_within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def find_own(
    inspect: Callable[[str], Mapping[str, Any] | None], *, mountinfo: str, hostname: str, named: str | None
) -> OwnContainer | None:
    """Our own container, if this process runs in one that the engine knows.

    The engine mounts `hostname` and its like into every container from a folder that has the container's id in its
    path, which shows in `/proc/self/mountinfo`. Where it does not, a container has its id for a hostname; else
    `named`, which a user gives as TAPDOCK_CONTAINER. `inspect` is asked for each and answers None for what it does
    not know: an engine elsewhere does not have the container that we are in.
    """
    ids = [match[1] for pattern in (_MOUNTED_BY_THE_ENGINE, _PODMAN) for match in pattern.finditer(mountinfo)]
    for name in dict.fromkeys([*ids, *([hostname] if _in_container() else []), *([named] if named else [])]):
        facts = inspect(name)
        if facts and (name != hostname or (facts.get("Config") or {}).get("Hostname") == hostname):
            return _described(facts)
    return None


def _in_container() -> bool:
    """Outside of one, a machine's name may be that of somebody's container."""
    return any(mark.exists() for mark in _MARKS)


def _described(facts: Mapping[str, Any]) -> OwnContainer:
    mounts = facts.get("Mounts") or []
    host = facts.get("HostConfig") or {}
    networks = (facts.get("NetworkSettings") or {}).get("Networks") or {}
    return OwnContainer(
        id=str(facts["Id"]),
        name=str(facts["Name"]).lstrip("/"),
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
