"""Put the values of a project over its `defaults:`, and these over tapdock's defaults."""

from typing import Any, get_args

from tapdock.project.fields import Field
from tapdock.project.keys import CONNECTOR, DEFAULTS, misplaced, names
from tapdock.project.layers import Layer, cut, merge
from tapdock.project.layers import Path as Keys
from tapdock.project.model import ConnectorRole

__all__ = ["STATE_URI", "with_defaults"]


STATE_URI = ".tapdock/state"


def with_defaults(layer: Layer, label: str, *, state_uri: str) -> Layer:
    """Return the layer with defaults: each connector over the `defaults:` block, and that over tapdock's defaults."""
    defaults = cut(layer, ("defaults",))
    shared = tuple(key.name for key in CONNECTOR if key.shared)
    Field(defaults.tree, ("defaults",), layer.origins, label).keys(shared, instead=misplaced(shared))
    tree: dict[str, Any] = {}
    origins: dict[Keys, str] = {}
    if cut(layer, ("state_backend",)).tree.get("uri") is None:
        layer = _with_state_uri(layer, state_uri)
    for role in get_args(ConnectorRole):
        group = f"{role}s"
        of_role = names(CONNECTOR, role=role)
        given = {key: value for key, value in defaults.tree.items() if value is not None and key in of_role}
        for name, entry in cut(layer, (group,)).tree.items():
            if not isinstance(entry, dict):
                continue
            tree.setdefault(group, {})[name] = {**DEFAULTS[role], **given}
            origins |= {(group, name, key): "default" for key in DEFAULTS[role]}
            origins |= {(group, name, *path): origin for path, origin in defaults.origins.items() if path[0] in given}
    return merge(Layer(tree, origins), layer)


def _with_state_uri(layer: Layer, uri: str) -> Layer:
    """Return the layer with the default in place of a `uri` that is missing or empty. A `state_backend` of another type
    is returned as it is, to be refused.
    """
    if not isinstance(layer.tree.get("state_backend"), dict | None):
        return layer
    base = Layer({**layer.tree, "state_backend": layer.tree.get("state_backend") or {}}, layer.origins)
    return merge(base, Layer({"state_backend": {"uri": uri}}, {("state_backend", "uri"): "default"}))
