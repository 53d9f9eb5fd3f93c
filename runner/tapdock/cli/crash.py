"""Write the report of an error that is a bug in tapdock."""

import os
import sys
import time

from tapdock import __version__
from tapdock.cli.session import Session
from tapdock.errors import TapdockError
from tapdock.text.output import err

__all__ = ["crashed"]


def crashed(error: Exception, session: Session) -> tuple[str, str]:
    """Write the error with its lines into a file, or to stderr. Return what is told, and its hint."""
    import traceback

    text = session.redacted("".join(traceback.format_exception(error)))
    message = session.redacted(f"tapdock itself failed: {type(error).__name__}: {error}")
    try:
        from tapdock.runs.records import made_private

        file = made_private(session.private, "crashes") / f"{int(time.time())}-{os.getpid()}.txt"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(f"tapdock {__version__}, Python {sys.version}\n{text}")
    except (TapdockError, OSError):
        err(text)
        return message, "this is a bug in tapdock: report it with the lines above"
    return message, f"this is a bug in tapdock: report it with {file}"
