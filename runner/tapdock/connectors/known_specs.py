"""What a connector of the project was when it was last used, its kind and its spec: for commands without an engine."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, cast, get_args

import msgspec

from tapdock.cache import Cache
from tapdock.project.model import Connector, Kind

__all__ = ["remember", "remember_kind", "remembered", "remembered_kind"]


def remember(cache: Cache, connector: Connector, schema: Mapping[str, Any] | None) -> None:
    """Keep the JSON schema of a connector's config."""
    content = msgspec.json.encode(schema)
    if cache.read(_name(connector)) != content:
        cache.write(_name(connector), content)


def remembered(cache: Cache, connector: Connector) -> Mapping[str, Any] | None:
    """Return the JSON schema that was kept last, maybe of an earlier image with this name; None if there is none."""
    if connector.manifest:
        return connector.manifest.spec
    content = cache.read(_name(connector))
    try:
        schema = msgspec.json.decode(content) if content else None
    except (msgspec.MsgspecError, RecursionError):
        return None
    return schema if isinstance(schema, dict) else None


def remember_kind(cache: Cache, connector: Connector, kind: Kind) -> None:
    """Keep the kind that the connector's image has shown."""
    if remembered_kind(cache, connector) != kind:
        cache.write(_kind_name(connector), kind.encode())


def remembered_kind(cache: Cache, connector: Connector) -> Kind | None:
    """Return the kind that was kept last, maybe of an earlier image with this name; None if there is none."""
    kind = (cache.read(_kind_name(connector)) or b"").decode(errors="replace")
    return cast(Kind, kind) if kind in get_args(Kind) else None


def _name(connector: Connector) -> str:
    return f"spec-{_hash(connector)}.json"


def _kind_name(connector: Connector) -> str:
    return f"kind-{_hash(connector)}"


def _hash(connector: Connector) -> str:
    parts = (connector.role, connector.image, connector.kind, connector.entrypoint, connector.command)
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
