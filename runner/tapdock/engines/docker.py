"""Docker Engine, and whatever speaks its API."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions
from docker.utils import kwargs_from_env

from tapdock.engines import docker_build, folders, owner
from tapdock.engines.base import Logs
from tapdock.engines.docker_run import LABEL_OWNER, LABEL_RUN, DockerRun
from tapdock.errors import EngineError, ImageMissing
from tapdock.launch import ImageFacts

__all__ = ["DockerEngine", "connect"]

_PROBE_SECONDS = 5.0


def connect(*, cache: Path, relay: str = "auto") -> "DockerEngine":
    """The engine that DOCKER_HOST names, or the usual socket. Raises EngineError with what to do.

    `relay` is `auto`, `beside` or `container`; `cache` keeps what was found out about engines.
    """
    try:
        api = docker.APIClient(**kwargs_from_env(), version="auto", timeout=60)
    except docker.errors.DockerException as error:
        raise _unreachable(error) from error
    return DockerEngine(api, cache=cache, relay=relay)


def _unreachable(error: Exception) -> EngineError:
    where = _address()
    if "Permission denied" in str(error):
        hint = "`sudo usermod -aG docker $USER`, then log in again"
        return EngineError(f"no permission to use the Docker Engine at {where}", hint=hint)
    return EngineError(f"no Docker Engine answers at {where}", hint="start it, or name another with DOCKER_HOST")


def _address() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


class DockerEngine:
    """One connection; its methods may be called from several threads."""

    name = "docker"

    def __init__(self, api: Any, *, cache: Path, relay: str) -> None:
        self.api = api
        self._cache = cache
        self._relay = relay

    def describe(self) -> str:
        version = self.api.version()
        return f"{version.get('Platform', {}).get('Name') or 'Docker Engine'} {version['Version']} at {_address()}"

    def inspect(self, image: str) -> ImageFacts | None:
        try:
            found = self.api.inspect_image(image)
        except docker.errors.ImageNotFound:
            return None
        except (docker.errors.APIError, requests.exceptions.ConnectionError) as error:
            raise EngineError(f"`{image}` could not be inspected: {_reason(error)}") from error
        config = found.get("Config") or {}
        digests = [text.partition("@")[2] for text in found.get("RepoDigests") or []]
        return ImageFacts(
            image=image,
            digest=digests[0] if digests else found["Id"],
            labels=config.get("Labels") or {},
            env=dict(text.partition("=")[::2] for text in config.get("Env") or []),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            user=config.get("User") or "",
            architecture=found.get("Architecture") or "",
        )

    def pull(self, image: str, *, platform: str | None, progress: Logs) -> None:
        repository, _, tag = image.partition("@") if "@" in image else _split_tag(image)
        try:
            for step in self.api.pull(repository, tag=tag or "latest", platform=platform, stream=True, decode=True):
                if "error" in step:
                    raise _pull_failed(image, step["error"])
                if step.get("status"):
                    progress(f"{step['status']} {step.get('id', '')}".strip())
        except docker.errors.APIError as error:
            raise _pull_failed(image, _reason(error)) from error

    def building(self, progress: Logs) -> AbstractContextManager[None]:
        """Held while one image is built."""
        return docker_build.alone(self._cache / "build.lock", progress)

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
        """Raises EngineError; `indexes` stay in no layer that is kept."""
        docker_build.build(self.api, context, tag=tag, args=args, indexes=indexes, labels=labels, progress=progress)

    def run(self, run_id: str, *, image: str) -> DockerRun:
        share = self._relay == "beside" or (self._relay == "auto" and self.shares_folders(image))
        return DockerRun(self.api, run_id, folders.made() if share else None)

    def shares_folders(self, image: str) -> bool:
        """Whether a pipe of ours can be opened in a container: tried once per engine, with a container of `image`.

        Not by address: a socket may lead to another machine, and a daemon may live in another file system.
        """
        known = self._cache / f"shares-folders-{self._identity()}"
        if not known.exists():
            answer = self._probe(image)
            known.parent.mkdir(parents=True, exist_ok=True)
            known.write_text("yes" if answer else "no", "ascii")
        return known.read_text("ascii") == "yes"

    def _identity(self) -> str:
        """Of the engine as seen through this address and this temporary folder; daemons may share an ID."""
        info = self.api.info()
        seen = (self.api.base_url, info["ID"], info["Name"], info["DockerRootDir"], tempfile.gettempdir())
        return sha256(repr(seen).encode()).hexdigest()[:16]

    def _probe(self, image: str) -> bool:
        with folders.temporary() as folder:
            return _pipe_answers(self.api, image, folder)

    def sweep(self) -> tuple[str, ...]:
        return (*self._sweep_containers(), *self._sweep_volumes(), *folders.sweep())

    def _sweep_containers(self) -> Iterator[str]:
        for container in self.api.containers(all=True, filters={"label": LABEL_RUN}):
            if owner.is_alive(container["Labels"].get(LABEL_OWNER, "")) is False:
                name = container["Names"][0].lstrip("/")
                _forget(partial(self.api.remove_container, container["Id"], force=True, v=True))
                yield name

    def _sweep_volumes(self) -> Iterator[str]:
        for volume in self.api.volumes(filters={"label": LABEL_RUN})["Volumes"] or []:
            if owner.is_alive((volume["Labels"] or {}).get(LABEL_OWNER, "")) is False:
                _forget(partial(self.api.remove_volume, volume["Name"], force=True))
                yield volume["Name"]


def _forget(remove: Callable[[], Any]) -> None:
    try:
        remove()
    except docker.errors.NotFound:
        pass  # somebody else swept it
    except docker.errors.APIError as error:
        if error.status_code != 409:  # its removal is under way already
            raise


def _pipe_answers(api: Any, image: str, folder: Path) -> bool:
    """Whether a container writes into a pipe in `folder` within five seconds."""
    pipes = folder / "pipes"
    pipes.mkdir()
    pipes.chmod(0o777)
    os.mkfifo(pipes / "probe")
    (pipes / "probe").chmod(0o666)
    reader = os.open(pipes / "probe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        container = api.create_container(
            image,
            entrypoint=["/bin/sh", "-c", "[ -p /tapdock/pipes/probe ] && echo yes >/tapdock/pipes/probe"],
            command=[],
            labels={LABEL_RUN: "probe", LABEL_OWNER: owner.mine()},
            host_config=api.create_host_config(binds=[f"{pipes}:/tapdock/pipes"], network_mode="none"),
        )
    except docker.errors.APIError:
        os.close(reader)
        return False  # it may not even mount such a folder
    killer = threading.Timer(_PROBE_SECONDS, lambda: _forget(lambda: api.kill(container)))
    try:
        api.start(container)
        killer.start()
        api.wait(container)
        return os.read(reader, 8) == b"yes\n"
    except docker.errors.APIError:
        return False
    finally:
        killer.cancel()
        os.close(reader)
        _forget(lambda: api.remove_container(container, force=True))


def _split_tag(image: str) -> tuple[str, str, str]:
    """`host:5000/name:tag`: a colon is a tag's only behind the last slash."""
    head, slash, tail = image.rpartition("/")
    name, colon, tag = tail.partition(":")
    return f"{head}{slash}{name}", colon, tag


def _pull_failed(image: str, reason: str) -> ImageMissing:
    hint = f"check the name, log in to its registry, or give a `build:` for it; `docker pull {image}` tells more"
    return ImageMissing(f"the image `{image}` is not here and cannot be pulled: {reason}", hint=hint)


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)
