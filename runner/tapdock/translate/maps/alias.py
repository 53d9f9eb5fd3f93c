"""The name of a stream in the target, from an `__alias__`."""

import ast

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import Uncomputable, compiled
from tapdock.translate.maps.settings import Entry, MapSettings

__all__ = ["alias_of"]

_STREAM = "__stream_name__"


def alias_of(entry: Entry, stream: str, settings: MapSettings) -> str:
    """Return the name in the target of a stream that an entry matches. Raises UsageError.

    An alias is an expression that may only use `__stream_name__`. Text with any other name in it is the name itself.
    """
    if entry.is_copy:
        return entry.name
    if entry.alias is None:
        return stream
    if not _is_expression(entry.alias):
        return entry.alias
    try:
        name = compiled(entry.alias, settings.scope(()))({}, stream=stream, original_stream=stream)
    except UsageError as error:
        raise settings.error(entry.name, "__alias__", problem=f"cannot be used: {error}", hint=error.hint) from None
    except Uncomputable as error:
        hint = "write a name, or an expression with `__stream_name__` whose result is a text"
        raise settings.error(entry.name, "__alias__", problem=f"cannot be used: {error}", hint=hint) from None
    if not isinstance(name, str) or not name.strip():
        hint = "put the name into quotes twice: `\"'2024'\"`"
        raise settings.error(entry.name, "__alias__", problem=f"does not result in a name for `{stream}`", hint=hint)
    return name


def _is_expression(text: str) -> bool:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _STREAM in text  # then it has a mistake, which is reported
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in called}
    return names <= {_STREAM}
