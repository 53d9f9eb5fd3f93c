"""Names in a message, at most a few of them."""

from collections.abc import Sequence

__all__ = ["listed"]


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the names in backticks.

    >>> listed(["id", "name"]), listed(["id", "name", "age"], most=2)
    ('`id`, `name`', '`id`, `name` and 1 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more
