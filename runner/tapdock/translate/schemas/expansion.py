"""Limit the size to which a schema expands: references that double at each step would never end."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import TranslationError

__all__ = ["Root"]

_MOST_PARTS = 100_000


class Root(dict[str, Any]):
    """A whole schema, with the number of parts that may still be translated. Each use of a reference counts."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(schema)
        self._left = _MOST_PARTS

    def spend(self) -> None:
        """Count one part. Raises TranslationError if there are too many."""
        self._left -= 1
        if self._left < 0:
            hint = "exclude the stream under `select`: its schema refers to itself in too many ways"
            raise TranslationError(f"a schema expands to more than {_MOST_PARTS:,} parts", hint=hint)
