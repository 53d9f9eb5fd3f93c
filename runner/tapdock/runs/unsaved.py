"""Keep a state that could not be saved in a file of this machine."""

import hashlib
import tempfile
from pathlib import Path

from tapdock.files import write_whole

__all__ = ["kept_in_file"]


def kept_in_file(private: Path, state_id: str, state: str) -> Path | None:
    """Write an unsaved state to a file that only its user can read. Return its path, or None if that fails as well."""
    name = f"unsaved-{_file_name(state_id)}.json"
    for folder in (private, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(folder / name, state.encode())
        except OSError:
            continue
        return folder / name
    return None


def _file_name(state_id: str) -> str:
    """Return the state's name for a file. With a suffix, a row or a name of its own, it could be that of another one.

    >>> _file_name("default:crm-to-lake"), _file_name("default:crm-to-lake:acme")
    ('default-crm-to-lake', 'default-crm-to-lake-acme-756b0a')
    """
    plain = state_id.replace(":", "-").replace("/", "-")
    environment, _, rest = state_id.partition(":")
    if rest and not {":", "/"} & set(rest) and not {"-", "/"} & set(environment):
        return plain
    return f"{plain}-{hashlib.sha256(state_id.encode()).hexdigest()[:6]}"
