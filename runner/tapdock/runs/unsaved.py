"""Keep a state that could not be saved in a file of this machine."""

import tempfile
from pathlib import Path

from tapdock.files import write_whole

__all__ = ["kept_in_file"]


def kept_in_file(private: Path, state_id: str, state: str) -> Path | None:
    """Write an unsaved state to a file that only its user can read. Return its path, or None if that fails as well."""
    name = f"unsaved-{state_id.replace(':', '-').replace('/', '-')}.json"
    for folder in (private, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(folder / name, state.encode())
        except OSError:
            continue
        return folder / name
    return None
