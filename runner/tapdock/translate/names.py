"""Stream names across the two protocols: one map, made before the start (protocol.md 3.1)."""

from collections.abc import Iterable

from tapdock.catalog import StreamKey
from tapdock.errors import UsageError

__all__ = ["singer_names"]


def singer_names(keys: Iterable[StreamKey]) -> dict[StreamKey, str]:
    """The Singer name of every Airbyte stream; raises UsageError when two differ at most in case.

    Without namespaces the name is kept. Else it is `<namespace>-<name>`, with `_` for a hyphen inside a part,
    since targets split at hyphens. Invert the map, never split a name.

        >>> singer_names([StreamKey("public", "line-items")])
        {StreamKey(namespace='public', name='line-items'): 'public-line_items'}
    """
    keys = list(keys)
    plain = all(key.namespace is None for key in keys)
    names = {key: key.name if plain else _joined(key) for key in keys}
    first: dict[str, StreamKey] = {}
    for key, name in names.items():
        other = first.setdefault(name.casefold(), key)
        if other != key:
            raise UsageError(
                f"streams `{other}` and `{key}` would both be called `{name.casefold()}` in the target",
                hint=f"leave one of them out, with `!{key}` under `select`",
            )
    return names


def _joined(key: StreamKey) -> str:
    return "-".join(part.replace("-", "_") for part in (key.namespace, key.name) if part)
