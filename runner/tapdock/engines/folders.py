"""Folders of runs, each with its owner written in it: what a killed run left can be told from what a live one has."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tapdock.engines import owner

__all__ = ["made", "sweep", "temporary"]

_PREFIX = "tapdock-run-"


def made(within: Path | None = None, *, container: str = "") -> Path:
    """A new one, in `within` or where temporary files go; only its user may look into it."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
    (folder / "owner").write_text(owner.mine(container), "ascii")
    return folder


@contextmanager
def temporary(within: Path | None = None, *, container: str = "") -> Iterator[Path]:
    """A new one, gone afterwards."""
    folder = made(within, container=container)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(within: Path | None = None, *, runs: Callable[[str], bool | None] = lambda _: None) -> list[str]:
    """Remove those whose owner is gone; their paths. `runs` tells of a container's id whether it does."""
    removed = []
    for folder in (within or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        if _is_abandoned(folder, runs):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(str(folder))
    return removed


def _is_abandoned(folder: Path, runs: Callable[[str], bool | None]) -> bool:
    try:
        return owner.is_alive((folder / "owner").read_text("ascii"), runs=runs) is False
    except OSError:
        return False  # another user's, or gone meanwhile
