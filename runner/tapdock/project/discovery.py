"""When a source is asked for its streams."""

from typing import Literal

import msgspec

__all__ = ["CACHED", "Discovery"]


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """When a source is asked for its streams. `seconds` is the age at which a cached catalog is not used any more."""

    mode: Literal["cached", "always", "committed", "never"] = "cached"
    seconds: float = 24 * 3600.0

    @property
    def written(self) -> str | float | bool:
        """The value as it is written in a project file."""
        if self.mode == "never":
            return False
        return self.mode if self.seconds == Discovery().seconds else self.seconds


CACHED = Discovery()
