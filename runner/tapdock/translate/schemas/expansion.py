"""How much a schema stands for: references that double at each step would never be translated to their end."""

from collections.abc import Mapping
from typing import Any

from tapdock.errors import TranslationError

__all__ = ["Root"]

_MOST_PARTS = 100_000


class Root(dict[str, Any]):
    """A whole schema, with how many of its parts may still be translated, each as often as it is referred to."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(schema)
        self._left = _MOST_PARTS

    def spend(self) -> None:
        """Count one part. Raises TranslationError where there are too many."""
        self._left -= 1
        if self._left < 0:
            hint = "leave the stream out under `select`: its schema refers to itself in too many ways"
            raise TranslationError(f"a schema stands for more than {_MOST_PARTS:,} parts", hint=hint)
