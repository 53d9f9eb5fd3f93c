"""Map streams to their names in the target. The map is made before the start; names are never split (3.1)."""

from collections.abc import Iterable

from tapdock.errors import TranslationError, UsageError
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.catalogs.singer import message_names
from tapdock.translate.tables import TableNames, Tables

__all__ = ["OwnTables", "require_own_tables", "shared_hint", "singer_names", "target_keys"]

_SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


def target_keys(
    keys: Iterable[StreamKey], namespacing: Namespacing, tables: TableNames | None = None
) -> dict[StreamKey, StreamKey]:
    """Return namespace and name of every stream in the target (protocol.md 1.11). Raises UsageError if two are equal.

    `tables` are the rules of a destination that is known to change names; two streams in one table are refused.

    >>> target_keys([StreamKey("shop", "users")], Namespacing(kind="customformat", format="raw_${SOURCE_NAMESPACE}"))
    {StreamKey(namespace='shop', name='users'): StreamKey(namespace='raw_shop', name='users')}
    """
    named = {key: StreamKey.of(_namespace(key, namespacing), f"{namespacing.prefix}{key.name}") for key in keys}
    first: dict[StreamKey, StreamKey] = {}
    for key, new in named.items():
        other = first.setdefault(new, key)
        if other != key:
            raise _collision(other, key, str(new))
    if tables and tables.rules:
        _require_own_tables({key: new.name for key, new in named.items()}, tables)
    return named


def _namespace(key: StreamKey, namespacing: Namespacing) -> str | None:
    match namespacing.kind:
        case "destination":
            return None
        case "customformat":
            return namespacing.format.replace(_SOURCE_NAMESPACE, key.namespace or "").strip() or None
    return key.namespace


def singer_names(
    keys: Iterable[StreamKey],
    namespacing: Namespacing | None = None,
    tables: TableNames | None = None,
    *,
    own_tables: bool = True,
) -> dict[StreamKey, str]:
    """Return the Singer name of every Airbyte stream. Raises UsageError if two would share a table in the target.

    The name is `<namespace>-<name>`, with `_` for a hyphen inside a part, because targets cut names at hyphens. If no
    stream has a namespace, a hyphen stays if the target is known not to cut. Invert the map, never split a name.
    Without `own_tables`, names only have to differ: for a catalog, of which a run may select a part.

        >>> singer_names([StreamKey("public", "line-items")])
        {StreamKey(namespace='public', name='line-items'): 'public-line_items'}
    """
    mapped = target_keys(keys, namespacing or Namespacing())
    tables = tables or TableNames()
    plain = all(key.namespace is None for key in mapped.values()) and not tables.cuts
    names = {key: new.name if plain else _joined(new) for key, new in mapped.items()}
    first: dict[str, StreamKey] = {}
    for key, name in names.items():
        other = first.setdefault(name.casefold(), key)
        if other != key:
            raise _collision(other, key, name.casefold())
    if own_tables:
        _require_own_tables(names, tables)
    return names


def _require_own_tables(names: dict[StreamKey, str], rules: TableNames) -> None:
    tables = Tables(rules)
    for key, name in names.items():
        if shared := tables.shared(str(key), name):
            raise _shared(shared, str(key), rules)


def require_own_tables(streams: Iterable[ConfiguredStream], rules: TableNames) -> None:
    """Raise UsageError if two streams of a tap would share a table, whichever of its names the tap uses."""
    tables = Tables(rules)
    for one in streams:
        if shared := tables.shared(str(one.stream.key), *message_names(one.stream)):
            raise _shared(shared, str(one.stream.key), rules)


class OwnTables:
    """The tables of a tap's streams by the names in its messages, and by those that maps give them."""

    def __init__(self, rules: TableNames) -> None:
        self._rules = rules
        self._tables = Tables(rules)

    def require(self, stream: str, name: str, *, line: int) -> None:
        """Raise TranslationError if another stream, or another copy of this one, is written to the same table."""
        label = stream if name == stream else f"{stream} as {name}"
        if shared := self._tables.shared(label, name):
            other, table = shared
            what = f"line {line}: streams `{other}` and `{label}` share the table `{table}` of the target"
            raise TranslationError(what, hint=shared_hint(name, self._rules))


def _shared(shared: tuple[str, str], stream: str, rules: TableNames) -> UsageError:
    other, table = shared
    return UsageError(
        f"streams `{other}` and `{stream}` would both be written to the table `{table}` of the target",
        hint=shared_hint(stream, rules),
    )


def shared_hint(stream: str, rules: TableNames) -> str:
    """Return how two streams get tables of their own."""
    hint = f"exclude one of them with `!{stream}` under `select`, and read it in a pipeline of its own"
    if rules.schema is None:
        return hint
    if rules.has_schemas:
        return f"{hint}; or set the target's `schema_mapping`, so that each namespace has its own schema"
    return f"{hint}; or remove the target's `default_target_schema`, so that namespaces become schemas"


def _collision(one: StreamKey, other: StreamKey, name: str) -> UsageError:
    return UsageError(
        f"streams `{one}` and `{other}` would both have the name `{name}` in the target",
        hint=f"exclude one of them with `!{other}` under `select`, or set the pipeline's `namespace`",
    )


def _joined(key: StreamKey) -> str:
    return "-".join(part.replace("-", "_") for part in (key.namespace, key.name) if part)
