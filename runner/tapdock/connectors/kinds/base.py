"""Make a `Launch` from a connector of the project and its image. Each kind has a module beside this one."""

import dataclasses
import os
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.launch import FileArg, ImageFacts, InputFile, Launch, Role
from tapdock.project.keys import CONNECTOR
from tapdock.project.layers import dotted
from tapdock.project.model import Connector, Kind
from tapdock.project.secret import Secret

__all__ = [
    "CONFIG",
    "alone",
    "assumed",
    "config_file",
    "entrypoint_of",
    "feed",
    "kind_line",
    "kind_of",
    "launch",
    "place_of",
    "require_kind",
    "whole_place",
]

CONFIG = FileArg("config.json")
_SHELLS = {"sh", "bash", "ash", "dash"}
_ANY_USER = "any"
_NAMES: Mapping[Kind, str] = {"airbyte": "Airbyte", "singer": "Singer"}
_OWN_LABEL = "io.tapdock.kind"
_LABEL = "the label `io.airbyte.name`"
_ENTRYPOINT = "the variable `AIRBYTE_ENTRYPOINT`"


def kind_of(connector: Connector, facts: ImageFacts) -> Kind:
    """Return the user's `kind`, else that of the image's labels and variables, else `singer`."""
    return _named_kind(connector, facts) or ("airbyte" if _airbyte_mark(facts) else "singer")


def assumed(connector: Connector, facts: ImageFacts, origins: Mapping[str, str]) -> str | None:
    """Return the reason for a connector's kind and how to correct it; None if nothing speaks for the other kind.

    `origins` are those of the project.
    """
    mark = _airbyte_mark(facts)
    if _named_kind(connector, facts):
        if not mark or connector.kind != "singer" or facts.labels.get(_OWN_LABEL) == "singer":  # a wrapped tap
            return None
        return f"its image has {mark}; if it is an Airbyte connector, {kind_line(connector, 'airbyte', origins)}"
    if mark:
        reason = f"its image has {mark}, so it is used as an Airbyte connector"
        return f"{reason}; if it is a Singer connector, {kind_line(connector, 'singer', origins)}"
    reason = f"its image has neither {_LABEL} nor {_ENTRYPOINT}, so it is used as a Singer connector"
    return f"{reason}; if it is an Airbyte connector, {kind_line(connector, 'airbyte', origins)}"


def place_of(connector: Connector, key: str, origins: Mapping[str, str]) -> str:
    """Return where the project file sets a key of a connector, for the beginning of a message.

    >>> shop = Connector(name="shop", role="source", image="x")
    >>> place_of(shop, "network", {"sources.shop.network": "tapdock.yaml:7"})
    'tapdock.yaml:7: `sources.shop.network`: '
    """
    whole = dotted((f"{connector.role}s", connector.name))
    path = f"{whole}.{key}"
    return f"{origins.get(path) or origins.get(whole) or 'tapdock.yaml'}: `{path}`: "


def whole_place(connector: Connector, origins: Mapping[str, str]) -> str:
    """Return where the project file has a connector, for use inside of a sentence."""
    path = dotted((f"{connector.role}s", connector.name))
    return f"`{path}` ({origins.get(path, 'tapdock.yaml')})"


def kind_line(connector: Connector, kind: Kind, origins: Mapping[str, str]) -> str:
    """Return the change of the project file that sets the kind of a connector, with its line."""
    path = dotted((f"{connector.role}s", connector.name))
    where = origins.get(f"{path}.kind") or origins.get(path) or "tapdock.yaml"
    return f"set `kind: {kind}` for `{path}` ({where})"


def _named_kind(connector: Connector, facts: ImageFacts) -> Kind | None:
    label = facts.labels.get(_OWN_LABEL)
    return connector.kind or ("airbyte" if label == "airbyte" else "singer" if label == "singer" else None)


def _airbyte_mark(facts: ImageFacts) -> str | None:
    return _LABEL if "io.airbyte.name" in facts.labels else _ENTRYPOINT if "AIRBYTE_ENTRYPOINT" in facts.env else None


def require_kind(connector: Connector, kind: Kind, origins: Mapping[str, str]) -> None:
    """Raise UsageError for a key that has no effect on this kind. `origins` are those of the project."""
    plain = Connector(name="", role=connector.role, image="")
    for key in CONNECTOR:
        if key.kind in (None, kind) or getattr(connector, key.name) == getattr(plain, key.name):
            continue
        raise _of_another_kind(connector, key.name, "", key.kind, kind, origins)
    if kind == "airbyte" and connector.discovery.mode == "never":
        raise _of_another_kind(connector, "discovery", ": false", "singer", kind, origins)


def _of_another_kind(
    connector: Connector, key: str, value: str, wanted: Kind, kind: Kind, origins: Mapping[str, str]
) -> UsageError:
    path = dotted((f"{connector.role}s", connector.name, key))
    return UsageError(
        f"{origins.get(path, 'tapdock.yaml')}: `{path}{value}` only applies to {_NAMES[wanted]} connectors, but "
        f"`{connector.image}` is for {_NAMES[kind]}",
        hint=f"remove it, or set `kind: {wanted}` if that is the protocol of the image",
    )


def config_file(config: Mapping[str, Any]) -> InputFile:
    """Return the config as a JSON file. Numbers are exact, also integers of more than 64 bits."""
    return InputFile(CONFIG.name, msgspec.json.encode(config))


def alone(connector: Connector) -> Connector:
    """Return the connector without the user's mounts, which a command without a config does not need."""
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
    """Return the launch of a connector with these arguments. Raises UsageError if the image cannot take arguments."""
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


def feed(connector: Connector, facts: ImageFacts, messages: bytes) -> Launch:
    """Return the launch that prints these messages in place of a source, in an image that is present.

    The launcher itself needs `cat`, so every image that runs has it.
    """
    file = InputFile("messages.jsonl", messages)
    plain = dataclasses.replace(connector, entrypoint=("cat",), command=())
    return launch(plain, facts, role="source", args=(FileArg(file.name),), files=(file,))


def entrypoint_of(connector: Connector, facts: ImageFacts) -> tuple[str, ...]:
    """Return the program with the user's `command`.

    Raises UsageError if the image has no ENTRYPOINT, or a shell-form ENTRYPOINT, which ignores its arguments.
    """
    entrypoint = connector.entrypoint or facts.entrypoint
    where = f"`{connector.image}` of {connector.role} `{connector.name}`"
    hint = "set `entrypoint:` to the connector's program, such as `[tap-github]`"
    if connector.role == "task":
        hint = "name the program: `executable` in the command, or `entrypoint` for all commands"
    if not entrypoint:
        raise UsageError(f"{where} has no ENTRYPOINT", hint=hint)
    shell = os.path.basename(entrypoint[0]) in _SHELLS and entrypoint[1:2] == ("-c",)  # noqa: PTH119 - a path of the image
    if shell and connector.entrypoint is None:
        raise UsageError(f"{where} has a shell-form ENTRYPOINT, which ignores its arguments", hint=hint)
    return (*entrypoint, *connector.command)


def _writes_as_anybody(connector: Connector, facts: ImageFacts) -> bool:
    """Return True if the image can run as any user and writes into a folder of the user.

    Such a connector runs as the user, so that the user owns its files.
    """
    writes = any(not mount.is_volume and not mount.read_only for mount in connector.mounts)
    return writes and facts.labels.get("io.tapdock.user") == _ANY_USER


def _env_file(connector: Connector) -> tuple[InputFile, ...]:
    """Return the user's variables as an input file: variables of a container would be visible in `docker inspect`."""
    if not connector.env:
        return ()
    lines = [f"export {name}={shlex.quote(_revealed(value))}" for name, value in connector.env.items()]
    return (InputFile("env.sh", "\n".join(lines).encode() + b"\n"),)


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
