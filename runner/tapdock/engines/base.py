"""The interface of an engine, which starts a `Process` from a `Launch`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from tapdock.engines.attended import Attended, Stdio
from tapdock.engines.own_container import OwnContainer
from tapdock.launch import Exit, ImageFacts, Launch, Role

__all__ = ["Conversation", "Engine", "EngineFacts", "Logs", "Process", "Run", "Swept"]

Logs = Callable[[str], None]
"""A function that gets one line of a connector's stderr."""


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An engine's description of itself: `architecture` as in images, `memory` in bytes, `time` in ISO 8601.

    `own` is the container that this process runs in, if this engine runs it.
    """

    product: str
    version: str
    address: str
    architecture: str = ""
    rootless: bool = False
    limits_memory: bool = True
    memory: int | None = None
    time: str | None = None
    own: OwnContainer | None = None

    def __str__(self) -> str:
        """Return the product, its version and its address, for messages."""
        return f"{self.product} {self.version} at {self.address}"


class Swept(NamedTuple):
    """The result of a removal of leftovers: names of those removed, and of those that remain, each with the reason."""

    removed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: object) -> "Swept":
        assert isinstance(other, Swept), "nothing else is added"
        return Swept((*self.removed, *other.removed), (*self.kept, *other.kept))


class Process(Protocol):
    """A started container. `wait` may be called several times, from any thread."""

    @property
    def name(self) -> str: ...

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Return how it ended, after its log was read to the end; None if it still runs after `timeout` seconds.

        Raises EngineError if the launcher cannot run in the image.
        """
        ...

    def kill(self) -> None:
        """Kill it. If it has already ended, nothing happens."""
        ...


class Conversation(Protocol):
    """The connection to a relay in a container: orders go in, events come out, as JSON lines."""

    def send(self, data: bytes) -> None:
        """Send bytes. Raises BrokenPipeError if the relay is gone."""
        ...

    def receive(self) -> bytes:
        """Return the next bytes; empty at the end."""
        ...


class Run(Protocol):
    """The containers of one run on an engine: a context manager that removes everything in any ending."""

    def __enter__(self) -> "Run": ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def folder(self) -> Path | None:
        """The folder in which the relay creates its pipes; None if this engine cannot share a folder with us."""
        ...

    def start(self, launch: Launch, log: Logs) -> Process:
        """Start a connector on the pipes of its side. Raises EngineError."""
        ...

    def attend(self, launch: Launch, stdio: Stdio) -> Attended:
        """Start a connector that a user runs by hand, on the user's own descriptors. Raises EngineError."""
        ...

    def start_relay(
        self, image: str, log: Logs, *, roles: Sequence[Role], scratch: bool
    ) -> tuple[Process, Conversation]:
        """Start the relay in a container that has the pipes of all roles, and their scratch folder.

        Raises EngineError.
        """
        ...


class Engine(Protocol):
    """An engine: it runs containers."""

    @property
    def name(self) -> str: ...

    @property
    def owner(self) -> str:
        """The name of this process in labels and leases."""
        ...

    def is_over(self, owner: str, run_id: str) -> bool:
        """Remove the leftovers of a run. Return True if its process has surely ended and nothing of the run is left."""
        ...

    def facts(self) -> EngineFacts:
        """Return the engine's description of itself. Raises EngineError."""
        ...

    def placed(self, launch: Launch) -> Launch:
        """Return the launch with the engine's own paths for mounts, and with networks.

        Raises UsageError for a mount of a folder that the engine does not have.
        """
        ...

    def inspect(self, image: str) -> ImageFacts | None:
        """Return the facts of an image; None if it is not present. Raises EngineError."""
        ...

    def pull(self, image: str, *, platform: str | None, progress: Logs) -> None:
        """Pull an image. Raises ImageMissing."""
        ...

    def refusal(self, image: str) -> str | None:
        """Return why an image cannot be pulled, without pulling it; None if it can, or if that is not known."""
        ...

    def has_network(self, name: str) -> bool:
        """Return False if the engine certainly does not have a network. Raises EngineError."""
        ...

    def run(self, run_id: str, *, image: str) -> Run:
        """Return a new run. `image` must be present: it may be started to find out whether a folder can be shared."""
        ...

    def changed(self, run_id: str, role: Role, *, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        """Return some `wanted` files with content that a container of a run wrote, and that vanish with the container.

        Raises EngineError.
        """
        ...

    def forget(self) -> tuple[str, ...]:
        """Forget which folders this engine does not have, so that they are tried again. Return their names."""
        ...

    def leftovers(self) -> tuple[str, ...]:
        """Return the names of leftovers of dead runs that `sweep` would remove."""
        ...

    def sweep(self) -> Swept:
        """Remove the leftovers of dead runs."""
        ...
