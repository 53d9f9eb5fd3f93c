"""Read and write the files of a wrapped tap that a Singer runner passes: config, catalog and state."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.project.values import parse_json

__all__ = ["keep_rotated", "merged", "read_file", "saved_states"]

_MOST_CONFIG = 4 << 20


def merged(files: Sequence[str]) -> dict[str, Any]:
    """Return the config: merged from all files, and from `airbyte_config` where it is there. Raises UsageError."""
    config: dict[str, Any] = {}
    for file in files:
        config |= _read_json(file, "config")
    inner = config.get("airbyte_config")
    return inner if isinstance(inner, dict) else config


def read_file(file: str, what: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"the {what} {file} cannot be read: {error.strerror}") from error


def _read_json(file: str, what: str) -> dict[str, Any]:
    try:
        value = parse_json(read_file(file, what))
    except ValueError as error:
        raise UsageError(f"the {what} {file} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"the {what} {file} is not a JSON object")
    return value


def saved_states(file: str | None) -> str | None:
    """Return the Airbyte states in a Singer state; None if there are none. Some runners store only the value.

    Raises UsageError if the file cannot be read.
    """
    if not file:
        return None
    try:
        text = msgspec.json.format(read_file(file, "state").strip() or b"{}", indent=-1)  # maybe indented
        value = msgspec.json.decode(text, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
        inner = value.get("airbyte_state") if isinstance(value, dict) else None
        if inner is not None:
            text = bytes(inner)
        if text.startswith(b'"'):  # embedded as text, see translate/states/wrapped_tap.py
            text = msgspec.json.decode(text, type=str).encode()
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the state {file} cannot be read: {error}") from error
    return text.decode() if text not in (b"{}", b"[]", b"null", b"") else None


def keep_rotated(given: Sequence[str], file: Path, before: bytes, told: str | None) -> None:
    """Write a changed config into the user's config file, as a tap does that renews a token (protocol.md 2.1).

    `before` is the original config, `told` the one that the connector reported. Without the latter, `file` is used.
    """
    after = told.encode() if told else _left(file) or before
    if after == before or len(given) != 1 or not os.access(given[0], os.W_OK):
        return
    try:
        whole, config = (
            msgspec.json.decode(text, type=dict[str, msgspec.Raw]) for text in (Path(given[0]).read_bytes(), after)
        )
    except (msgspec.MsgspecError, RecursionError):
        return  # incomplete: the connector was killed while it wrote
    changed = whole | {"airbyte_config": msgspec.Raw(msgspec.json.encode(config))}
    Path(given[0]).write_bytes(msgspec.json.encode(changed if "airbyte_config" in whole else config))


def _left(file: Path) -> bytes | None:
    """Return the content of the connector's config file; None if it is a link or a pipe, or larger than 4 MiB."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        content = b""
        while len(content) <= _MOST_CONFIG and (chunk := os.read(fd, _MOST_CONFIG)):
            content += chunk
        return content if len(content) <= _MOST_CONFIG else None
    finally:
        os.close(fd)
