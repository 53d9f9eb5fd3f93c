"""Remove keywords that targets cannot read from the schemas of a tap, and log them once for each stream."""

from tapdock.translate.notices import Notices
from tapdock.translate.schemas.repair import repaired

__all__ = ["ReadableSchemas"]


class ReadableSchemas:
    """The schemas of a run as targets can read them."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._told: set[str] = set()

    def of(self, schema: bytes, stream: str) -> bytes:
        """Return a schema without keywords that targets cannot read; the same object if it has none."""
        kept, removed = repaired(schema)
        if removed and stream not in self._told:
            self._told.add(stream)
            found = ", ".join(f"`{name}`" for name in removed)
            self._notices.log("info", f"stream `{stream}`: removed from its schema, as targets cannot read it: {found}")
        return kept if removed else schema
