"""Find the project of a folder."""

from collections.abc import Collection
from pathlib import Path

from tapdock.errors import UsageError
from tapdock.project.home import DOTENV, FILE
from tapdock.project.owners import require_owner

__all__ = ["find_project"]


def find_project(start: Path, *, trusted: Collection[int]) -> Path:
    """Return the nearest `tapdock.yaml`, in `start` or a folder above it. Raises UsageError if there is none.

    A project can mount any folder and start any image. So the file, its folder and its `.env` must belong to one of
    the user ids in `trusted`. Raises UsageError otherwise.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            for path in (folder, folder / FILE, folder / DOTENV):
                require_owner(path, trusted)
            return folder / FILE
    hint = "create one with `tapdock init`, or name its folder with `--project`"
    for near in (start / "tapdock.yml", start / "meltano.yml"):
        if near.is_file():
            hint = f"rename {near.name} to {FILE}" if near.stem == "tapdock" else hint
    raise UsageError(f"there is no {FILE} in {start} or above", hint=hint)
