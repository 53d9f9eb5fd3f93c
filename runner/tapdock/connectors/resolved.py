"""A connector's config in plain values."""

from dataclasses import dataclass, field
from typing import Any

from tapdock.connectors import rotated_config, rotation_rules

__all__ = ["Resolved"]


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A connector's config in plain values: `user` is the user's own, `given` is passed to the connector.

    `laid` are the values that the connector changed in earlier runs, `rules` those for its next changes. `steady` is
    `user` for comparisons: a date that moves every day is no change of it.
    """

    user: dict[str, Any] = field(repr=False)
    given: dict[str, Any] = field(repr=False)
    laid: rotated_config.Laid = field(default_factory=lambda: rotated_config.Laid({}), repr=False)
    rules: rotation_rules.Rules = field(default_factory=rotation_rules.Rules)
    steady: dict[str, Any] = field(default_factory=dict, repr=False)
