"""Singer taps and targets: the commands of protocol.md 2.2."""

from collections.abc import Mapping
from typing import Any

from tapdock.config import Connector
from tapdock.connectors import base
from tapdock.launch import ImageFacts, Launch

__all__ = ["about", "discover", "write"]


def about(connector: Connector, facts: ImageFacts) -> Launch:
    """What connectors made with Meltano's SDK tell of their settings; others know no such flag."""
    return base.launch(base.alone(connector), facts, role="source", args=("--about", "--format=json"))


def discover(connector: Connector, facts: ImageFacts, config: Mapping[str, Any]) -> Launch:
    args = ("--config", base.CONFIG, "--discover")
    return base.launch(connector, facts, role="source", args=args, files=(base.config_file(config),))


def write(connector: Connector, facts: ImageFacts, *, config: Mapping[str, Any]) -> Launch:
    args = ("--config", base.CONFIG)
    return base.launch(connector, facts, role="target", args=args, files=(base.config_file(config),), stdin=True)
