"""The keys with which a pipeline or a source maps its streams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tapdock.project.secret import Secret

__all__ = ["MapKeys"]


@dataclass(frozen=True, kw_only=True)
class MapKeys:
    """What happens to streams and fields on their way, as it is in the project file; the names are the Singer SDK's.

    `maps` are what the SDK calls `stream_maps`. `translate/maps/settings.py` checks them, when they are needed.
    """

    maps: Mapping[str, Any] = field(default_factory=dict, hash=False)
    stream_map_config: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    faker_config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    flattening_enabled: bool = False
    flattening_max_depth: int | None = None
    flattening_separator: str = "__"
    flattening_max_key_length: int = 255
    hash_key: Secret | None = None
    encrypt_key: str | Secret | None = None

    @property
    def has_maps(self) -> bool:
        """True if anything is mapped or flattened."""
        return bool(self.maps) or self.flattening_enabled
