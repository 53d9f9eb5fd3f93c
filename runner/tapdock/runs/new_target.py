"""Detect a state that does not belong to its target: with it, the next run would not read the rows that are missing."""

from collections.abc import Iterator
from pathlib import Path

from tapdock.project.model import Connector, Project
from tapdock.runs.target_place import moved
from tapdock.state.envelope import Envelope

__all__ = ["looks_new", "why_new"]


def why_new(target: Connector, project: Project, envelope: Envelope) -> str | None:
    """Return why a target cannot have the rows that a state covers, or None."""
    return looks_new(target) or moved(target, project, envelope.places)


def looks_new(target: Connector) -> str | None:
    """Return why a target cannot have the rows of earlier runs, or None if it may have them.

    That is certain only if everything that it mounts to write into is a folder of this machine without any file. Paths
    are those of this process, also in a container (decision 0008).
    """
    mounts = [mount for mount in target.mounts if not mount.read_only]
    if not mounts or any(mount.is_volume for mount in mounts):
        return None
    if any(True for mount in mounts for _ in _files(Path(mount.source))):
        return None
    return f"`{target.name}` looks new: there is no file in {', '.join(mount.source for mount in mounts)}"


def _files(place: Path) -> Iterator[Path]:
    """Yield what may hold rows. A folder that cannot be read may hold some."""
    try:
        if not place.is_dir():
            yield from [place] if place.exists() else []
            return
        for inner in place.iterdir():
            yield from _files(inner) if inner.is_dir() and not inner.is_symlink() else [inner]
    except OSError:
        yield place
