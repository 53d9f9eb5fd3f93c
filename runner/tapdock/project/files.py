"""Read files that a user wrote, with limits for size and depth, so that no file can fill the memory."""

from pathlib import Path
from typing import Any

import yaml

from tapdock.errors import UsageError

__all__ = ["FAST", "require_shallow", "text_of"]

FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C. It takes a tenth of the time, but crashes the process for values that are nested too deeply."""

_MOST_LEVELS = 100

_MOST_BYTES = 10 * 1024**2


def text_of(file: Path) -> str:
    """Return the file's UTF-8 text of at most 10 MiB. Raises UsageError, whose message begins with the file."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{file} is larger than 10 MiB", hint="is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from error


def require_shallow(text: str) -> None:
    """Raise RecursionError for YAML whose values are nested too deeply, and YAMLError for invalid YAML."""
    level = 0
    for event in yaml.parse(text, Loader=FAST):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > _MOST_LEVELS:
            raise RecursionError
