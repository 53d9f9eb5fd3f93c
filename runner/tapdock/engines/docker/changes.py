"""Find files that a container wrote for itself alone: in its own layer, or in a volume that is removed with it."""

import base64
import contextlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, cast

import docker.errors

from tapdock.engines.docker.errors import answering
from tapdock.errors import ContainerGone, EngineError

__all__ = ["found"]

_MOST_FOUND = 3
_MOST_ASKED = 2000
_DELETED = 2
_NOT_REGULAR = 0x8F280000  # the type bits of a file mode in Go: https://pkg.go.dev/io/fs#FileMode
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def found(api: Any, name: str, *, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the paths of files with content that a container added or changed, at most three.

    Files on mounts are not included, except those in a volume without a name, which the engine removes together with
    the container. Raises ContainerGone, or EngineError for an answer that cannot be read.
    """
    failed = "the engine did not report which files a container changed"
    with answering(failed):
        try:
            return _found(api, name, wanted)
        except docker.errors.NotFound as error:
            raise ContainerGone(f"{failed}: the container does not exist any more") from error
        except (tarfile.TarError, KeyError, ValueError, TypeError) as error:
            raise EngineError(f"{failed}: its answer cannot be read: {error!r}") from error


def _found(api: Any, name: str, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    container = api.inspect_container(name)
    host = container.get("HostConfig") or {}
    mounts = container.get("Mounts") or []
    places = (*(mount["Destination"] for mount in mounts), *(host.get("Tmpfs") or {}))
    paths = [path for path in changed_files(api.diff(name) or [], places) if wanted(path)]
    inside = list(islice((path for path in paths[:_MOST_ASKED] if _has_content(api, name, path)), _MOST_FOUND))
    given = json.dumps([host.get("Binds"), host.get("Mounts")])
    for mount in mounts:
        if _ANONYMOUS.fullmatch(mount.get("Name") or "") and mount["Name"] not in given:
            began = datetime.fromisoformat(container["State"]["StartedAt"]).timestamp()
            inside += _written(api, name, mount["Destination"], wanted, began=int(began))
    return tuple(inside[:_MOST_FOUND])


def changed_files(changes: Iterable[Mapping[str, Any]], places: Iterable[str]) -> list[str]:
    """Return the paths of an engine's list of changes that are not below a mount, nor a folder of another change.

    A folder without changes in it is still in the result.
    """
    paths = {str(change["Path"]) for change in changes if change["Kind"] != _DELETED}
    folders = {str(PurePosixPath(path).parent) for path in paths}
    places = tuple(place.rstrip("/") for place in places)
    return sorted(
        path
        for path in paths - folders
        if not any(path == place or path.startswith(f"{place}/") or place.startswith(f"{path}/") for place in places)
    )


def _has_content(api: Any, name: str, path: str) -> bool:
    """Return True for a regular file that is not empty."""
    answer = api.head(api._url("/containers/{0}/archive", name), params={"path": path}, timeout=api.timeout)
    if answer.status_code == 404:
        return False  # removed meanwhile
    api._raise_for_status(answer)
    stat = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    return not stat["mode"] & _NOT_REGULAR and stat["size"] > 0


def _written(api: Any, name: str, folder: str, wanted: Callable[[str], bool], *, began: int) -> Iterator[str]:
    """Yield the first files with content in a volume that were written after `began`; the image may have filled it."""
    chunks, _ = api.get_archive(name, folder)
    with contextlib.closing(chunks), tarfile.open(fileobj=cast(Any, _Readable(chunks)), mode="r|") as files:
        for file in files:
            path = str(PurePosixPath(folder).parent / file.name)
            if file.isfile() and file.size and file.mtime >= began and wanted(path):
                yield path
                return


class _Readable:
    """An iterator of bytes as a file that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
