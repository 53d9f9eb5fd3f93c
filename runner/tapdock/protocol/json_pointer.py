"""Parse JSON pointers (RFC 6901), and resolve references into the same document."""

from collections.abc import Mapping
from typing import Any

__all__ = ["parts", "referred"]


def parts(pointer: str) -> list[str]:
    """Return the names in a pointer, one for each level.

    >>> parts("/a~1b/0")
    ['a/b', '0']
    """
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def referred(root: Any, reference: object) -> Any:
    """Return the value that a `$ref` names in its own document; None if it does not exist, or is in another document.

    >>> referred({"definitions": {"id": {"type": "integer"}}}, "#/definitions/id")
    {'type': 'integer'}
    """
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = root
    for part in parts(reference[1:]):
        if isinstance(found, list):
            found = found[int(part)] if part.isdecimal() and int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found
