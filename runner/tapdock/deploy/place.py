"""Where runs will be started: the program, the project, and the command of a schedule. And the files are written."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tapdock.errors import UsageError
from tapdock.files import write_whole
from tapdock.project.steps import Schedule

__all__ = ["MARK", "Place", "left_files", "write_files"]

MARK = "Written by `tapdock deploy"
"""Files that contain this text in their first lines may be replaced."""
_HEAD = 200


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`program` are the words that start tapdock. An `environment` of None lets the project file choose."""

    program: tuple[str, ...]
    file: Path
    environment: str | None = None
    env_files: tuple[Path, ...] = ()

    def words(self, schedule: Schedule, *, waits: bool = False) -> tuple[str, ...]:
        """Return the command that runs a schedule as the scheduler does. If it `waits`, it begins with the jitter."""
        chosen = () if self.environment is None else ("--environment", self.environment)
        more = tuple(word for file in self.env_files for word in ("--env-file", str(file.absolute())))
        jitter = ("--jitter",) if waits and schedule.jitter else ()
        return (*self.program, "--project", str(self.file), *chosen, *more, "schedule", "run", schedule.name, *jitter)

    def command(self, schedule: Schedule, *, waits: bool = False) -> str:
        """Return the same as one line for a shell."""
        return shlex.join(self.words(schedule, waits=waits))


def left_files(folder: Path, files: Mapping[str, str], *, own: str = "") -> list[Path]:
    """Return what an earlier call wrote into a folder for schedules that `files` do not have. It contains `own`."""
    kinds = {Path(name).suffix for name in files} - {""}
    found = [path for path in folder.glob("tapdock-*") if path.suffix in kinds and path.name not in files]
    return sorted(path for path in found if path.is_file() and _is_ours(path) and own in _text(path))


def _is_ours(path: Path) -> bool:
    return MARK in _text(path)[:_HEAD]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def write_files(folder: Path, files: Mapping[str, str], *, own: str = "") -> list[Path]:
    """Write files into a folder, which is created, and return their paths.

    Raises UsageError, and writes none, if one of them exists and was not written by `tapdock deploy`, or is of another
    project: it does not contain `own`.
    """
    for name in files:
        path = folder / name
        if path.exists() and not _is_ours(path):
            raise UsageError(f"{path} exists, and was not written by tapdock", hint="choose another folder: `--output`")
        if path.exists() and own not in _text(path):
            raise UsageError(f"{path} is of a schedule of another project", hint="rename one of the two schedules")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(folder / name, text.encode(), mode=0o644, durable=False)
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    return [folder / name for name in files]
