"""Trust only files of the caller, of root, and of the user who called `sudo`: a project can start any image."""

import os
import pwd
from collections.abc import Collection, Mapping
from pathlib import Path

from tapdock.errors import UsageError

__all__ = ["require_owner", "trusted_users"]


def trusted_users(environ: Mapping[str, str]) -> set[int]:
    """Return the user ids whose projects are trusted: the caller, root, and the user who called `sudo`."""
    sudo = environ.get("SUDO_UID", "")
    return {0, os.geteuid()} | ({int(sudo)} if os.geteuid() == 0 and sudo.isdigit() else set())


def require_owner(path: Path, trusted: Collection[int], *, project: Path | None = None) -> None:
    """Raise UsageError for a path of another user; for a link, the link's and its target's owners are checked.

    `project` is the folder of the project, by default that of the path.
    """
    if not (path.exists() or path.is_symlink()):
        return
    for owner in (path.lstat().st_uid, *([path.stat().st_uid] if path.exists() else [])):
        if owner not in trusted:
            folder = project or (path if path.is_dir() else path.parent)
            hint = f"check what this project starts, then use it with `tapdock --project {folder} …`"
            raise UsageError(f"{path} belongs to {_name_of(owner)}, not to you", hint=hint)


def _name_of(user: int) -> str:
    try:
        return f"`{pwd.getpwuid(user).pw_name}` (uid {user})"
    except KeyError:
        return f"uid {user}"
