"""Values of a connector: its config, its mounts, and its files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["CatalogFile", "Config", "Manifest", "Mount"]


class Config(Mapping[str, Any]):
    """A connector's config; values from the environment are `Secret`."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({', '.join(self._values)})"


class Mount(msgspec.Struct, frozen=True):
    """A user's mount; `source` is an absolute path, or a volume's name."""

    source: str
    target: str
    read_only: bool = False
    options: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith("/")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of a low-code source: `content` is a JSON object, `spec` the schema of its config, if it has one."""

    file: Path
    content: bytes = field(repr=False)
    spec: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class CatalogFile:
    """A tap's catalog in a file of the user: `content` is JSON."""

    file: Path
    content: bytes = field(repr=False)
