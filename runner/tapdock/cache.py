"""Cache answers in small files: in the project's private folder, and in a folder of the user."""

import atexit
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tapdock.files import made, write_whole

__all__ = ["Cache", "user_cache"]


def user_cache(environ: Mapping[str, str]) -> Path:
    """Return the cache folder for all projects of a user, which only that user can read and write.

    Without a home folder, or if the folder belongs to another user, it is a temporary one for this process: content
    from another user must not be trusted.
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
    """Create the folder if necessary. Return True if it is a folder that only this user and root can write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & stat.S_IWOTH


class Cache:
    """Small files in `folder`, which only their user can read; each can be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, *, written: tuple[float, float] | None = None) -> bytes | None:
        """Return the content; None if there is none.

        `written` is the first and the last moment (seconds since the epoch) at which it may have been written. The last
        one is now: the age of a file with a later date is unknown.
        """
        file = self.folder / name
        try:
            date = file.stat().st_mtime
            return file.read_bytes() if written is None or written[0] <= date <= written[1] else None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def written(self, name: str) -> float | None:
        """Return when the content was written, in seconds since the epoch; None if there is none."""
        try:
            return (self.folder / name).stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write the content whole, because another run may read at the same time.

        In a folder that cannot be written, such as a read-only project, nothing is kept, and the next run asks again.
        """
        with suppress(OSError):
            made(self.folder)
            write_whole(self.folder / name, content, durable=False)

    def fingerprint(self, *parts: Any) -> str:
        """Return a keyed hash of JSON values. From a hash without a key, a short secret could be guessed."""
        key = self.read("key")
        if key is None:
            key = secrets.token_bytes(32)
            self.write("key", key)
        content = json.dumps(parts, sort_keys=True).encode()
        return hashlib.blake2b(content, key=key, digest_size=12).hexdigest()
