"""Describe the containers of connectors and of the relay as arguments of the engine's API."""

import os
from typing import Any, Literal

import docker.types

from tapdock.engines.attended import Stdio, attended_command
from tapdock.engines.launcher import command
from tapdock.launch import SCRATCH, Launch
from tapdock.project.connector_values import Mount

__all__ = ["MEMORY", "PIPES", "attended_spec", "container_spec", "relay_spec"]

PIPES = "/tapdock/pipes"
MEMORY = "/tapdock/files"
"""A path that no image has: a tmpfs over a folder of the image ignores its mode."""
_LATE_BYTES = 64 << 20  # of a file not known yet
_ROOT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
_PIDS = 4096
_PROPAGATIONS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))
_METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23"]
"""Addresses of clouds that return a machine's credentials: of AWS, Google, Azure and others; tasks of ECS; pods of EKS.

An engine can assign only link-local addresses to a container, so Alibaba's 100.100.100.200 remains reachable.
"""


def container_spec(launch: Launch, *, pipes: str, scratch: str = "") -> dict[str, Any]:
    """Return the container of a connector as arguments of the engine's API.

    Data is sent only through the pipes, so no log driver gets it. stderr is attached, never stored. The folder of the
    pipes is read-only: pipes can still be written to, but not replaced. `own_addresses` are assigned to the container
    itself, so that it cannot reach another machine there.
    """
    files = sum(_LATE_BYTES if file.late else len(file.content) for file in launch.files)
    shared = [f"{scratch}:{SCRATCH}"] if launch.scratch else []
    return {
        "entrypoint": command(launch, pipes=PIPES, memory=MEMORY),
        "command": [],
        "environment": {**launch.env, "TINI_KILL_PROCESS_GROUP": "1"},
        "user": launch.user,
        "platform": launch.platform,
        **({"working_dir": launch.working_dir} if launch.working_dir else {}),
        "own_addresses": _METADATA if launch.guarded and launch.networks else [],
        "host": {
            "binds": [
                f"{pipes}:{PIPES}:ro",
                *shared,
                *(_bind(mount) for mount in launch.mounts if not _is_exact(mount)),
            ],
            "mounts": [_mount(mount) for mount in launch.mounts if _is_exact(mount)],
            "tmpfs": {MEMORY: f"mode=1777,size={files * 3 + (16 << 20)}"},
            "init": True,
            "cap_drop": ["ALL"],
            "cap_add": _ROOT_CAPABILITIES if launch.is_root else [],
            "security_opt": ["no-new-privileges"],
            "mem_limit": launch.memory,
            "memswap_limit": launch.memory,
            "nano_cpus": int(launch.cpus * 1e9) if launch.cpus else None,
            "pids_limit": launch.pids or _PIDS,
            "log_config": docker.types.LogConfig(type="none"),
            "network_mode": launch.networks[0] if launch.networks else None,
            "extra_hosts": list(launch.extra_hosts),
        },
    }


def attended_spec(launch: Launch, stdio: Stdio) -> dict[str, Any]:
    """Return the container of a connector that a user runs by hand: as in a run, but on the container's own stdio."""
    spec = container_spec(launch, pipes="")
    host = {**spec["host"], "binds": [_bind(mount) for mount in launch.mounts if not _is_exact(mount)]}
    more = {"TERM": os.environ.get("TERM", "xterm")} if stdio.terminal else {}
    return {
        **spec,
        "entrypoint": attended_command(launch, stdio, memory=MEMORY),
        "environment": {**spec["environment"], **more},
        "tty": stdio.terminal,
        "stdin_open": stdio.stdin is not None,
        "host": host,
    }


def relay_spec(binds: list[str]) -> dict[str, Any]:
    """Return the container of the relay: without a network, read-only, with orders on stdin and events on stdout."""
    return {
        "command": ["relay", PIPES],
        "stdin_open": True,
        "host": {
            "binds": binds,
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _PIDS,
            "log_config": docker.types.LogConfig(type="none"),
            "network_mode": "none",
        },
    }


def _bind(mount: Mount) -> str:
    options = [*(["ro"] if mount.read_only else []), *mount.options]
    return ":".join([mount.source, mount.target, *([",".join(options)] if options else [])])


def _is_exact(mount: Mount) -> bool:
    """Return True for a mount that a text cannot describe: with a colon in a path, or with a source that must exist.

    An engine creates the missing folder of a text, also in place of a file that is only read.
    """
    exact = ":" in mount.source + mount.target or (mount.read_only and not mount.is_volume)
    return exact and len(mount.options) <= 1 and _PROPAGATIONS.issuperset(mount.options)


def _mount(mount: Mount) -> docker.types.Mount:
    kind: Literal["volume", "bind"] = "volume" if mount.is_volume else "bind"
    propagation = next(iter(mount.options), None)
    return docker.types.Mount(mount.target, mount.source, kind, read_only=mount.read_only, propagation=propagation)
