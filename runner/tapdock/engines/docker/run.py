"""The containers of one run on a Docker Engine. They have names before they exist, and are removed in any ending."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker.errors

from tapdock.engines import folders
from tapdock.engines.attended import Stdio
from tapdock.engines.base import Logs
from tapdock.engines.docker.attach import Attached
from tapdock.engines.docker.attended import DockerAttended
from tapdock.engines.docker.container_spec import MEMORY, PIPES, attended_spec, container_spec, relay_spec
from tapdock.engines.docker.errors import CONNECTION, answering, reason_of, refused
from tapdock.engines.docker.process import DockerConversation, DockerProcess
from tapdock.errors import EngineError
from tapdock.launch import Launch, Role

__all__ = ["LABEL_OWNER", "LABEL_RUN", "DockerRun", "container_name"]

LABEL_RUN = "io.tapdock.run"
LABEL_ROLE = "io.tapdock.role"
LABEL_OWNER = "io.tapdock.owner"
_PIPE_BLOCKS, _SCRATCH_BLOCKS = 1 << 10, 1 << 18  # pages of 4 KiB


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
        attended = DockerAttended(self._api, name, launch, stdio, output, keyboard, memory=MEMORY)
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

    def start_relay(
        self, image: str, log: Logs, *, roles: Sequence[Role], scratch: bool
    ) -> tuple[DockerProcess, DockerConversation]:
        names = [*roles, *(["scratch"] if scratch else [])]
        for name in names:
            self._make_volume(self._volume(name), blocks=_SCRATCH_BLOCKS if name == "scratch" else _PIPE_BLOCKS)
        binds = [f"{self._volume(name)}:{PIPES}/{name}" for name in names]
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
