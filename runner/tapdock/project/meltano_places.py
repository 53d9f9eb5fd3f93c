"""List the values of a Meltano project that mean something else in a container: files, folders, and `localhost`."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_references import free, references, referred
from tapdock.project.meltano_tasks import TASKS
from tapdock.project.tasks import PROJECT

__all__ = ["ROOT", "Places", "root_line", "values", "variables"]

ROOT = "MELTANO_PROJECT_ROOT"
_FILE_SETTING = re.compile(r"(?i)path|file|folder|director|database$")
_NOT_A_FILE = re.compile(r"(?i)url|uri|endpoint|api|prefix|pattern|regex|query")
_FILE = re.compile(
    r"(?:\./)?[\w-][\w.-]*(?:/[\w.-]+)+/?|output|data"
    r"|(?:\./)?[\w-]+\.(?:duckdb|db|sqlite|csv|jsonl?|parquet|pem|key)"
)
"""A relative path: Meltano's programs begin in its folder, and a container does not see it."""
_ABSOLUTE = re.compile(r"(?:\.\.)?(?:/[\w.-]+)+/?")
"""A path that may lead out of Meltano's folder."""
_PASSING = ("/tmp", "/var/tmp", "/dev")  # noqa: S108 - folders of a container
_LOCAL = re.compile(r"(?i)(?:\w+://(?:[^/@\s]*@)?)?(localhost|127\.0\.0\.1|\[?::1\]?)(?:[:/].*)?")


class Places:
    """Adds a line for each value of a config that a container would read as something else.

    `folder` is that of the new project file.
    """

    def __init__(self, files: Files, notes: Notes, folder: Path) -> None:
        self._root, self._notes, self._folder = files.folder.absolute(), notes, folder.absolute()

    def add(self, config: Any, name: str, kind: str, *path: str | int) -> None:
        """Take the config of the plugin `name`; `path` leads to it."""
        for key, value in config.items() if isinstance(config, dict) else ():
            if isinstance(value, dict):
                self.add(value, name, kind, *path, key)
            elif isinstance(value, str) and (line := self._line(key, value, name, kind)):
                self._notes.add(line, *path, key)

    def _line(self, key: str, value: str, name: str, kind: str) -> str | None:
        if found := _LOCAL.fullmatch(value):
            return (
                f"`{found[1]}` in `{key}` of {name}: in a container, it is the container itself; for a server of this"
                ' machine, write `host.docker.internal` and `extra_hosts: ["host.docker.internal:host-gateway"]`'
            )
        is_file = PurePosixPath(value).suffix or _FILE_SETTING.search(key)
        if is_file and _ABSOLUTE.fullmatch(value) and not value.startswith(_PASSING) and not _NOT_A_FILE.search(key):
            fix = self._outside(value)
        elif kind not in TASKS and _FILE_SETTING.search(key) and _FILE.fullmatch(value):  # a task has the whole folder
            fix = _inside(PurePosixPath(value))
        else:
            return None
        return f"the file of `{key}: {value}` of {name}: {fix}"

    def _outside(self, value: str) -> str:
        path = PurePosixPath(value)
        folder = path.parent if path.suffix else path
        source = str(folder)
        if not value.startswith("/"):
            source = os.path.relpath((self._root / folder).resolve(), self._folder)
            folder = PurePosixPath("/", *[part for part in folder.parts if part != ".."] or ["data"])
        inside = folder / path.name if path.suffix else folder
        return (
            f'write `mounts: ["{source}:{folder}"]` and `{inside}`; a mount of another folder would be a new, empty one'
        )


def _inside(path: PurePosixPath) -> str:
    folder = path.parts[0] if len(path.parts) > 1 or not path.suffix else "data"
    inside = path if path.parts[0] == folder else f"data/{path}"
    return f'write `mounts: ["./{folder}:/{folder}"]` and `/{inside}`'


def root_line(files: Files, folder: Path, where: str, which: str) -> str:
    """Return the line about a reference to the folder of the project. `which` is the connector to mount it into."""
    source = os.path.relpath(files.folder.absolute(), folder.absolute())
    return f'`${ROOT}` in {where}: it is `{PROJECT}` now; add `mounts: ["{source}:{PROJECT}"]` to {which}'


def variables(
    env: Mapping[str, Any] | None, files: Files, folder: Path, notes: Notes, *path: str | int, environment: str = ""
) -> dict[str, Any]:
    """Return Meltano's `env` as `vars` and as `env` of all connectors and tasks.

    `path` leads to the block that has it. `environment` is its name if it is the block of an environment.
    """
    if not env:
        return {}
    own = values(env, files, folder, notes, *path, environment=environment)
    return {
        "vars": {free(name): value for name, value in own.items()},
        "defaults": {"env": {name: f"${{{free(name)}}}" for name in own}},
    }


def values(
    env: Mapping[str, Any], files: Files, folder: Path, notes: Notes, *path: str | int, environment: str = ""
) -> dict[str, Any]:
    """Return an `env` of Meltano as text, whole numbers or booleans. What only Meltano sets is empty by default."""
    given = {name: str(value) if isinstance(value, float) else value for name, value in env.items()}
    own = _own(files)
    known = {ROOT: PROJECT, "MELTANO_ENVIRONMENT": environment or "${ENVIRONMENT:-}"}
    known |= {name: f"${{{name}:-}}" for name in _of_meltano(list(given.values())) if name not in known}
    known = {name: text for name, text in known.items() if name not in own}
    for name, value in given.items():
        where = f"`env.{name}`"
        for used in dict.fromkeys(_of_meltano(value)):
            if used == ROOT and used in known:
                line = root_line(files, folder, where, f"each connector that uses `${name}`")
                notes.add(line, *path, "env", name)
            elif used in known and used != "MELTANO_ENVIRONMENT":
                line = f"`${used}` in {where}: tapdock has no such variable, so it is empty unless you set it"
                notes.add(line, *path, "env", name)
    return {name: references(value, known) for name, value in given.items()}


def _of_meltano(value: Any) -> Iterator[str]:
    return (name for name in referred(value) if name.startswith("MELTANO_"))


def _own(files: Files) -> set[str]:
    """Return the names of the variables that the project itself sets."""
    blocks = (files.tree, *(files.tree.get("environments") or ()))
    return {*files.variables, *(name for block in blocks for name in block.get("env") or ())}
