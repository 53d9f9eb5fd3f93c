"""The interface of an engine: what turns a `Launch` into a `Process`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from tapdock.engines.own_container import OwnContainer
from tapdock.launch import Exit, ImageFacts, Launch

__all__ = ["Conversation", "Engine", "EngineFacts", "Logs", "Process", "Run", "Swept"]

Logs = Callable[[str], None]
"""Takes one line that a connector wrote on its stderr."""


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What an engine tells of itself: `architecture` in the words of images, `time` in ISO 8601.

    `own` is the container that we run in, if it runs it.
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
        """For people."""
        return f"{self.product} {self.version} at {self.address}"


class Swept(NamedTuple):
    """What dead runs left: names of what was removed, and of what could not be, each with the reason."""

    removed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: object) -> "Swept":
        assert isinstance(other, Swept), "nothing else is added"
        return Swept((*self.removed, *other.removed), (*self.kept, *other.kept))


class Process(Protocol):
    """A started container. `wait` may be called again and again, from any thread."""

    @property
    def name(self) -> str: ...

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Its ending, or None when it still runs after `timeout` seconds; its log has been read to the end by then.

        Raises EngineError for an image that nothing of ours can run in.
        """
        ...

    def kill(self) -> None:
        """End it at once; one that is over already is fine."""
        ...


class Conversation(Protocol):
    """A relay in a container: orders in, events out, as JSON lines."""

    def send(self, data: bytes) -> None:
        """Raises BrokenPipeError when it is gone."""
        ...

    def receive(self) -> bytes:
        """Some more bytes; empty at the end."""
        ...


class Run(Protocol):
    """Everything that one run starts on an engine; a context manager that leaves nothing behind in any ending."""

    def __enter__(self) -> "Run": ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def folder(self) -> Path | None:
        """Where the relay makes its pipes beside the runner; None when this engine cannot share a folder."""
        ...

    def start(self, launch: Launch, log: Logs) -> Process:
        """Start a connector on the pipes of its side. Raises EngineError."""
        ...

    def start_relay(self, image: str, log: Logs, *, scratch: bool) -> tuple[Process, Conversation]:
        """Start the relay in a container that has both sides' pipes, and their scratch folder. Raises EngineError."""
        ...


class Engine(Protocol):
    """Where containers run."""

    @property
    def name(self) -> str: ...

    @property
    def owner(self) -> str:
        """This process, as it stands in labels and leases."""
        ...

    def is_over(self, owner: str, run_id: str) -> bool:
        """Whether that process has surely ended, and nothing of that run is left: what was, is removed now."""
        ...

    def facts(self) -> EngineFacts:
        """What it is."""
        ...

    def placed(self, launch: Launch) -> Launch:
        """The launch as the engine must be told it: its own paths for what is mounted, and networks.

        Raises UsageError for a mount of a folder that the engine does not have.
        """
        ...

    def inspect(self, image: str) -> ImageFacts | None:
        """What the image says of itself; None when it is not here."""
        ...

    def pull(self, image: str, *, platform: str | None, progress: Logs) -> None:
        """Raises ImageMissing."""
        ...

    def refusal(self, image: str) -> str | None:
        """Why an image cannot be pulled, asked without pulling it; None where it can, or nobody can tell."""
        ...

    def run(self, run_id: str, *, image: str) -> Run:
        """`image` is one that is here: it may be started to find out whether a folder can be shared."""
        ...

    def forget(self) -> tuple[str, ...]:
        """Forget what was tried and this engine does not have, so that it is tried again. Return the names of it."""
        ...

    def leftovers(self) -> tuple[str, ...]:
        """Names of what dead runs left, and `sweep` would remove."""
        ...

    def sweep(self) -> Swept:
        """Remove what dead runs left."""
        ...
