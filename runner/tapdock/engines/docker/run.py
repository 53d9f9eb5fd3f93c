"""The containers of one run on a Docker Engine. They have names before they exist, and are removed in any ending."""

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import docker.errors
import docker.types

from tapdock.engines import folders
from tapdock.engines.attended import Stdio, attended_command
from tapdock.engines.base import Logs
from tapdock.engines.docker.attach import Attached
from tapdock.engines.docker.attended import DockerAttended
from tapdock.engines.docker.errors import CONNECTION, answering, reason_of, refused
from tapdock.engines.docker.process import DockerConversation, DockerProcess
from tapdock.engines.launcher import command
from tapdock.errors import EngineError
from tapdock.launch import SCRATCH, Launch
from tapdock.project.model import Mount

__all__ = ["LABEL_OWNER", "LABEL_RUN", "DockerRun", "container_name"]

LABEL_RUN = "io.tapdock.run"
LABEL_ROLE = "io.tapdock.role"
LABEL_OWNER = "io.tapdock.owner"
_PIPES = "/tapdock/pipes"
_MEMORY = "/tapdock/files"  # a path that no image has: a tmpfs over a folder of the image ignores its mode
_LATE_BYTES, _PIPE_BLOCKS, _SCRATCH_BLOCKS = 64 << 20, 1 << 10, 1 << 18  # of a file not known yet; pages of 4 KiB
_ROOT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
_PIDS = 4096
_PROPAGATIONS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))
_METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23"]
"""Addresses of clouds that return a machine's credentials: of AWS, Google, Azure and others; tasks of ECS; pods of EKS.

An engine can assign only link-local addresses to a container, so Alibaba's 100.100.100.200 remains reachable.
"""


def container_name(run_id: str, role: str) -> str:
    """Return the name of a container of a run."""
    return f"tapdock-{run_id}-{role}"


class DockerRun:
    """A run. The relay creates its pipes in `folder`; if that is None, in volumes, one for each side.

    `owner` is for labels; `locate` returns the engine's own path of the folder; `network_options` are those of a
    network in which containers cannot reach each other.
    """

    def __init__(
        self,
        api: Any,
        run_id: str,
        folder: Path | None,
        *,
        owner: str,
        locate: Callable[[str], str] = str,
        network_options: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._api = api
        self._run_id = run_id
        self._owner = owner
        self._locate = locate
        self._network_options = dict(network_options or {})
        self._network_lock = threading.Lock()
        self._network: str | None = None
        self._containers: list[str] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "DockerRun":
        if self.folder:
            self._stack.callback(folders.remove, self.folder)
        return self

    def __exit__(self, *error: object) -> None:
        """Remove all containers at the same time, because each removal takes 0.1 s or more; then all that they use.

        The network is removed at the same time if all containers have exited, else after them.
        """
        removing = [threading.Thread(target=self._remove_container, args=(name,)) for name in self._containers]
        if self._network:
            removing.append(threading.Thread(target=self._remove_network, args=(self._network,)))
        try:
            for thread in removing:
                thread.start()
            for thread in removing:
                thread.join()
        finally:
            self._stack.close()

    def _remove_container(self, name: str) -> None:
        self._remove(lambda: self._api.remove_container(name, force=True, v=True))

    def _remove_network(self, name: str) -> None:
        self._remove(lambda: self._api.remove_network(name))

    def start(self, launch: Launch, log: Logs) -> DockerProcess:
        networked = launch if launch.networks else dataclasses.replace(launch, networks=(self._own_network(),))
        spec = container_spec(networked, pipes=self._shared(launch.role), scratch=self._shared("scratch"))
        return self._started(networked, spec, log)

    def attend(self, launch: Launch, stdio: Stdio) -> DockerAttended:
        networked = launch if launch.networks else dataclasses.replace(launch, networks=(self._own_network(),))
        spec = attended_spec(networked, stdio)
        name = self._create(launch.role, launch.image, spec, called=launch.called)
        self._join(networked, name)
        output = self._attached(name, launch.called, "stdout", "stderr")
        keyboard = None if stdio.stdin is None else self._attached(name, launch.called, "stdin")
        attended = DockerAttended(self._api, name, launch, stdio, output, keyboard, memory=_MEMORY)
        self._stack.callback(attended.close)
        self._begin(name, launch.called)
        attended.begin()
        return attended

    def _own_network(self) -> str:
        """Return the name of this run's network, which is created for the first container. Raises EngineError."""
        with self._network_lock:
            if self._network is None:
                name = f"tapdock-{self._run_id}"
                self._stack.callback(self._remove_network, name)
                try:
                    self._api.create_network(
                        name, driver="bridge", options=self._network_options, labels=self._labels("network")
                    )
                except CONNECTION as error:
                    hint = "remove unused ones with `docker network prune`, or set `network: bridge` under `defaults:`"
                    raise EngineError(
                        f"the network of this run could not be created: {reason_of(error)}", hint=hint
                    ) from error
                self._network = name
            return self._network

    def _shared(self, name: str) -> str:
        """Return the engine's path, or the volume, of a folder that the relay uses as well."""
        return self._locate(str(self.folder / name)) if self.folder else self._volume(name)

    def start_relay(self, image: str, log: Logs, *, scratch: bool) -> tuple[DockerProcess, DockerConversation]:
        names = ["source", "target", *(["scratch"] if scratch else [])]
        for name in names:
            self._make_volume(self._volume(name), blocks=_SCRATCH_BLOCKS if name == "scratch" else _PIPE_BLOCKS)
        binds = [f"{self._volume(name)}:{_PIPES}/{name}" for name in names]
        spec = relay_spec(binds)
        name = self._create("relay", image, spec, called=image)
        conversation = DockerConversation(self._attached(name, image, "stdin", "stdout", "stderr"), log)
        process = DockerProcess(self._api, name, image, None, log)
        self._begin(name, image)
        process.watch()
        return process, conversation

    def _volume(self, side: str) -> str:
        return f"tapdock-{self._run_id}-{side}"

    def _make_volume(self, name: str, *, blocks: int) -> None:
        """Create a volume in memory. It is emptied when its last container ends, so the relay must start first."""
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"nr_blocks={blocks},mode=0777"}  # podman refuses `size`
        self._stack.callback(self._remove, lambda: self._api.remove_volume(name, force=True))
        with answering(f"the volume `{name}` could not be created"):
            self._api.create_volume(name, driver_opts=options, labels=self._labels("pipes"))

    def _labels(self, role: str) -> dict[str, str]:
        return {LABEL_RUN: self._run_id, LABEL_ROLE: role, LABEL_OWNER: self._owner}

    def _started(self, launch: Launch, spec: dict[str, Any], log: Logs) -> DockerProcess:
        name = self._create(launch.role, launch.image, spec, called=launch.called)
        self._join(launch, name)
        process = DockerProcess(self._api, name, launch.called, self._attached(name, launch.called, "stderr"), log)
        self._begin(name, launch.called)
        process.watch()
        return process

    def _join(self, launch: Launch, name: str) -> None:
        for network in launch.networks[1:]:
            with answering(f"a container of `{launch.called}` could not join the network `{network}`"):
                self._api.connect_container_to_network(name, network)

    def _attached(self, name: str, image: str, *streams: str) -> Attached:
        with answering(f"a container of `{image}` could not be attached to"):
            attached = Attached(self._api.attach_socket(name, params=dict.fromkeys((*streams, "stream"), 1)))
        self._stack.callback(attached.close)
        return attached

    def _create(self, role: str, image: str, spec: dict[str, Any], *, called: str) -> str:
        name = container_name(self._run_id, role)
        self._containers.append(name)
        host = self._api.create_host_config(**spec.pop("host"))
        if addresses := spec.pop("own_addresses", None):
            # This needs a network of the engine; routes and firewalls of the machine are not changed.
            endpoint = self._api.create_endpoint_config(link_local_ips=addresses)
            spec["networking_config"] = self._api.create_networking_config({host["NetworkMode"]: endpoint})
        try:
            self._api.create_container(image, name=name, labels=self._labels(role), host_config=host, **spec)
        except docker.errors.ImageNotFound as error:
            raise EngineError(f"the image `{called}` is not present", hint=f"run `docker pull {called}`") from error
        except CONNECTION as error:
            raise refused(called, error) from error
        return name

    def _begin(self, name: str, image: str) -> None:
        try:
            self._api.start(name)
        except CONNECTION as error:
            raise refused(image, error) from error

    def _remove(self, remove: Any) -> None:
        try:
            remove()
        except docker.errors.NotFound:
            pass  # it was never created, or is already removed
        except CONNECTION:
            pass  # the engine is gone: the next run, or `tapdock gc`, removes the leftovers


def container_spec(launch: Launch, *, pipes: str, scratch: str = "") -> dict[str, Any]:
    """Return the container of a connector as arguments of the engine's API.

    Data is sent only through the pipes, so no log driver gets it. stderr is attached, never stored. The folder of the
    pipes is read-only: pipes can still be written to, but not replaced. `own_addresses` are assigned to the container
    itself, so that it cannot reach another machine there.
    """
    files = sum(_LATE_BYTES if file.late else len(file.content) for file in launch.files)
    shared = [f"{scratch}:{SCRATCH}"] if launch.scratch else []
    return {
        "entrypoint": command(launch, pipes=_PIPES, memory=_MEMORY),
        "command": [],
        "environment": {**launch.env, "TINI_KILL_PROCESS_GROUP": "1"},
        "user": launch.user,
        "platform": launch.platform,
        "own_addresses": _METADATA if launch.guarded and launch.networks else [],
        "host": {
            "binds": [
                f"{pipes}:{_PIPES}:ro",
                *shared,
                *(_bind(mount) for mount in launch.mounts if not _is_exact(mount)),
            ],
            "mounts": [_mount(mount) for mount in launch.mounts if _is_exact(mount)],
            "tmpfs": {_MEMORY: f"mode=1777,size={files * 3 + (16 << 20)}"},
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
        "entrypoint": attended_command(launch, memory=_MEMORY),
        "environment": {**spec["environment"], **more},
        "tty": stdio.terminal,
        "stdin_open": stdio.stdin is not None,
        "host": host,
    }


def relay_spec(binds: list[str]) -> dict[str, Any]:
    """Return the container of the relay: without a network, read-only, with orders on stdin and events on stdout."""
    return {
        "command": ["relay", _PIPES],
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
