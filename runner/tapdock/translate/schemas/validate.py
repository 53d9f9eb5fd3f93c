"""Whether a record's values are of the types that its schema declares, looked at without building anything of them."""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

__all__ = ["checker"]

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int | float,  # `1.0` is an integer by JSON schema
    "number": int | float,
    "boolean": bool,
    "object": dict[str, Raw],
    "array": list[Raw],
    "null": None,
}
_TOO_BIG = "out of range"  # of what a number can be here, not of what a target can have


def checker(schema: Mapping[str, Any]) -> Callable[[bytes], str | None] | None:
    """What tells the problem of a body, if it has one; None where the schema asks for nothing.

    Only types of top-level fields count, and null is always one of them: targets have no other columns.

        >>> checker({"properties": {"a": {"type": "integer"}}})(b'{"a":"x"}')
        'does not match its schema: Expected `int | float | null`, got `str` - at `$.a`'
    """
    typed = {name: kind for name, inner in schema.get("properties", {}).items() if (kind := _type(inner)) is not None}
    if not typed:
        return None
    fields = [(f"f{place}", kind, None) for place, kind in enumerate(typed.values())]
    names = {f"f{place}": name for place, name in enumerate(typed)}
    decode = msgspec.json.Decoder(msgspec.defstruct("Record", fields, rename=names, gc=False)).decode

    def problem(body: bytes) -> str | None:
        try:
            decode(body)
        except msgspec.ValidationError as error:
            return None if _TOO_BIG in str(error) else f"does not match its schema: {error}"
        return None

    return problem


def _type(schema: Any) -> Any:
    """None for what may be anything."""
    if not isinstance(schema, dict) or "type" not in schema:
        return None
    said = schema["type"]
    kinds = [str(kind) for kind in (said if isinstance(said, list) else [said])]
    if not kinds or any(kind not in _TYPES for kind in kinds):
        return None
    return functools.reduce(operator.or_, (_TYPES[kind] for kind in kinds if kind != "null"), None) or None
