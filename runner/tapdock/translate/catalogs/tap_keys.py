"""Keys that a tap reports only in its SCHEMA: the target merges rows by them, so their fields must be written."""

from collections.abc import Sequence

import msgspec

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.protocol.exclusion import Exclusion

__all__ = ["with_key_fields"]


def with_key_fields(stream: ConfiguredStream, names: Sequence[str]) -> ConfiguredStream:
    """Return the stream with the fields of a key, although the user did not select them.

    Raises TranslationError for a field that the user excluded.
    """
    hidden = Exclusion(stream.denied, (), stream.hidden)
    if denied := next((name for name in names if hidden.verdict((name,)) == "remove"), None):
        key = stream.stream.key
        raise TranslationError(
            f"`select` or `schema_changes: freeze` excludes the field `{denied}` of stream `{key}`, but it is part of"
            " the key in the tap's SCHEMA",
            hint=f"remove the `!` pattern of `{denied}`, or exclude the stream with `!{key}`; if `freeze` leaves it out"
            " as new, `tapdock run … --accept-schema-changes` reads it",
        )
    return msgspec.structs.replace(stream, excluded=tuple(name for name in stream.excluded if name not in names))
