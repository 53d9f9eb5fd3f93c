"""Singer taps and targets: the commands of protocol.md 2.2."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tapdock.connectors.kinds import base
from tapdock.launch import FileArg, ImageFacts, InputFile, Launch
from tapdock.project.model import Connector

__all__ = ["about", "discover", "map_", "read", "write"]

_CATALOG = FileArg("catalog.json")
_STATE = FileArg("state.json")


def about(connector: Connector, facts: ImageFacts) -> Launch:
    """Return the launch that reports the settings. Only connectors made with Meltano's SDK support it."""
    return base.launch(base.alone(connector), facts, role="source", args=("--about", "--format=json"))


def discover(connector: Connector, facts: ImageFacts, config: Mapping[str, Any]) -> Launch:
    args = ("--config", base.CONFIG, "--discover")
    return base.launch(connector, facts, role="source", args=args, files=(base.config_file(config),))


def read(
    connector: Connector,
    facts: ImageFacts,
    *,
    config: Mapping[str, Any],
    catalog: bytes | None,
    state: str | None,
    scratch: bool = False,
) -> Launch:
    """Return the launch for a sync. The options for the catalog and the state are left out if these are None."""
    args: list[str | FileArg] = ["--config", base.CONFIG]
    files = [base.config_file(config)]
    if catalog is not None:
        args += [connector.catalog_option, _CATALOG]
        files.append(InputFile(_CATALOG.name, catalog))
    if state is not None:
        args += ["--state", _STATE]
        files.append(InputFile(_STATE.name, state.encode()))
    launch = base.launch(connector, facts, role="source", args=tuple(args), files=tuple(files))
    return dataclasses.replace(launch, scratch=scratch)


def map_(connector: Connector, facts: ImageFacts, *, config: Mapping[str, Any]) -> Launch:
    """Return the launch of a mapper, which gets a tap's messages and prints those for the target."""
    args = ("--config", base.CONFIG)
    return base.launch(connector, facts, role="mapper", args=args, files=(base.config_file(config),), stdin=True)


def write(connector: Connector, facts: ImageFacts, *, config: Mapping[str, Any], scratch: bool = False) -> Launch:
    args = ("--config", base.CONFIG)
    launch = base.launch(connector, facts, role="target", args=args, files=(base.config_file(config),), stdin=True)
    return dataclasses.replace(launch, scratch=scratch)
