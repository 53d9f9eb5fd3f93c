"""Find the fields of a run whose values its target is known to change without an error."""

from collections.abc import Iterable, Iterator

from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.base import Quirks

__all__ = ["value_changes"]

_NAMED = 5


def value_changes(target: str, streams: Iterable[ConfiguredStream], quirks: Quirks) -> Iterator[str]:
    """Yield a warning for each known change, with the first fields that it concerns.

    Fields of several types are left out, because the change is not certain.
    """
    typed = [(f"`{one.stream.key}.{name}`", kind) for one in streams for name, kind in _types(one)]
    for change in quirks.changes:
        fields = [field for field, kind in typed if kind == change.of]
        if fields:
            more = f" and {len(fields) - _NAMED} more" * (len(fields) > _NAMED)
            yield f"warning: target `{target}` stores {change.stores}: {', '.join(fields[:_NAMED])}{more}"


def _types(one: ConfiguredStream) -> Iterator[tuple[str, str]]:
    """Yield the selected fields that have one type, apart from null. A schema of a connector may be malformed."""
    properties = one.stream.json_schema.get("properties")
    for name, schema in (properties if isinstance(properties, dict) else {}).items():
        said = schema.get("type") if isinstance(schema, dict) else None
        types = [kind for kind in (said if isinstance(said, list) else [said]) if kind != "null"]
        if len(types) == 1 and isinstance(types[0], str) and name not in one.excluded:
            yield name, types[0]
