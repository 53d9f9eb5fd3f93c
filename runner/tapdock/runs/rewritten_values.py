"""Tell at the first run which values a known tap writes in a form that not every target reads."""

from collections.abc import Iterator, Mapping

from tapdock.protocol.catalog import ConfiguredStream

__all__ = ["rewritten_values"]


def rewritten_values(streams: tuple[ConfiguredStream, ...], formats: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each stream with fields of these `formats` (`Quirks.rewritten_formats`)."""
    for one in streams if formats else ():
        properties = one.stream.json_schema.get("properties")
        for kind, form in formats.items():
            found = [
                f"`{name}`"
                for name, inner in (properties if isinstance(properties, dict) else {}).items()
                if isinstance(inner, dict) and inner.get("format") == kind and name not in one.excluded
            ]
            if found:
                yield (
                    f"warning: the tap writes {form} in {', '.join(found)} of stream `{one.stream.key}`, which a target"
                    " may refuse or store as null"
                )
