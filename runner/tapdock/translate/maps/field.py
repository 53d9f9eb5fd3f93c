"""One field of an entry: its expression, and how its value is found quickly."""

import re
from collections.abc import Collection
from keyword import kwlist

import msgspec

from tapdock.translate.maps.expression import Expression

__all__ = ["WHOLE", "Field"]

WHOLE = ("record", "_")
"""The names of the whole record in an expression."""
_RESERVED = frozenset({*WHOLE, "config", "fake", "self", *kwlist})
_OWN = re.compile(r"\bself\b")
_PROTECTS = re.compile(r"\b(hash|mask|encrypt|md5|sha256)\s*\(")


class Field(msgspec.Struct, frozen=True):
    """One field of an entry; without an `expression` it is removed.

    `copies` is the field whose value is passed on as it is. `uses_own`: the expression has the name `self`.
    `protects`: it hides the values that it reads.
    """

    name: str
    expression: Expression | None = None
    copies: str | None = None
    uses_own: bool = False
    protects: bool = False

    @property
    def replaces(self) -> bool:
        """True if the field gets a value that does not depend on its own, such as `fake.email()`."""
        reads = self.expression.reads if self.expression else None
        return self.copies != self.name and not self.uses_own and reads is not None and self.name not in reads

    @classmethod
    def of(cls, name: str, text: str | None, expression: Expression | None, *, declared: Collection[str]) -> "Field":
        """Return the field for an expression; `declared` are the fields of the source's schema."""
        if text is None:
            return cls(name)
        bare = text.strip()
        copies = bare if bare in declared and bare.isidentifier() and bare not in _RESERVED else None
        own, protects = bool(_OWN.search(text)), bool(_PROTECTS.search(text))
        return cls(name, expression=expression, copies=copies, uses_own=own, protects=protects)
