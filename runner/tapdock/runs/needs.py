"""Check what a connector needs besides its image: variables, mounted files and folders, and its network."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tapdock.engines.base import Engine
from tapdock.errors import UsageError
from tapdock.files import is_missing
from tapdock.project.composed import Composed
from tapdock.project.interpolate import Unset
from tapdock.project.model import Connector
from tapdock.project.references import Reference
from tapdock.runs.findings import Finding

__all__ = ["of_host", "of_mounts", "of_network", "of_variables"]


def of_variables(connector: Connector) -> Iterator[Finding]:
    """Yield an error for each variable that the config, a mapping or `env` of a connector needs and that is not set.

    The same holds for files with secrets. Programs that print secrets are not started.
    """
    for error in _missing([connector.config, *connector.mappings.values(), connector.env], is_row=bool(connector.row)):
        yield Finding(what=f"variables of {connector.name}", level="error", found=error.message, fix=error.hint)


def _missing(value: Any, *, is_row: bool) -> Iterator[UsageError]:
    match value:
        case Unset():
            if is_row or not value.is_of_row:  # without a row, a value of rows is not missing
                yield value.error()
        case Composed():
            for piece in value.pieces:
                if isinstance(piece, Reference) and piece.reference.startswith("file:"):
                    try:
                        piece.read()
                    except UsageError as error:
                        yield error
        case Mapping():
            yield from _missing(list(value.values()), is_row=is_row)
        case list():
            for inner in value:
                yield from _missing(inner, is_row=is_row)


def of_host(task: Connector) -> Iterator[Finding]:
    """Yield that a task runs without a container, and a program of its commands that this machine does not have."""
    if not task.is_on_host:
        return
    what = f"task {task.name}"
    yield Finding(what=what, found="runs programs of this machine, without a container and without isolation")
    for name, command in task.commands.items():
        if command.unset is not None:
            continue  # its words are those of a row
        program = command.executable or next(iter((*(task.entrypoint or ()), *command.args)), None)
        if program and "/" not in program and not shutil.which(program):
            fix = f"install it, or correct `tasks.{task.name}.commands.{name}.executable`"
            yield Finding(what=what, level="error", found=f"there is no program `{program}`", fix=fix)


def of_mounts(connector: Connector) -> Iterator[Finding]:
    """Yield what is missing: a run creates folders to write into, but there is nothing to read in a new one."""
    what = f"mounts of {connector.name}"
    for mount in connector.mounts:
        if mount.is_volume or not is_missing(mount.source):
            continue
        if mount.read_only:
            fix = f"create it, or correct `{connector.role}s.{connector.name}.mounts`"
            yield Finding(what=what, level="error", found=f"{mount.source} does not exist", fix=fix)
        elif (above := _nearest(Path(mount.source))) and above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield Finding(what=what, found=f"{mount.source} does not exist yet; the first run creates it")
        else:
            found = f"{mount.source} does not exist and cannot be created in {above}"
            yield Finding(what=what, level="error", found=found, fix="create it yourself, or mount another folder")


def _nearest(place: Path) -> Path:
    return next(above for above in place.parents if os.path.lexists(above))


def of_network(engine: Engine, connector: Connector) -> Iterator[Finding]:
    """Yield an error if the engine does not have the network of a connector."""
    if connector.network and not engine.has_network(connector.network):
        found = f"there is no network `{connector.network}` on this engine"
        place = f"`{connector.role}s.{connector.name}.network`"
        fix = f"correct {place}: `docker network ls` lists the networks; or `docker network create {connector.network}`"
        yield Finding(what=f"network of {connector.name}", level="error", found=found, fix=fix)
