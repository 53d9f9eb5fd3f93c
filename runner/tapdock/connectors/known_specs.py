"""The spec that a connector of the project last reported, for commands that start no container."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from tapdock.cache import Cache
from tapdock.project.model import Connector

__all__ = ["remember", "remembered"]


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


def _name(connector: Connector) -> str:
    parts = (connector.role, connector.image, connector.kind, connector.entrypoint, connector.command)
    return f"spec-{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}.json"
