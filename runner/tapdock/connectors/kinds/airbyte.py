"""Airbyte connectors: the commands of protocol.md 1.2."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.connectors.kinds import base
from tapdock.launch import FileArg, ImageFacts, InputFile, Launch
from tapdock.project.model import Connector

__all__ = ["MANIFEST", "check", "discover", "read", "spec", "write"]

MANIFEST = "__injected_declarative_manifest"
"""The setting in which a low-code source gets its manifest (decision 0011)."""

_CATALOG = FileArg("catalog.json")
_STATE = FileArg("state.json")

# Variables that the Airbyte platform sets and connectors read. The data channel is set so that none opens a socket.
_ENV = {
    "AIRBYTE_STAGING_DIRECTORY": "/staging/files",
    "DATA_CHANNEL_FORMAT": "JSONL",
    "DATA_CHANNEL_MEDIUM": "STDIO",
    "DEPLOYMENT_MODE": "OSS",
    "USE_FILE_TRANSFER": "false",
    "USE_STREAM_CAPABLE_STATE": "true",
}


def spec(connector: Connector, facts: ImageFacts) -> Launch:
    return base.launch(base.alone(connector), facts, role="source", args=("spec",), env=_env(connector))


def check(connector: Connector, facts: ImageFacts, config: Mapping[str, Any]) -> Launch:
    return _with_config(connector, facts, config, "check")


def discover(connector: Connector, facts: ImageFacts, config: Mapping[str, Any]) -> Launch:
    return _with_config(connector, facts, config, "discover")


def _with_config(connector: Connector, facts: ImageFacts, config: Mapping[str, Any], command: str) -> Launch:
    files = (_config_file(connector, config),)
    args = (command, "--config", base.CONFIG)
    return base.launch(connector, facts, role="source", args=args, files=files, env=_env(connector))


def read(
    connector: Connector, facts: ImageFacts, *, config: Mapping[str, Any], catalog: bytes, state: str | None
) -> Launch:
    """Return the launch for a read. Without a state, `--state` is left out (protocol.md 1.4)."""
    args: list[str | FileArg] = ["read", "--config", base.CONFIG, "--catalog", _CATALOG]
    files = [_config_file(connector, config), InputFile(_CATALOG.name, catalog)]
    if state is not None:
        args += ["--state", _STATE]
        files.append(InputFile(_STATE.name, state.encode()))
    return base.launch(connector, facts, role="source", args=tuple(args), files=tuple(files), env=_env(connector))


def write(connector: Connector, facts: ImageFacts, *, config: Mapping[str, Any], catalog: bytes | None) -> Launch:
    """Return the launch for a write. If `catalog` is None, the connector waits until it is sent."""
    file = InputFile(_CATALOG.name, catalog or b"", late=catalog is None)
    args = ("write", "--config", base.CONFIG, "--catalog", _CATALOG)
    files = (_config_file(connector, config), file)
    # Otherwise Python buffers its output, and acknowledgements are delayed until the end.
    env = {**_env(connector), "PYTHONUNBUFFERED": "1"}
    return base.launch(connector, facts, role="target", args=args, files=files, env=env, stdin=True)


def _config_file(connector: Connector, config: Mapping[str, Any]) -> InputFile:
    manifest = connector.manifest
    return base.config_file({**config, MANIFEST: msgspec.Raw(manifest.content)} if manifest else config)


def _env(connector: Connector) -> dict[str, str]:
    return {**_ENV, "WORKER_CONNECTOR_IMAGE": connector.image}
