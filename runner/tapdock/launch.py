"""Values that an engine takes and returns: the container to start (`Launch`), `ImageFacts` and `Exit`."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tapdock.project.connector_values import Mount

__all__ = ["SCRATCH", "Exit", "FileArg", "ImageFacts", "InputFile", "Launch", "Role"]

SCRATCH = "/tapdock/scratch"
"""The path of the folder that both connectors of a run share, if they share one."""

Role = Literal["source", "mapper", "target", "task", "relay"]


@dataclass(frozen=True)
class InputFile:
    """A file that a connector reads. It exists only in the memory of the connector's container.

    The content of a `late` file is determined after the container has started; the connector waits for it.
    """

    name: str
    content: bytes = field(repr=False)
    late: bool = False


class FileArg(msgspec.Struct, frozen=True):
    """An argument that is the path of an input file, behind the text `before`; the engine decides on the path."""

    name: str
    before: str = ""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A container to run: a value that a connector kind makes and that an engine starts.

    `image` is the id of the inspected image, if the engine has ids. `name` is its name in messages; empty means
    `image`. `as_caller`: the container writes into a folder of the user who runs tapdock, so the engine runs it as
    this user. `working_dir` is where it starts, if that is not the image's own folder. `place` is where the project
    file sets the mounts, for the beginning of messages. `scratch`: it shares a folder with the other side, for files
    that messages name. Without `networks`, it joins the run's own network. `guarded`: it cannot reach the metadata
    services of clouds.
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
    place: str = ""
    networks: tuple[str, ...] = ()
    guarded: bool = True
    extra_hosts: tuple[str, ...] = ()
    user: str | None = None
    is_root: bool = False
    as_caller: bool = False
    scratch: bool = False
    working_dir: str | None = None
    platform: str | None = None
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None

    def placed_args(self, memory: str) -> list[str]:
        """Return the arguments, with the paths of input files in the folder `memory`."""
        return [f"{arg.before}{memory}/{arg.name}" if isinstance(arg, FileArg) else arg for arg in self.args]

    @property
    def called(self) -> str:
        """The name of the image in messages."""
        return self.name or self.image


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The result of inspecting an image. `digest` identifies its content.

    `id` identifies the image on its engine, even if the name `image` moves to another one. `recipe` is only set for
    images of a `build:`, because anybody can set a label.
    """

    image: str
    digest: str
    id: str = ""
    recipe: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    env: dict[str, str] = msgspec.field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    architecture: str = ""


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a container exited. Fields are None if the engine does not report them."""

    code: int | None
    oom_killed: bool = False
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    error: str | None = None
