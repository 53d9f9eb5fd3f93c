"""Whether an engine has a network."""

from typing import Any

import docker.errors

from tapdock.engines.docker.errors import answering

__all__ = ["exists"]

_MODES = ("default", "host", "none", "bridge", "private", "pasta", "slirp4netns")
"""Names that are not networks, or that are networks only of some engines."""


def exists(api: Any, name: str) -> bool:
    """Return False if the engine certainly does not have a network of this name or id. Raises EngineError."""
    if ":" in name or name in _MODES:
        return True
    with answering(f"the network `{name}` could not be inspected"):
        try:
            api.inspect_network(name)
        except docker.errors.NotFound:
            return False
    return True
