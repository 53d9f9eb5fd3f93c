"""Find the fields of a run whose values a connector is known to change without an error."""

from collections.abc import Iterable, Iterator

from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.base import Quirks

__all__ = ["value_changes"]

_NAMED = 5


def value_changes(connector: str, streams: Iterable[ConfiguredStream], quirks: Quirks) -> Iterator[str]:
    """Yield a warning for each known change, with the first fields that it concerns.

    Fields of several types are left out, because the change is not certain. `connector` is its role and name.
    """
    if not quirks.changes:
        return
    typed = [(f"`{one.stream.key}.{name}`", kinds) for one in streams for name, kinds in _types(one)]
    for change in quirks.changes:
        fields = [field for field, kinds in typed if change.of in kinds]
        if fields:
            more = f" and {len(fields) - _NAMED} more" * (len(fields) > _NAMED)
            yield f"warning: {connector} {change.how}: {', '.join(fields[:_NAMED])}{more}"


def _types(one: ConfiguredStream) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the type and the format of selected fields of one type beside null. A schema may be malformed."""
    properties = one.stream.json_schema.get("properties")
    for name, schema in (properties if isinstance(properties, dict) else {}).items():
        said = schema.get("type") if isinstance(schema, dict) else None
        types = [kind for kind in (said if isinstance(said, list) else [said]) if kind != "null"]
        if len(types) == 1 and isinstance(types[0], str) and name not in one.excluded:
            yield name, (types[0], str(schema.get("format")))
