"""Map streams to their names in the target. The map is made before the start; names are never split (3.1)."""

from collections.abc import Iterable

from tapdock.errors import UsageError
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import StreamKey

__all__ = ["singer_names", "target_keys"]

_SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


def target_keys(keys: Iterable[StreamKey], namespacing: Namespacing) -> dict[StreamKey, StreamKey]:
    """Return namespace and name of every stream in the target (protocol.md 1.11). Raises UsageError if two are equal.

    >>> target_keys([StreamKey("shop", "users")], Namespacing(kind="customformat", format="raw_${SOURCE_NAMESPACE}"))
    {StreamKey(namespace='shop', name='users'): StreamKey(namespace='raw_shop', name='users')}
    """
    named = {key: StreamKey.of(_namespace(key, namespacing), f"{namespacing.prefix}{key.name}") for key in keys}
    first: dict[StreamKey, StreamKey] = {}
    for key, new in named.items():
        other = first.setdefault(new, key)
        if other != key:
            raise _collision(other, key, str(new))
    return named


def _namespace(key: StreamKey, namespacing: Namespacing) -> str | None:
    match namespacing.kind:
        case "destination":
            return None
        case "customformat":
            return namespacing.format.replace(_SOURCE_NAMESPACE, key.namespace or "").strip() or None
    return key.namespace


def singer_names(keys: Iterable[StreamKey], namespacing: Namespacing | None = None) -> dict[StreamKey, str]:
    """Return the Singer name of every Airbyte stream. Raises UsageError if two differ at most in case.

    Without namespaces, the name is kept. Else it is `<namespace>-<name>`, with `_` for a hyphen inside a part, because
    targets split at hyphens. Invert the map, never split a name.

        >>> singer_names([StreamKey("public", "line-items")])
        {StreamKey(namespace='public', name='line-items'): 'public-line_items'}
    """
    mapped = target_keys(keys, namespacing or Namespacing())
    plain = all(key.namespace is None for key in mapped.values())
    names = {key: new.name if plain else _joined(new) for key, new in mapped.items()}
    first: dict[str, StreamKey] = {}
    for key, name in names.items():
        other = first.setdefault(name.casefold(), key)
        if other != key:
            raise _collision(other, key, name.casefold())
    return names


def _collision(one: StreamKey, other: StreamKey, name: str) -> UsageError:
    return UsageError(
        f"streams `{one}` and `{other}` would both have the name `{name}` in the target",
        hint=f"exclude one of them with `!{other}` under `select`, or set the pipeline's `namespace`",
    )


def _joined(key: StreamKey) -> str:
    return "-".join(part.replace("-", "_") for part in (key.namespace, key.name) if part)
