"""Detect a target that writes rows into its own container, which is removed after the run (decision 0015)."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tapdock.connectors.paths import ConfigPath, mount_line, paths_in
from tapdock.engines.base import Engine
from tapdock.errors import EngineError, TargetError
from tapdock.project.model import Connector

__all__ = ["is_data", "lost_files"]

_PASSING = frozenset(
    ("tmp", "var/tmp", "run", "var/run", "var/lock", "var/cache", "var/log", "dev", "etc", "proc", "sys")
)
"""Folders of a container, without the first slash, for temporary files and for those of the system."""
_SUFFIXES = (".log", ".pyc", ".pid", ".lock", ".tmp", ".p8", ".pk8", ".p12", ".pem", ".crt", ".key", ".jks")
"""Also keys and certificates: destinations write those of their config into their working directory."""
_JOURNAL = re.compile(r"[.-](?:wal|journal|shm)")
"""What a database appends to its own name for the file with its newest rows."""
_PARTS = frozenset(("__pycache__", "tmp", "temp", "cache", "log", "logs", "encrypt", "customkeystore"))
"""Names of folders for temporary files, and names of files with keys that Airbyte's Java destinations write."""


def lost_files(engine: Engine, connector: Connector, config: Mapping[str, Any], *, run_id: str) -> TargetError | None:
    """Return the error for files with rows that the target of a run wrote into its own container; None without any.

    Raises EngineError if the engine does not report them. The same run may succeed later.
    """
    named = tuple(each for each in paths_in(config) if not each.passing)
    try:
        files = engine.changed(run_id, "target", wanted=lambda path: is_data(path, named))
    except EngineError as error:
        error.retryable = True
        error.hint = error.hint or "run it again: the next run resumes from the last saved state"
        raise
    if not files:
        return None
    more = ", …" if len(files) > 1 else ""
    return TargetError(
        f"target `{connector.name}` wrote `{files[0]}`{more} into its own container, which is removed after the run;"
        " the state was not saved",
        hint=_beside_a_file(connector, files[0]) or mount_line(connector, _folder(files[0], named)),
    )


def is_data(path: str, named: tuple[ConfigPath, ...] = ()) -> bool:
    """Return True if a file that a container wrote may contain rows.

    A file at or below a path in the config always does, and so does the journal of a database there. Elsewhere, files
    of the system, temporary files, logs, keys, hidden files and bytecode do not.
    """
    if any(path == each.path or path.startswith(f"{each.path}/") for each in named):
        return True
    if any(path.startswith(each.path) and _JOURNAL.fullmatch(path, len(each.path)) for each in named):
        return True
    if any(path.startswith(f"/{folder}/") for folder in _PASSING) or path.endswith(_SUFFIXES):
        return False
    return not any(part.startswith(".") or part in _PARTS for part in path.split("/"))


def _beside_a_file(connector: Connector, path: str) -> str | None:
    """Return the hint for a file that a program wrote beside a file that is mounted alone, such as a journal."""
    for mount in connector.mounts:
        folder = PurePosixPath(mount.target).parent
        if mount.is_volume or folder != PurePosixPath(path).parent or Path(mount.source).is_dir():
            continue
        inside = "/data" if str(folder) == "/" else str(folder)
        return (
            f"the program writes files beside `{mount.target}`, but only this file is mounted: move {mount.source} into"
            f" a folder, and mount the folder instead: `./{PurePosixPath(inside).name}:{inside}` in"
            f" `{connector.role}s.{connector.name}.mounts`"
        )
    return None


def _folder(path: str, named: tuple[ConfigPath, ...]) -> str:
    """Return the folder to mount: the one that the config names, else the file's own."""
    for each in named:
        if path.startswith(f"{each.path}/"):
            return each.path
    return str(PurePosixPath(path).parent)
