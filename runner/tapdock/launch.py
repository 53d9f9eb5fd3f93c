"""What a container is started with (`Launch`), and what an engine reports about it (`ImageFacts`, `Exit`)."""

from dataclasses import dataclass, field
from typing import Literal

from tapdock.project.model import Mount

__all__ = ["SCRATCH", "Exit", "FileArg", "ImageFacts", "InputFile", "Launch", "Role"]

SCRATCH = "/tapdock/scratch"
"""Where both connectors of a run have the folder that they share, if they do."""

Role = Literal["source", "target", "relay"]


@dataclass(frozen=True)
class InputFile:
    """A file that a connector reads; it only ever exists in its container's memory.

    The content of a `late` one is known only while the connector waits for it.
    """

    name: str
    content: bytes = field(repr=False)
    late: bool = False


@dataclass(frozen=True)
class FileArg:
    """An argument that is the path of an input file, wherever the engine puts it."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One container to be run: a value, made by a connector kind and performed by an engine.

    `image` is what is started: the id of the image that was inspected, where the engine has ids. `name` is what
    messages call it; empty where that is `image`.
    `as_caller`: it writes into a folder of whoever runs tapdock, as whom the engine is to run it. `scratch`: it shares
    a folder with the other side, for files that messages name. Without `networks` it gets one of the run's own.
    `guarded`: the addresses of a cloud's metadata services lead nowhere from it.
    """

    role: Role
    image: str
    name: str = ""
    entrypoint: tuple[str, ...]
    args: tuple[str | FileArg, ...] = ()
    files: tuple[InputFile, ...] = ()
    stdin: bool = False
    env: dict[str, str] = field(default_factory=dict, repr=False)
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = ()
    guarded: bool = True
    extra_hosts: tuple[str, ...] = ()
    user: str | None = None
    is_root: bool = False
    as_caller: bool = False
    scratch: bool = False
    platform: str | None = None
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None

    @property
    def called(self) -> str:
        """What messages call the image."""
        return self.name or self.image


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What inspection of an image tells; `digest` names its content for good.

    `id` names it on its engine: a container of that id is one of this very image, whatever `image` means by then.
    `recipe` is set for an image that a `build:` made or found made, and for no other: a label alone proves nothing.
    """

    image: str
    digest: str
    id: str = ""
    recipe: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    architecture: str = ""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container ended; None where the engine cannot tell."""

    code: int | None
    oom_killed: bool = False
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    error: str | None = None
