"""The engine for Docker Engine, and for others with the same API."""

import dataclasses
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import docker.errors
import msgspec

from tapdock.cache import Cache
from tapdock.engines import folders
from tapdock.engines.base import EngineFacts, Logs, Swept
from tapdock.engines.docker import build, changes, connection, handshake, networks, sweep
from tapdock.engines.docker.errors import CONNECTION, answering, pull_failed, reason_of, uncovered
from tapdock.engines.docker.run import LABEL_RUN, DockerRun, container_name
from tapdock.engines.own_container import OwnContainer, find_own, is_this_life
from tapdock.engines.owner import is_alive, mine
from tapdock.engines.references import digest_of, split_tag
from tapdock.errors import EngineError, UsageError
from tapdock.launch import ImageFacts, Launch, Role
from tapdock.project.connector_values import Mount

__all__ = ["DockerEngine", "connect"]


def connect(*, cache: Path, relay: str = "auto", homes: tuple[Path, ...] = ()) -> "DockerEngine":
    """Connect to the engine at DOCKER_HOST, or at the default socket. Raises EngineError with the next step.

    `relay` is `auto`, `beside` or `container`; `cache` is the folder for known facts about engines. If this process
    runs in a container and the engine does not have its temporary folder, pipes are created in the first of `homes`
    that the engine has.
    """
    address = os.environ.get("DOCKER_HOST") or connection.SOCKET
    return DockerEngine(connection.opened(address), address=address, cache=cache, relay=relay, homes=homes)


class DockerEngine:
    """An engine with one connection; its methods may be called from several threads."""

    name = "docker"

    def __init__(self, api: Any, *, address: str, cache: Path, relay: str, homes: tuple[Path, ...]) -> None:
        self.api = api
        self._address = address
        self._cache = cache
        self._relay = relay
        self._homes = homes

    @cached_property
    def own(self) -> OwnContainer | None:
        """The container that this process runs in, if this engine runs it."""
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        except OSError:
            mountinfo = ""  # not Linux, so not in a container
        named = os.environ.get("TAPDOCK_CONTAINER")
        return find_own(self._container, mountinfo=mountinfo, hostname=socket.gethostname(), named=named)

    def _container(self, name: str) -> Mapping[str, Any] | None:
        with answering("the engine did not report the container of tapdock"):
            try:
                found: Mapping[str, Any] = self.api.inspect_container(name)
            except docker.errors.NotFound:
                return None
            return found

    def _runs(self, life: str) -> bool:
        return is_this_life(life, self._container(life.partition("/")[0]))

    @property
    def owner(self) -> str:
        """The name of this process, with that of the engine: another engine cannot check a container of this one."""
        return f"{mine(self.own.life if self.own else '')}/{self._name}"

    @property
    def _name(self) -> str:
        """The name of the engine: its ID and the machine's name, because copied machines have the same ID."""
        return f"{self._info.get('ID')}.{self._info.get('Name')}".replace("/", "")

    def is_over(self, owner: str, run_id: str) -> bool:
        if is_alive(owner, runs=self._runs if owner.endswith(f"/{self._name}") else lambda _: None) is not False:
            return False
        self.sweep()  # so no container of it can write any more
        with answering("the engine did not report the containers of a dead run"):
            return not self.api.containers(filters={"label": f"{LABEL_RUN}={run_id}"})

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        with answering("the engine did not report its facts"):
            found: Mapping[str, Any] = self.api.info()
            return found

    @cached_property
    def _version(self) -> Mapping[str, Any]:
        with answering("the engine did not report its version"):
            found: Mapping[str, Any] = self.api.version()
            return found

    @property
    def _is_podman(self) -> bool:
        return any("Podman" in (part.get("Name") or "") for part in self._version.get("Components") or [])

    def facts(self) -> EngineFacts:
        version, info = self._version, self._info
        return EngineFacts(
            product="Podman" if self._is_podman else "Docker Engine",
            version=version["Version"],
            address=self._address,
            architecture=version.get("Arch") or "",
            rootless=connection.is_rootless(self._info),
            limits_memory=bool(info.get("MemoryLimit")) and info.get("CgroupDriver") != "none",
            memory=info.get("MemTotal") or None,
            time=info.get("SystemTime") or None,
            own=self.own,
        )

    def inspect(self, image: str) -> ImageFacts | None:
        try:
            found = self.api.inspect_image(image)
        except docker.errors.ImageNotFound:
            return None
        except CONNECTION as error:
            raise EngineError(f"`{image}` could not be inspected: {reason_of(error)}") from error
        config = found.get("Config") or {}
        return ImageFacts(
            image=image,
            digest=digest_of(image, found.get("RepoDigests") or []) or found["Id"],
            id=found["Id"],
            labels=config.get("Labels") or {},
            env=dict(text.partition("=")[::2] for text in config.get("Env") or []),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            user=config.get("User") or "",
            architecture=found.get("Architecture") or "",
        )

    def pull(self, image: str, *, platform: str | None, progress: Logs) -> None:
        repository, _, tag = image.partition("@") if "@" in image else split_tag(image)
        try:
            for step in self.api.pull(repository, tag=tag or "latest", platform=platform, stream=True, decode=True):
                if "error" in step:
                    raise pull_failed(image, step["error"])
                if step.get("status"):
                    progress(f"{step['status']} {step.get('id', '')}".strip())
        except CONNECTION as error:
            raise pull_failed(image, reason_of(error)) from error

    def refusal(self, image: str) -> str | None:
        if self._is_podman:
            return None  # Podman cannot check this without pulling
        try:
            self.api.inspect_distribution(image)
        except CONNECTION as error:
            return reason_of(error)
        return None

    def has_network(self, name: str) -> bool:
        return networks.exists(self.api, name)

    def building(self, progress: Logs) -> AbstractContextManager[None]:
        """Return a lock that is held while an image is built."""
        return build.alone(self._cache / build.LOCK, progress)

    def sweep_builds(self) -> Swept:
        with answering("the engine did not report the leftovers of killed builds"):
            return build.swept(self.api, self._cache / build.LOCK)

    def build(
        self,
        context: Path,
        *,
        tag: str,
        args: Mapping[str, str],
        indexes: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Logs,
    ) -> None:
        """Build an image. Raises EngineError. No layer of the image contains `indexes`."""
        build.build(self.api, context, tag=tag, args=args, indexes=indexes, labels=labels, progress=progress)

    def run(self, run_id: str, *, image: str) -> DockerRun:
        share = self._relay == "beside" or (self._relay == "auto" and self.shares_pipes(image))
        container = self.own.life if self.own else ""
        folder = folders.made(self._pipes_home(), container=container) if share else None
        # Podman does not have this option: there, the two containers of a run can reach each other.
        options = {} if self._is_podman else {"com.docker.network.bridge.enable_icc": "false"}
        return DockerRun(
            self.api, run_id, folder, owner=self.owner, locate=self._located_folder, network_options=options
        )

    def _pipes_home(self) -> Path | None:
        """Return the folder for pipes, which the engine must have as well; None if there is none."""
        homes = [Path(tempfile.gettempdir()), *self._homes]
        if self.own is None:
            return homes[0]
        for home in homes:
            if self.own.located(os.path.realpath(home)):
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
                return home
        return None

    def _located_folder(self, path: str) -> str:
        """Return the engine's path of a folder that was created in `_pipes_home`."""
        located = self.own.located(os.path.realpath(path)) if self.own else path
        assert located is not None, "created where the engine has it"
        return located

    def shares_pipes(self, image: str) -> bool:
        """Return True if a container can open pipes of this process. It is tried once per engine, with `image`."""
        home = self._pipes_home()
        if home is None:
            return False

        def ask() -> bool | None:
            with folders.temporary(home, container=self.own.life if self.own else "") as folder:
                pipes = folder / "pipes"
                pipes.mkdir()
                pipes.chmod(0o777)
                source = self._located_folder(str(pipes))
                return handshake.has_pipes(self.api, image, pipes, source=source, owner=self.owner)

        # If the image itself cannot run, the start of the connector will report a better error.
        return self._answers.of(f"pipes in {home}", ask) is not False

    @cached_property
    def _answers(self) -> handshake.Answers:
        """Known facts about the engine, for this process's own container. Engines may have the same ID."""
        container, info = self.own.shared if self.own else None, self._info
        identity = (self.api.base_url, info["ID"], info["Name"], info["DockerRootDir"], container)
        return handshake.Answers(cache=Cache(self._cache), engine=identity)

    def changed(self, run_id: str, role: Role, *, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        return changes.found(self.api, container_name(run_id, role), wanted=wanted)

    def forget(self) -> tuple[str, ...]:
        return self._answers.forget()

    def placed(self, launch: Launch) -> Launch:
        """Return the launch with the engine's own paths for mounts, and by default on this process's own networks.

        Raises UsageError for a mount of a folder that the engine does not have.
        """
        mounts = tuple(mount if mount.is_volume else self._placed(mount, launch) for mount in launch.mounts)
        networks = () if launch.networks or self.own is None else self.own.networks
        placed = dataclasses.replace(launch, mounts=mounts, networks=launch.networks or networks)
        return self._as_caller(placed) if launch.as_caller else placed

    def _as_caller(self, launch: Launch) -> Launch:
        """Return the launch as the calling user. In a rootless engine, a container's root is the engine's user."""
        user = "0:0" if connection.is_rootless(self._info) and self.own is None else f"{os.getuid()}:{os.getgid()}"
        return dataclasses.replace(launch, user=user, is_root=user.startswith("0:"))

    def _placed(self, mount: Mount, launch: Launch) -> Mount:
        if self.own:
            located = self.own.located(os.path.realpath(mount.source))
            if located is None:
                raise uncovered(mount.source, launch.place)
            return msgspec.structs.replace(mount, source=located)
        if not self.shares_pipes(launch.image) and not self._has(Path(mount.source), launch.image):
            raise UsageError(
                f"{launch.place}the engine at {self._address} does not have the folder {mount.source} of this machine",
                hint=f"mount a volume of that engine instead, for example `{launch.role}-data:{mount.target}`",
            )
        return mount

    def _has(self, folder: Path, image: str) -> bool:
        """Return False if the engine does not have the folder. If that cannot be tried, assume that it has it."""
        while not folder.exists():  # a run creates it
            folder = folder.parent

        def ask() -> bool | None:
            return handshake.has_folder(self.api, image, folder, owner=self.owner)

        return self._answers.of(f"the folder {folder}", ask) is not False

    def leftovers(self) -> tuple[str, ...]:
        with answering("the engine did not report the leftovers of dead runs"):
            containers = [leftover.name for leftover in sweep.found(self.api, self._runs)]
        folders_ = [str(path) for home in self._swept for path in folders.abandoned(home, runs=self._runs)]
        return (*containers, *folders_)

    def sweep(self) -> Swept:
        with answering("the engine did not report the leftovers of dead runs"):
            swept = sweep.removed(sweep.found(self.api, self._runs))
        for home in self._swept:
            swept += folders.sweep(home, runs=self._runs)
        return swept

    @property
    def _swept(self) -> set[Path]:
        """The folders that may contain folders of runs."""
        return {Path(tempfile.gettempdir()), *(home for home in self._homes if home.is_dir())}
