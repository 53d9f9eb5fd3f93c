"""Write a changed project file back: whole or not at all, with the mode that it had."""

import stat
from pathlib import Path

from tapdock.errors import UsageError
from tapdock.files import write_whole

__all__ = ["rewrite"]

_MARK = b"\xef\xbb\xbf"


def rewrite(file: Path, text: str, *, before: str) -> None:
    """Replace the text of a project file if it is still `before`. A link stays a link. Raises UsageError."""
    file = file.resolve()
    try:
        old = file.read_bytes()
        begin = _MARK if old.startswith(_MARK) else b""
        if old != begin + before.encode():
            raise UsageError(f"{file} has just been changed by another program", hint="run the command again")
        mode = stat.S_IMODE(file.stat().st_mode)
        write_whole(file, begin + text.encode(), mode=mode)
        file.chmod(mode)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="check its permissions") from error
