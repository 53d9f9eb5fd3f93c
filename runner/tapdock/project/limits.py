"""The limits of a run: times in seconds, and sizes in bytes."""

import msgspec

__all__ = ["BUFFER", "MAX_LINE", "Limits"]

MAX_LINE = 64 << 20
"""The default for the longest line that a connector may print, in bytes: a line is kept in memory."""
BUFFER = 64 << 20
"""The default for how far a source is read ahead of its target, in bytes of memory."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds after which a side counts as failed; after `gone`, a side that was killed counts as ended."""

    source_idle: float = 3 * 3600.0
    mapper_idle: float = 3 * 3600.0
    target_idle: float = 24 * 3600.0
    stop_grace: float = 30.0
    exit_grace: float = 60.0
    gone: float = 5.0
