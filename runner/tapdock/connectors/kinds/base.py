"""From a connector of the project and its image to a `Launch`; the two kinds are modules beside this one."""

import dataclasses
import os
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.launch import FileArg, ImageFacts, InputFile, Launch, Role
from tapdock.project.model import Connector, Kind, Secret

__all__ = ["CONFIG", "alone", "config_file", "entrypoint_of", "kind_of", "launch"]

CONFIG = FileArg("config.json")
_SHELLS = {"sh", "bash", "ash", "dash"}
_ANY_USER = "any"


def kind_of(connector: Connector, facts: ImageFacts) -> Kind:
    """What the user says, else what the image says of itself; an image that says nothing speaks Singer."""
    label = facts.labels.get("io.tapdock.kind")
    if connector.kind or label in ("airbyte", "singer"):
        return connector.kind or label  # type: ignore[return-value] # narrowed by the test, which mypy cannot see
    is_airbyte = "io.airbyte.name" in facts.labels or "AIRBYTE_ENTRYPOINT" in facts.env
    return "airbyte" if is_airbyte else "singer"


def config_file(config: Mapping[str, Any]) -> InputFile:
    """The config as JSON: each number as it is, also an integer of more than 64 bits."""
    return InputFile(CONFIG.name, msgspec.json.encode(config))


def alone(connector: Connector) -> Connector:
    """Without the user's folders, which a question about the image itself does not need."""
    return dataclasses.replace(connector, mounts=())


def launch(
    connector: Connector,
    facts: ImageFacts,
    *,
    role: Role,
    args: tuple[str | FileArg, ...],
    files: tuple[InputFile, ...] = (),
    env: Mapping[str, str] | None = None,
    stdin: bool = False,
) -> Launch:
    """The container that runs this connector so. Raises UsageError for an image that cannot take arguments."""
    return Launch(
        role=role,
        image=facts.id or connector.image,
        name=connector.image,
        entrypoint=entrypoint_of(connector, facts),
        args=args,
        files=(*_env_file(connector), *files),
        stdin=stdin,
        env=dict(env or {}),
        mounts=connector.mounts,
        networks=(connector.network,) if connector.network else (),
        guarded=connector.network is None,
        extra_hosts=connector.extra_hosts,
        user=connector.user,
        is_root=(connector.user or facts.user).partition(":")[0] in ("", "0", "root"),
        as_caller=connector.user is None and _writes_as_anybody(connector, facts),
        platform=connector.platform,
        memory=connector.memory,
        cpus=connector.cpus,
        pids=connector.pids,
    )


def entrypoint_of(connector: Connector, facts: ImageFacts) -> tuple[str, ...]:
    """A shell-form ENTRYPOINT drops its arguments, so it cannot be given any."""
    entrypoint = connector.entrypoint or facts.entrypoint
    where = f"`{connector.image}` of {connector.role} `{connector.name}`"
    hint = "set `entrypoint:` to the program that speaks the protocol, such as `[tap-github]`"
    if not entrypoint:
        raise UsageError(f"{where} has no ENTRYPOINT", hint=hint)
    shell = os.path.basename(entrypoint[0]) in _SHELLS and entrypoint[1:2] == ("-c",)  # noqa: PTH119 - a path of the image
    if shell and connector.entrypoint is None:
        raise UsageError(f"{where} has a shell-form ENTRYPOINT, which drops its arguments", hint=hint)
    return (*entrypoint, *connector.command)


def _writes_as_anybody(connector: Connector, facts: ImageFacts) -> bool:
    """It can run as anybody and writes into a folder of the user: as the user, so that their files stay theirs."""
    writes = any(not mount.is_volume and not mount.read_only for mount in connector.mounts)
    return writes and facts.labels.get("io.tapdock.user") == _ANY_USER


def _env_file(connector: Connector) -> tuple[InputFile, ...]:
    """The user's variables travel like their config: a container's own would be readable by `inspect`."""
    if not connector.env:
        return ()
    lines = [f"export {name}={shlex.quote(_revealed(value))}" for name, value in connector.env.items()]
    return (InputFile("env.sh", "\n".join(lines).encode() + b"\n"),)


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
