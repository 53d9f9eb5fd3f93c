"""What connectors once answered, in the project's private folder."""

import hashlib
import secrets
from pathlib import Path
from typing import Any

import orjson

from tapdock.private import made

__all__ = ["Cache"]


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
        """Written aside and moved into place: another run may read at the same time."""
        made(self.folder)
        aside = self.folder / f".{name}.{secrets.token_hex(4)}"
        aside.touch(mode=0o600)
        aside.write_bytes(content)
        aside.replace(self.folder / name)

    def fingerprint(self, *parts: Any) -> str:
        """A name for JSON values that does not give them away: unkeyed, the hash of a short secret could be guessed."""
        key = self.read("key")
        if key is None:
            key = secrets.token_bytes(32)
            self.write("key", key)
        content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(content, key=key, digest_size=12).hexdigest()
