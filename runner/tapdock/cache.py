"""Small files of answers that are asked for once: in a project's private folder, and in one of the user."""

import atexit
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapdock.files import made, write_whole

__all__ = ["Cache", "user_cache"]


def user_cache(environ: Mapping[str, str]) -> Path:
    """The folder for what holds for all projects of a user, readable and writable by that user alone.

    Where there is no home, or the folder there is somebody else's, it is a new one that ends with this process: what
    another user put into a folder would be believed.
    """
    home = environ.get("HOME")
    named = environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    parent = Path(os.path.realpath(named))
    if named.startswith("/") and _is_made_ours(parent) and _is_made_ours(parent / "tapdock"):
        (parent / "tapdock").chmod(0o700)
        return parent / "tapdock"
    folder = Path(tempfile.mkdtemp(prefix="tapdock-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_made_ours(folder: Path) -> bool:
    """Whether it is a folder, and no other user but root can put anything into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & stat.S_IWOTH


class Cache:
    """Small files in `folder`, readable by their user alone; any of them may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, *, newer_than: float = 0.0) -> bytes | None:
        """The content, or None where there is none, or none written after `newer_than` (seconds since the epoch)."""
        file = self.folder / name
        try:
            return file.read_bytes() if file.stat().st_mtime >= newer_than else None
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Another run may read at the same time."""
        made(self.folder)
        write_whole(self.folder / name, content, durable=False)

    def fingerprint(self, *parts: Any) -> str:
        """A name for JSON values that does not give them away: unkeyed, the hash of a short secret could be guessed."""
        key = self.read("key")
        if key is None:
            key = secrets.token_bytes(32)
            self.write("key", key)
        content = json.dumps(parts, sort_keys=True).encode()
        return hashlib.blake2b(content, key=key, digest_size=12).hexdigest()
