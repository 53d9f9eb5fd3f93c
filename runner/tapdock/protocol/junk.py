"""Decide which lines of a connector that are not messages may be shown."""

import re

from tapdock.text.secret_names import is_secret_name

__all__ = ["Junk"]

_CONFIGS = (b"connectorconfig", b"connector_config")
_CONTROL = re.compile(rb"\bCONTROL\b|[\"'][cC]ontrol\\*[\"']")
_NAME = re.compile(rb"[\"'](\w[\w .-]{0,60})\\*[\"']\s*:")
_LOOKED_AT = 64 << 10  # more of a line is not logged
_OF_JSON = re.compile(rb"[\"'{}\[\]]")
_PARTS = re.compile(rb"[{}]|\"\s*:|\"\s*,\s*\"")
"""What parts of JSON objects have, also of one that was cut."""
_COMMON_NAMES = {"key", "keys", "auth", "session"}  # structured log lines have these without a secret


class Junk:
    """Junk of one side. A line that may be a part of a CONTROL message is never shown: it may contain a new token.

    With `hides_json`, no line with a part of JSON is shown: it may have fields that must not leave the source.
    """

    def __init__(self, *, hides_json: bool = False) -> None:
        self._hides_json = hides_json
        self._hidden = 0  # the last line that was not shown

    def is_hidden(self, number: int) -> bool:
        """Return True if the line with this number was the last one, and was not shown."""
        return self._hidden == number

    def shown(self, line: bytes, number: int) -> str | None:
        """Return the text for the log for a line; None for a blank one."""
        text = line.strip()
        follows = 0 < self._hidden == number - 1  # a message may have been cut into several lines
        if not text:
            self._hidden = number if follows else self._hidden
            return None
        if not (_may_be_config(text) or (follows and _OF_JSON.search(text[:_LOOKED_AT]))):
            if self._hides_json and _PARTS.search(text):
                size = len(line)
                return f"line {number} is not a message: its {size} bytes are not shown, as they may have hidden fields"
            return text[:_LOOKED_AT].decode(errors="replace")
        self._hidden = number
        return f"line {number} is not a message and may have a config in it: its {len(line)} bytes are not shown"


def _may_be_config(text: bytes) -> bool:
    small = text.lower()
    if any(word in small for word in _CONFIGS) or (b"control" in small and _CONTROL.search(text)):
        return True
    names = {name.decode(errors="replace") for name in _NAME.findall(text[:_LOOKED_AT])}
    return any(map(is_secret_name, names - _COMMON_NAMES))
